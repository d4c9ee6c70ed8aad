"""What a generator returned is shown only if it is a node, whoever the generator is."""

from dataclasses import replace
from typing import Any

import pytest

from consumers.node_drafts import Unusable, made, stand_in
from domain.built_nodes import AI_UNAVAILABLE, BuiltNode, Choice, NodeKind, stands_in
from integrations.generator import NodeDraft, NodeOption
from tests.builders import NODE, an_id

ARTICLE, ANOTHER = an_id(0x71), an_id(0x72)
QUESTION = NodeDraft("question", "On?", (NodeOption("Yes"), NodeOption("No")))
ACTION = NodeDraft("action", "Switch it on.")
ESCALATION = NodeDraft("escalate", "Too hot.", reason_category="fire")
LONG = "x" * 20_000


def node_of(draft: NodeDraft) -> BuiltNode:
    return made(draft, NODE, {ARTICLE})


def test_a_question_gets_its_id_and_those_of_its_options() -> None:
    assert node_of(replace(QUESTION, article_id=ARTICLE)) == BuiltNode(
        NODE, NodeKind.QUESTION, "On?", (Choice("1", "Yes"), Choice("2", "No")), ARTICLE
    )


@pytest.mark.parametrize("kind", ["action", "article", "resolve"])
def test_other_kinds_are_as_they_were_drafted(kind: Any) -> None:  # noqa: ANN401 - one of them
    assert node_of(NodeDraft(kind, "So.")) == BuiltNode(NODE, NodeKind(kind), "So.")


def test_an_escalation_says_why() -> None:
    assert node_of(ESCALATION) == BuiltNode(
        NODE, NodeKind.ESCALATE, "Too hot.", reason_category="fire"
    )


@pytest.mark.parametrize(
    "draft",
    [
        replace(ACTION, text=LONG),
        replace(QUESTION, options=tuple(NodeOption(str(one)) for one in range(8))),
        replace(QUESTION, options=(NodeOption("y" * 4_000), NodeOption("n"))),
        replace(ESCALATION, reason_category="x" * 30),
    ],
)
def test_limits_are_inclusive(draft: NodeDraft) -> None:
    assert node_of(draft).text == draft.text


FAULTS: dict[str, NodeDraft] = {
    "no kind": replace(ACTION, kind="wish"),  # type: ignore[arg-type]
    "no text": replace(ACTION, text=""),
    "blank text": replace(ACTION, text=" \n"),
    "long text": replace(ACTION, text=LONG + "x"),
    "what is no text": replace(ACTION, text=7),  # type: ignore[arg-type]
    "NUL": replace(ACTION, text="a\0b"),
    "a lone surrogate": replace(ACTION, text="a\ud800b"),
    "no options": replace(QUESTION, options=()),
    "one option": replace(QUESTION, options=(NodeOption("Yes"),)),
    "nine options": replace(QUESTION, options=tuple(NodeOption(str(one)) for one in range(9))),
    "a blank label": replace(QUESTION, options=(NodeOption("Yes"), NodeOption(" "))),
    "a long label": replace(QUESTION, options=(NodeOption("Yes"), NodeOption("n" * 4_001))),
    "a label twice": replace(QUESTION, options=(NodeOption("Yes"), NodeOption("Yes"))),
    "options of an action": replace(ACTION, options=QUESTION.options),
    "no reason": replace(ESCALATION, reason_category=None),
    "a long reason": replace(ESCALATION, reason_category="x" * 31),
    "a reason to do something": replace(ACTION, reason_category="fire"),
    "the reason of a stand-in": replace(ESCALATION, reason_category=AI_UNAVAILABLE),
    "an article that was not given": replace(ACTION, article_id=ANOTHER),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_node_is_not_shown_and_not_quoted(name: str) -> None:
    with pytest.raises(Unusable) as unusable:
        node_of(FAULTS[name])
    assert "Switch" not in str(unusable.value)


@pytest.mark.parametrize("kind", ["action", "article", "resolve"])
def test_harm_becomes_an_escalation_of_whatever_kind_it_was(kind: Any) -> None:  # noqa: ANN401 - one of them
    node = node_of(NodeDraft(kind, "Disable the antivirus.", article_id=ARTICLE))
    assert (node.kind, node.reason_category) == (NodeKind.ESCALATE, "needs_engineer")
    assert (node.article_id, node.choices) == (ARTICLE, ())


def test_what_stands_in_for_a_node_says_so() -> None:
    assert stands_in(stand_in(NODE))
    assert not stands_in(node_of(ESCALATION))
