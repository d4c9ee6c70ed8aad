"""AI-built walks: no node is asked for twice, and none is answered that was not served."""

import pytest

from domain.built_nodes import AI_UNAVAILABLE, OUT_OF_NODES, BuiltNode, NodeKind
from domain.built_walks import shown
from domain.context import Limits
from domain.decisions import Accepted, Code
from domain.events import Event
from domain.sessions import Active, SessionKind
from tests.builders import (
    NODE,
    OTHER_SESSION,
    a_node,
    an_action,
    an_id,
    next_node,
    node_requested,
    node_served,
    notes_updated,
    record_step,
    serve_node,
    start_ai_build,
    started,
    step_recorded,
)
from tests.domain.given import after, given

OTHER_NODE = an_id(0x62)
BUILT = started(kind=SessionKind.AI_BUILD)
ASKED: list[Event] = [BUILT, node_requested()]
SERVED: list[Event] = [*ASKED, node_served()]
ANSWERED = step_recorded(node_id=NODE, question="Is it on?", option_id="1")
DEFAULT, ONE = Limits(), Limits(ai_nodes=1)
RESOLVE = BuiltNode(NODE, NodeKind.RESOLVE, "Solved.")
ESCALATE = BuiltNode(NODE, NodeKind.ESCALATE, "Up.", reason_category="network")
UNAVAILABLE = BuiltNode(NODE, NodeKind.ESCALATE, "Not now.", reason_category=AI_UNAVAILABLE)


def shows(*history: Event, limits: Limits = DEFAULT) -> BuiltNode | None:
    """What a client shows after these events."""
    session = after(history)
    assert isinstance(session, Active)
    return shown(session, limits)


def yes(node_id: str = NODE, **more: object) -> Event:
    return step_recorded(node_id=node_id, question="Is it on?", option_id="1", **more)


# -- asking ----------------------------------------------------------------------------------


def test_a_request_is_named_by_its_own_place_among_the_command_s_events() -> None:
    named = {"event_id": lambda place: f"place {place}"}
    at_once = given(BUILT).when(next_node(), **named)
    at_once.then(node_requested(request_id="place 0"))
    started_ = given().when(start_ai_build(), **named)
    started_.then(BUILT, node_requested(request_id="place 1"))
    answer = record_step(node_id=NODE, option_id="1")
    given(*SERVED).when(answer, **named).then(ANSWERED, node_requested(request_id="place 1"))


def test_a_node_that_was_asked_for_is_waited_for() -> None:
    given(*ASKED).when(next_node()).then()
    assert shows(*ASKED) is None


def test_a_node_that_was_served_is_shown_again_and_not_asked_for() -> None:
    given(*SERVED).when(next_node()).then()
    assert shows(*SERVED) == shows(*SERVED, notes_updated()) == a_node()


@pytest.mark.parametrize("node", [RESOLVE, ESCALATE])
def test_a_walk_at_its_end_asks_for_nothing_more(node: BuiltNode) -> None:
    given(*ASKED, node_served(node=node)).when(next_node()).then()


def test_a_node_that_could_not_be_generated_is_asked_for_again() -> None:
    failed = [*ASKED, node_served(node=UNAVAILABLE)]
    given(*failed).when(next_node()).then(node_requested())
    given(*failed, node_requested()).when(next_node()).then()
    assert shows(*failed) == UNAVAILABLE
    assert shows(*failed, node_requested()) is None


@pytest.mark.parametrize("kind", [one for one in SessionKind if one is not SessionKind.AI_BUILD])
def test_only_generated_walks_ask_for_nodes(kind: SessionKind) -> None:
    given(started(kind=kind)).when(next_node()).then(Code.WRONG_KIND)


# -- serving ---------------------------------------------------------------------------------


def test_the_node_that_the_open_request_asked_for_is_taken_in() -> None:
    given(*ASKED).when(serve_node()).then(node_served())


@pytest.mark.parametrize("history", [[BUILT], SERVED, [*SERVED, ANSWERED]])
def test_a_node_that_nobody_waits_for_is_refused(history: list[Event]) -> None:
    given(*history).when(serve_node()).then(Code.STALE_NODE)


def test_a_node_of_an_earlier_request_is_refused() -> None:
    later = [*SERVED, ANSWERED, node_requested(request_id=OTHER_SESSION)]
    given(*later).when(serve_node()).then(Code.STALE_NODE)
    given(*later).when(serve_node(request_id=OTHER_SESSION)).then(
        node_served(request_id=OTHER_SESSION)
    )


# -- answering -------------------------------------------------------------------------------


def test_an_answer_asks_for_the_next_node() -> None:
    answer = given(*SERVED).when(record_step(node_id=NODE, option_id="1"))
    answer.then(ANSWERED, node_requested())


def test_an_answer_keeps_the_question_that_its_client_showed() -> None:
    answer = record_step(node_id=NODE, option_id="1", question="On?")
    asked = step_recorded(node_id=NODE, question="On?", option_id="1")
    given(*SERVED).when(answer).then(asked, node_requested())


@pytest.mark.parametrize("history", [[BUILT], ASKED])
def test_a_node_that_was_never_served_is_not_answered(history: list[Event]) -> None:
    given(*history).when(record_step(node_id=NODE)).then(Code.STALE_NODE)


def test_a_node_walked_before_is_answered_anew() -> None:
    second = node_served(node=an_action(id=OTHER_NODE))
    history = [*SERVED, ANSWERED, node_requested(), second]
    answer = record_step(node_id=NODE, answer="No", option_id="2")
    changed = step_recorded(
        position=2, node_id=NODE, question="Is it on?", answer="No", option_id="2"
    )
    given(*history).when(answer).then(changed, node_requested())
    # What was shown and passed over is not part of the walk.
    given(*history, changed).when(record_step(node_id=OTHER_NODE)).then(Code.STALE_NODE)


@pytest.mark.parametrize("option", [None, "3", ""])
def test_a_question_takes_one_of_its_options(option: str | None) -> None:
    given(*SERVED).when(record_step(node_id=NODE, option_id=option)).then(Code.UNKNOWN_OPTION)


def test_an_action_has_no_options() -> None:
    history = [*ASKED, node_served(node=an_action())]
    given(*history).when(record_step(node_id=NODE, option_id="1")).then(Code.UNKNOWN_OPTION)
    done = step_recorded(node_id=NODE, question="Switch it on.", answer="Done")
    given(*history).when(record_step(node_id=NODE, answer="Done", option_id=None)).then(
        done, node_requested()
    )


@pytest.mark.parametrize("node", [RESOLVE, ESCALATE, UNAVAILABLE])
def test_an_end_is_not_answered(node: BuiltNode) -> None:
    given(*ASKED, node_served(node=node)).when(record_step(node_id=NODE)).then(Code.STALE_NODE)


def test_a_walk_s_length_is_looked_at_last() -> None:
    full = Limits(steps=0)
    walk = given(*SERVED)
    walk.when(record_step(node_id="nowhere"), limits=full).then(Code.STALE_NODE)
    walk.when(record_step(node_id=NODE, option_id="3"), limits=full).then(Code.UNKNOWN_OPTION)
    walk.when(record_step(node_id=NODE, option_id="1"), limits=full).then(Code.PATH_TOO_LONG)


# -- the cap ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cap", [1, 2, 12])
def test_a_walk_is_served_as_many_nodes_as_its_cap_says_and_then_offers_escalation(
    cap: int,
) -> None:
    limits = Limits(ai_nodes=cap)
    history: list[Event] = [BUILT, node_requested()]
    for number in range(cap):
        node = a_node(id=an_id(0x100 + number))
        history.append(node_served(node=node))
        assert shows(*history, limits=limits) == node
        decision = given(*history).when(record_step(node_id=node.id, option_id="1"), limits=limits)
        assert isinstance(decision.decision, Accepted)
        history += decision.decision.events
    assert history.count(node_requested()) == cap
    assert shows(*history, limits=limits) == OUT_OF_NODES
    walk = given(*history)
    walk.when(next_node(), limits=limits).then()
    walk.when(record_step(node_id=OUT_OF_NODES.id), limits=limits).then(Code.STALE_NODE)


def test_what_only_stood_in_for_a_node_does_not_count() -> None:
    failed = [*ASKED, node_served(node=UNAVAILABLE)]
    given(*failed).when(next_node(), limits=ONE).then(node_requested())
    again = [*failed, node_requested(), node_served(node=a_node(id=OTHER_NODE))]
    assert shows(*again, limits=ONE) == a_node(id=OTHER_NODE)
    last = given(*again).when(record_step(node_id=OTHER_NODE, option_id="1"), limits=ONE)
    last.then(yes(OTHER_NODE, next_node_id=OUT_OF_NODES.id))


def test_going_back_does_not_lift_the_cap() -> None:
    full = [*SERVED, yes(next_node_id=OUT_OF_NODES.id)]
    assert shows(*full, limits=ONE) == OUT_OF_NODES
    back = given(*full).when(record_step(node_id=NODE, option_id="1"), limits=ONE)
    back.then(yes(position=2, next_node_id=OUT_OF_NODES.id))


def test_a_cap_that_is_raised_lets_the_walk_go_on() -> None:
    full = [*SERVED, yes(next_node_id=OUT_OF_NODES.id)]
    given(*full).when(next_node(), limits=Limits(ai_nodes=2)).then(node_requested())
    assert shows(*full, node_requested(), limits=Limits(ai_nodes=2)) is None
