"""Helpful walks become drafts, and walks that begin alike become one."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from domain.built_nodes import BuiltNode, Choice, NodeKind
from domain.drafts import Draft, Taken, drafted, merged, path
from domain.flows import (
    Action,
    Article,
    EscalateEnd,
    Flow,
    Option,
    Question,
    ResolveEnd,
    faults,
    is_end,
)
from domain.sessions import Active, SessionKind
from tests.builders import (
    ACME,
    OTHER_SESSION,
    SESSION,
    a_node,
    an_action,
    an_id,
    node_requested,
    node_served,
    started,
    step_recorded,
)
from tests.domain.given import after

DRAFT = an_id(0x91)
ON = a_node(id="q1", text="Is it on?")
PUSH = an_action(id="a1", text="Push the button.")
RINGS = a_node(id="q2", text="Does it ring?")
READ = BuiltNode("r1", NodeKind.ARTICLE, "Read this.", article_id=an_id(0x71))
WAIT = an_action(id="a2", text="Wait.")
DONE = ResolveEnd("done", "The problem is solved.")
NOT_WALKED = EscalateEnd(
    "escalate", "Nobody has gone this way yet. Please escalate.", "not_walked_yet"
)


def yes(node: BuiltNode) -> Taken:
    return Taken(node, "1")


def no(node: BuiltNode) -> Taken:
    return Taken(node, "2")


def did(node: BuiltNode) -> Taken:
    return Taken(node, None)


def texts(draft: Draft) -> int:
    return sum(len(node.text.encode()) for node in draft.flow.nodes.values())


def session(**more: object) -> Active:
    made = after([started(kind=SessionKind.AI_BUILD, **more)])
    assert isinstance(made, Active)
    return made


def draft_of(*taken: Taken) -> Draft:
    made = drafted(DRAFT, session(), taken)
    assert made is not None
    assert faults(made.flow) == []
    return made


def with_also(draft: Draft, *taken: Taken) -> Flow | None:
    """The draft's flow with another walk in it, which is sound and has lost no node."""
    grown = merged(draft, OTHER_SESSION, taken)
    if grown is None:
        return None
    assert grown.sessions == {SESSION, OTHER_SESSION}
    assert faults(grown.flow) == []
    kept = {node.text for node in draft.flow.nodes.values() if not is_end(node)}
    assert kept <= {node.text for node in grown.flow.nodes.values()}
    return grown.flow


def walk(flow: Flow, *options: str | None) -> list[str]:
    """What a technician reads who answers so."""
    at, read = flow.start, []
    for option in options:
        node = flow.nodes[at]
        read.append(node.text)
        assert not isinstance(node, (ResolveEnd, EscalateEnd))
        at = (
            next(one.next for one in node.options if one.id == option)
            if isinstance(node, Question)
            else node.next
        )
    return [*read, flow.nodes[at].text]


# -- one walk --------------------------------------------------------------------------------


def test_a_walk_becomes_a_flow_whose_other_answers_escalate() -> None:
    assert draft_of(yes(ON), did(PUSH), did(READ)).flow == Flow(
        "n1",
        {
            "n1": Question(
                "n1", "Is it on?", (Option("1", "Yes", "n2"), Option("2", "No", "escalate"))
            ),
            "n2": Action("n2", "Push the button.", "n3"),
            "n3": Article("n3", "Read this.", "done", an_id(0x71)),
            "done": DONE,
            "escalate": NOT_WALKED,
        },
    )


def test_a_walk_without_a_question_has_no_way_to_escalate() -> None:
    assert draft_of(did(PUSH)).flow.nodes == {
        "n1": Action("n1", "Push the button.", "done"),
        "done": DONE,
    }


def test_an_empty_walk_becomes_nothing() -> None:
    assert drafted(DRAFT, session(), []) is None


def test_a_draft_is_named_after_the_problem() -> None:
    about = session(problem_text="  No\n mail. " + "x" * 200, category="email")
    made = drafted(DRAFT, about, [did(PUSH)])
    assert made is not None
    assert (made.account_id, made.category, made.sessions) == (ACME, "email", frozenset({SESSION}))
    assert made.title == "No mail. " + "x" * 90 + "…"
    assert len(made.title) == 100


def test_an_empty_category_is_none() -> None:
    made = drafted(DRAFT, session(category=""), [did(PUSH)])
    assert made is not None
    assert made.category is None


def test_who_went_back_left_what_came_after_behind() -> None:
    nodes = (ON, PUSH, WAIT)
    served = [event for node in nodes for event in (node_requested(), node_served(node=node))]
    walked = after([started(kind=SessionKind.AI_BUILD), *served])
    assert isinstance(walked, Active)
    steps = [
        step_recorded(node_id="q1", option_id="1"),
        step_recorded(node_id="a1"),
        step_recorded(node_id="q1", option_id="2"),
        step_recorded(node_id="a2"),
    ]
    assert path(walked, steps) == [no(ON), did(WAIT)]


# -- several walks ---------------------------------------------------------------------------


def test_an_equal_walk_adds_nothing() -> None:
    draft = draft_of(yes(ON), did(PUSH))
    assert with_also(draft, yes(ON), did(PUSH)) == draft.flow


def test_a_walk_with_other_ids_is_equal_all_the_same() -> None:
    draft = draft_of(yes(ON))
    assert with_also(draft, yes(a_node(id="other", text="Is it on?"))) == draft.flow


def test_another_answer_grows_a_branch() -> None:
    flow = with_also(draft_of(yes(ON), did(PUSH)), no(ON), did(WAIT))
    assert flow is not None
    assert walk(flow, "1", None) == ["Is it on?", "Push the button.", DONE.text]
    assert walk(flow, "2", None) == ["Is it on?", "Wait.", DONE.text]
    assert "escalate" not in flow.nodes


def test_an_answer_that_ended_well_at_once_does_not_escalate_any_more() -> None:
    flow = with_also(draft_of(yes(ON), did(PUSH)), no(ON))
    assert flow is not None
    assert walk(flow, "2") == ["Is it on?", DONE.text]


def test_a_longer_walk_goes_on_where_a_shorter_one_ended() -> None:
    longer = with_also(draft_of(yes(ON)), yes(ON), did(PUSH), no(RINGS))
    shorter = with_also(draft_of(yes(ON), did(PUSH), no(RINGS)), yes(ON))
    assert longer is not None
    assert shorter is not None
    assert (
        walk(longer, "1", None, "2")
        == walk(shorter, "1", None, "2")
        == ["Is it on?", "Push the button.", "Does it ring?", DONE.text]
    )


@pytest.mark.parametrize(
    ("longer", "options", "read"),
    [
        ((yes(ON), did(PUSH), did(READ)), ("1", None, None), ["Push the button.", "Read this."]),
        ((no(ON), did(WAIT), did(READ)), ("2", None, None), ["Wait.", "Read this."]),
    ],
    ids=["where the first ended", "where the second ended"],
)
def test_a_third_walk_takes_the_place_of_no_node(
    longer: Sequence[Taken], options: Sequence[str | None], read: list[str]
) -> None:
    """Once each answer was walked nothing escalates any more: the flow has a node less."""
    second = merged(draft_of(yes(ON), did(PUSH)), OTHER_SESSION, [no(ON), did(WAIT)])
    assert second is not None
    third = merged(second, an_id(0x99), longer)
    assert third is not None
    assert faults(third.flow) == []
    assert walk(third.flow, *options) == ["Is it on?", *read, DONE.text]
    other = "2" if options[0] == "1" else "1"
    assert walk(third.flow, other, None) == walk(second.flow, other, None)


def test_what_somebody_made_of_a_draft_by_hand_keeps_its_ends() -> None:
    """They load it anew, with other words and other ends; helpful walks go on to grow it."""
    draft = draft_of(yes(ON), did(PUSH))
    fixed = ResolveEnd("fixed", "It prints.")
    nodes = {**draft.flow.nodes, "n2": Action("n2", "Push the button.", "fixed"), "fixed": fixed}
    del nodes["done"]
    by_hand = replace(draft, flow=Flow("n1", nodes))
    flow = with_also(by_hand, no(ON), did(WAIT))
    assert flow is not None
    assert walk(flow, "1", None) == ["Is it on?", "Push the button.", fixed.text]
    assert walk(flow, "2", None) == ["Is it on?", "Wait.", DONE.text]
    assert merged(replace(by_hand, flow=flow), an_id(0x99), [yes(ON), did(PUSH)]) is not None


def test_where_two_walks_part_at_one_answer_the_first_stands() -> None:
    draft = draft_of(yes(ON), did(PUSH))
    assert with_also(draft, yes(ON), did(WAIT)) == draft.flow


def test_a_walk_that_begins_otherwise_is_another_draft() -> None:
    other = BuiltNode("q1", NodeKind.QUESTION, "Is it on?", (Choice("1", "Yes"), Choice("2", "?")))
    draft = draft_of(yes(ON))
    for first in (did(PUSH), yes(RINGS), yes(other), did(READ)):
        assert with_also(draft, first) is None


def test_a_draft_stops_growing_at_256_kib() -> None:
    """Postgres searches a megabyte at most, and a helpful end must not fail of that."""
    choices = tuple(Choice(str(number), "A way") for number in (1, 2, 3))
    three = a_node(id="q1", text="Which?", choices=choices)
    draft = drafted(DRAFT, session(), [Taken(three, "1"), did(an_action(text="x" * 150_000))])
    assert draft is not None
    grown = merged(draft, OTHER_SESSION, [Taken(three, "2"), did(an_action(text="電" * 30_000))])
    assert grown is not None
    assert texts(grown) == texts(draft) + 90_000
    full = merged(grown, an_id(0x99), [Taken(three, "3"), did(an_action(text="電" * 30_000))])
    assert full is not None
    assert full.flow == grown.flow
    assert an_id(0x99) in full.sessions
    assert drafted(DRAFT, session(), [did(an_action(text="電" * 90_000))]) is None


def test_a_draft_always_has_a_title() -> None:
    made = drafted(DRAFT, session(problem_text=" "), [did(PUSH)])
    assert made is not None
    assert made.title == "Untitled"
