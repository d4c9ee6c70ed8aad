"""The embedded generator walks a problem to an end, and says the same thing every time."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integrations import embedded
from integrations.answers import Verdict, read_answer
from integrations.article_steps import LONGEST_STEP, steps
from integrations.embedded import Embedded, next_node
from integrations.generator import GroundingArticle, NodeDraft, Usage
from integrations.relevance import ranked
from tests.integrations.knowledge import ARTICLES, OUTLOOK, PRINTER, VPN, faults, request

NEXT = "done"


def walked(
    problem: str, answers: Sequence[str], articles: Sequence[GroundingArticle] = ARTICLES
) -> list[NodeDraft]:
    """The nodes from the first to the one after the last answer."""
    return [
        next_node(request(problem, answers[:count], articles)) for count in range(len(answers) + 1)
    ]


def test_a_problem_is_walked_through_its_article_to_the_end() -> None:
    nodes = walked("The printer shows offline", [NEXT, NEXT, NEXT, "no", NEXT, "yes"])
    assert [(node.kind, node.text) for node in nodes] == [
        ("action", "Check that the printer is switched on."),
        ("action", "Restart the print spooler. It takes a minute."),
        ("action", "Remove the printer and add it again."),
        ("question", "Is the problem solved?"),
        ("action", "Print a test page."),
        ("question", "Is the problem solved?"),
        ("resolve", "The problem is solved."),
    ]
    assert {node.article_id for node in nodes} == {PRINTER.id}


def test_a_walk_ends_as_soon_as_an_answer_says_that_it_is_solved() -> None:
    *_, last = walked("The printer shows offline", [NEXT, "That fixed it, thanks!"])
    assert last.kind == "resolve"


def test_a_technician_who_asks_for_an_engineer_gets_one() -> None:
    *_, last = walked("The printer shows offline", ["please escalate this"])
    assert (last.kind, last.reason_category) == ("escalate", embedded.ASKED_FOR)


def test_the_next_article_comes_when_one_did_not_help() -> None:
    articles = (
        PRINTER,
        GroundingArticle("a-2", "Printer driver", None, "- Update the offline printer."),
    )
    answers = [NEXT, NEXT, NEXT, "no", NEXT, "no"]
    *_, last = walked("The offline printer prints nothing", answers, articles)
    assert (last.text, last.article_id) == ("Update the offline printer.", "a-2")


def test_used_up_articles_lead_to_an_engineer() -> None:
    *_, last = walked("Outlook is disconnected", [NEXT, NEXT, "no"], [OUTLOOK])
    assert (last.kind, last.reason_category) == ("escalate", embedded.ARTICLES_USED_UP)


def test_a_problem_that_no_article_fits_leads_to_an_engineer() -> None:
    (only,) = walked("The coffee machine leaks", [])
    assert (only.kind, only.reason_category) == ("escalate", embedded.NO_ARTICLE)
    assert only.article_id is None


def test_an_article_that_only_tells_is_read_as_a_whole() -> None:
    first, second = walked("VPN asks for the password", [NEXT])
    assert (first.kind, first.article_id) == ("article", VPN.id)
    assert first.text.startswith("VPN asks for the password again and again: The gateway checks")
    assert second.kind == "question"


def test_articles_that_fit_alike_are_a_question() -> None:
    articles = (
        GroundingArticle("a-1", "Sign-in fails on Windows", None, "- Restart Windows."),
        GroundingArticle("a-2", "Sign-in fails on a Mac", None, "- Restart the Mac."),
    )
    asked, chosen = walked("Sign-in fails", ["Sign-in fails on a Mac"], articles)
    labels = [option.label for option in asked.options]
    assert labels == ["Sign-in fails on Windows", "Sign-in fails on a Mac", "None of these"]
    assert asked.article_id is None
    assert chosen.article_id == "a-2"
    in_own_words, neither = (
        next_node(request("Sign-in fails", [said], articles))
        for said in ("it is the mac one", "None of these")
    )
    assert in_own_words.article_id == "a-2"
    assert neither.kind == "escalate"


def test_a_question_in_an_article_is_asked_and_its_yes_solves_nothing() -> None:
    article = GroundingArticle("a", "Screen black", None, "1. Is the cable in?\n2. Restart it.\n")
    asked, after = walked("The screen is black", ["Yes"], [article])
    assert (asked.kind, [option.label for option in asked.options]) == ("question", ["Yes", "No"])
    assert after.kind == "action"


@pytest.mark.parametrize("nodes", range(1, 8))
def test_the_last_node_of_a_walk_is_an_end_and_no_sooner_than_it_must(nodes: int) -> None:
    kinds = [next_node(request(answers=[NEXT] * count, nodes=nodes)).kind for count in range(nodes)]
    assert kinds[-1] == "escalate"
    assert "escalate" not in kinds[:-1]


async def test_it_costs_nothing() -> None:
    generated = await Embedded().generate(request(), idempotency_key="k")
    assert generated.usage == Usage("embedded", 0, 0, 0)


TEXTS = st.text(max_size=300) | st.sampled_from(
    [
        "",
        "1. ",
        "- a\n- b?",
        PRINTER.body,
        OUTLOOK.body,
        "# Cause\n- x",
        "x" * 9_000,
        "\x00",
        "- \x00",
    ]
)
GROUNDING = st.lists(
    st.builds(
        GroundingArticle,
        st.sampled_from(["a-1", "a-2", "a-3"]),
        st.text(max_size=40) | st.sampled_from(["offline printer", "printer", "None of these"]),
        st.sampled_from([None, "printing"]),
        TEXTS,
    ),
    max_size=4,
)
ANSWERS = st.text(min_size=1, max_size=40) | st.sampled_from(
    [
        "yes",
        "no",
        "n",
        "done",
        "still broken",
        "that fixed it",
        "None of these",
        "printer",
        "escalate",
    ]
)


@settings(max_examples=60)
@given(GROUNDING, st.lists(ANSWERS, min_size=20, max_size=20), st.integers(1, 20))
def test_every_walk_ends_in_its_length_and_every_node_can_be_served(
    articles: list[GroundingArticle], answers: list[str], nodes: int
) -> None:
    for count in range(nodes):
        asked = request("offline printer", answers[:count], articles, nodes, "printing")
        draft = next_node(asked)
        assert faults(draft, asked) == []
        assert next_node(asked) == draft
        if draft.kind in {"resolve", "escalate"}:
            return
    pytest.fail("the walk has no end")


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("Yes that fixed it", Verdict.SOLVED),
        ("it works now!", Verdict.SOLVED),
        ("It works again", Verdict.SOLVED),
        ("No, it works now", Verdict.SOLVED),
        ("solved", Verdict.SOLVED),
        ("no longer frozen", Verdict.SOLVED),
        ("The error is gone", Verdict.SOLVED),
        ("All good now", Verdict.SOLVED),
        ("not fixed", Verdict.UNSOLVED),
        ("didn\u2019t help", Verdict.UNSOLVED),
        ("still broken", Verdict.UNSOLVED),
        ("yes but it still does not print", Verdict.UNSOLVED),
        ("it no longer works", Verdict.UNSOLVED),
        ("That was not the problem", Verdict.UNSOLVED),
        ("it came back", Verdict.UNSOLVED),
        ("no luck", Verdict.UNSOLVED),
        ("Please escalate", Verdict.HAND_OVER),
        ("This needs an engineer.", Verdict.HAND_OVER),
        ("done", Verdict.NOTHING),
        ("ok", Verdict.NOTHING),
        ("I will see whether it works", Verdict.NOTHING),
        ("the cable is connected", Verdict.NOTHING),
        ("\u2026", Verdict.NOTHING),
        ("Drucker l\u00e4uft", Verdict.NOTHING),
    ],
)
def test_answers_are_read_the_same_whatever_was_asked(said: str, verdict: Verdict) -> None:
    assert read_answer(said, asked_whether_solved=False) is verdict
    assert read_answer(said, asked_whether_solved=True) is verdict


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        ("y", Verdict.SOLVED),
        ("Yes.", Verdict.SOLVED),
        ("Yep!", Verdict.SOLVED),
        ("n", Verdict.UNSOLVED),
        ("NO", Verdict.UNSOLVED),
    ],
)
def test_yes_and_no_answer_only_the_question_whether_it_is_solved(
    said: str, verdict: Verdict
) -> None:
    assert read_answer(said, asked_whether_solved=True) is verdict
    assert read_answer(said, asked_whether_solved=False) is Verdict.NOTHING


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("1. One.\n2) Two.\nStep 3: Three.", ("One.", "Two.", "Three.")),
        ("- One\n* Two\n\u2022 Three", ("One", "Two", "Three")),
        ("1. One\n   more of it\n2. Two", ("One more of it", "Two")),
        ("## Cause\n- Dust\n## Resolution\n- Clean it", ("Clean it",)),
        ("**Symptoms**\n- It blinks\n**Fix**\n- Restart it", ("Restart it",)),
        ("- Restart it\n\nThat is all.", ("Restart it",)),
        ("It is old. Restart it. If it blinks, press the button.",
         ("Restart it.", "If it blinks, press the button.")),
        ("Restart it. Do not open it. It is fine.", ("Restart it. Do not open it.",)),
        ("Please first close the lid.", ("Please first close the lid.",)),
        ("The lid was open.", ()),
        ("", ()),
    ],
)  # fmt: skip
def test_steps_are_found_in_lists_else_in_sentences(body: str, found: tuple[str, ...]) -> None:
    assert steps(body) == found


def test_a_long_step_is_cut_between_words() -> None:
    (step,) = steps("- " + "word " * 1_000)
    assert len(step) <= LONGEST_STEP
    assert step.endswith("word \u2026")


@pytest.mark.timeout(10)
@pytest.mark.parametrize(
    "text", ["Then ", "If ", "1.", "- x\n", "\n", "**a", ". A", "first, then "]
)
def test_no_article_holds_everybody_up(text: str) -> None:
    next_node(request(articles=[replace(PRINTER, body=text * 100_000)]))


def test_rare_words_and_titles_decide_which_article_fits() -> None:
    def best(problem: str, category: str | None = None) -> str:
        return ranked(problem, category, ARTICLES)[0].article.id

    assert best("printers are offline again") == PRINTER.id
    assert best("Outlook lost the server") == OUTLOOK.id
    assert best("the vpn keeps asking") == VPN.id
    assert best("nothing goes", "email") == OUTLOOK.id


def test_articles_that_share_a_word_in_passing_are_left_out() -> None:
    found = ranked("The printer shows offline", None, ARTICLES)
    assert [one.article.id for one in found] == [PRINTER.id]
