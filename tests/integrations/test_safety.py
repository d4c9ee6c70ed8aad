"""Steps that would do harm become escalations, and others stay as they are."""

import pytest

from integrations.generator import NodeDraft, NodeOption
from integrations.harms import RULES
from integrations.safety import NEEDS_ENGINEER, harm, harmless
from tests.integrations.phrases import HARMFUL, HARMLESS


@pytest.mark.parametrize("phrase", HARMFUL)
def test_a_harmful_step_becomes_an_escalation_that_cites_the_same_article(phrase: str) -> None:
    served = harmless(NodeDraft("action", phrase, article_id="a1"))
    assert (served.kind, served.reason_category) == ("escalate", NEEDS_ENGINEER)
    assert served.article_id == "a1"
    assert phrase not in served.text


@pytest.mark.parametrize("phrase", HARMLESS)
def test_a_harmless_step_stays(phrase: str) -> None:
    draft = NodeDraft("action", phrase, article_id="a1")
    assert harmless(draft) == draft


def test_every_rule_is_met_by_a_phrase() -> None:
    met = {harm(phrase) for phrase in HARMFUL}
    assert {rule.what for rule in RULES} - met == set()


@pytest.mark.parametrize("phrase", HARMFUL)
def test_harm_is_found_between_other_steps(phrase: str) -> None:
    assert harm(f"Restart Outlook. {phrase} Then sign in again.") is not None


@pytest.mark.parametrize("phrase", HARMLESS)
def test_harmless_steps_one_after_another_stay_harmless(phrase: str) -> None:
    assert harm(f"Restart Outlook. {phrase} Then sign in again.") is None


def test_a_harmful_option_makes_the_question_an_escalation() -> None:
    options = (NodeOption("Wipe the laptop"), NodeOption("Call back later"))
    assert harmless(NodeDraft("question", "What next?", options)).kind == "escalate"


def test_an_escalation_may_say_what_an_engineer_has_to_do() -> None:
    draft = NodeDraft("escalate", "Wipe the laptop.", reason_category="hardware")
    assert harmless(draft) == draft


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "words", ["delete the ", "do not a ", "reset the x y ", "curl ", "format "]
)
def test_long_texts_are_read_in_no_time(words: str) -> None:
    harm((words * 4_000)[:20_000])
