"""Flows and proposals lead: which node may be answered, with what, and what comes next."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from domain.context import Limits, Walkable
from domain.decisions import Code
from domain.events import Event
from domain.flows import Option, Question
from domain.sessions import SessionKind
from domain.tickets import TICKET_CLOSED, TICKET_MERGED, TicketStatus
from tests.builders import (
    INTERNAL_TICKET,
    MAIL,
    OTHER_SESSION,
    OTHER_TICKET,
    PSA_TICKET,
    a_ticket,
    abandoned,
    answered,
    end_with_ticket,
    move_ticket,
    notes_updated,
    record_step,
    resolved,
    started,
    step_recorded,
    ticket_changed,
)
from tests.domain.given import Story, given

LED = [SessionKind.FLOW, SessionKind.PROPOSAL]
led = pytest.mark.parametrize("kind", LED)

TO_N2: list[Event] = [answered()]
TO_N3: list[Event] = [
    answered(),
    step_recorded(position=2, node_id="n2", question="Hang up.", next_node_id="n3"),
]
TO_DONE: list[Event] = [
    *TO_N3,
    step_recorded(position=3, node_id="n3", question="Read this.", next_node_id="done"),
]
TO_ESC: list[Event] = [answered(option_id="n", next_node_id="esc")]


def walked(kind: SessionKind, *steps: Event) -> Story:
    """A session of the kind that walks along `MAIL`, after the steps."""
    return given(started(kind=kind), *steps)


# -- forward ---------------------------------------------------------------------------------


@led
@pytest.mark.parametrize(("option", "following"), [("y", "n2"), ("n", "esc"), ("again", "n1")])
def test_an_answer_leads_to_the_node_of_its_option(
    kind: SessionKind, option: str, following: str
) -> None:
    walk = walked(kind).when(record_step(option_id=option))
    walk.then(answered(option_id=option, next_node_id=following))


@led
@pytest.mark.parametrize(
    ("steps", "node", "text", "following"),
    [(TO_N2, "n2", "Hang up.", "n3"), (TO_N3, "n3", "Read this.", "done")],
    ids=["an action", "an article"],
)
def test_what_is_done_leads_to_the_one_node_after_it(
    kind: SessionKind, steps: Sequence[Event], node: str, text: str, following: str
) -> None:
    (
        walked(kind, *steps)
        .when(record_step(node_id=node, option_id=None))
        .then(
            step_recorded(
                position=len(steps) + 1, node_id=node, question=text, next_node_id=following
            )
        )
    )


@led
def test_what_the_sender_says_was_asked_is_recorded(kind: SessionKind) -> None:
    walked(kind).when(record_step(question="Rings it?")).then(answered(question="Rings it?"))


# -- back ------------------------------------------------------------------------------------


@led
@pytest.mark.parametrize("steps", [TO_N3, TO_DONE], ids=["on the way", "at the end"])
def test_a_walk_goes_back_to_any_node_that_was_walked(
    kind: SessionKind, steps: Sequence[Event]
) -> None:
    walk = walked(kind, *steps)
    walk.when(record_step(node_id="n1")).then(answered(position=len(steps) + 1))
    again = record_step(node_id="n2", option_id=None)
    walk.when(again).then(
        step_recorded(position=len(steps) + 1, node_id="n2", question="Hang up.", next_node_id="n3")
    )


@led
def test_a_walk_goes_on_from_where_it_went_back_to(kind: SessionKind) -> None:
    back = walked(kind, *TO_DONE, answered(position=4, option_id="n", next_node_id="esc"))
    back.when(record_step(node_id="esc", option_id=None)).then(Code.STALE_NODE)
    back.when(record_step(node_id="done", option_id=None)).then(Code.STALE_NODE)
    back.when(record_step(node_id="n1")).then(answered(position=5))


# -- elsewhere -------------------------------------------------------------------------------


@led
@pytest.mark.parametrize(
    ("steps", "node"),
    [
        ([], "n2"),
        ([], "esc"),
        (TO_N2, "n3"),
        (TO_N2, "esc"),
        ([], "nowhere"),
        (TO_N2, "nowhere"),
        (TO_ESC, "n2"),
    ],
    ids=str,
)
def test_a_node_that_was_not_reached_is_stale(
    kind: SessionKind, steps: Sequence[Event], node: str
) -> None:
    walked(kind, *steps).when(record_step(node_id=node, option_id=None)).then(Code.STALE_NODE)


@led
@pytest.mark.parametrize(("steps", "end"), [(TO_DONE, "done"), (TO_ESC, "esc")])
@pytest.mark.parametrize("option", [None, "y"])
def test_an_end_is_not_answered(
    kind: SessionKind, steps: Sequence[Event], end: str, option: str | None
) -> None:
    walked(kind, *steps).when(record_step(node_id=end, option_id=option)).then(Code.STALE_NODE)


@led
def test_a_node_that_the_walk_no_longer_has_is_stale(kind: SessionKind) -> None:
    others = {name: node for name, node in MAIL.nodes.items() if name != "n1"}
    walk = walked(kind, *TO_N2)
    changed = Walkable(replace(MAIL, nodes=others, start="n2"))
    walk.when(record_step(node_id="n1"), walkable=changed).then(Code.STALE_NODE)


@led
def test_nothing_is_answered_of_a_walk_that_is_gone(kind: SessionKind) -> None:
    walked(kind).when(record_step(), walkable=None).then(Code.STALE_NODE)


@led
@pytest.mark.parametrize("option", [None, "", "Y", "Yes", "n2"])
def test_a_question_is_answered_with_one_of_its_options(
    kind: SessionKind, option: str | None
) -> None:
    walked(kind).when(record_step(option_id=option)).then(Code.UNKNOWN_OPTION)


@led
@pytest.mark.parametrize(("steps", "node"), [(TO_N2, "n2"), (TO_N3, "n3")])
@pytest.mark.parametrize("option", ["", "y"])
def test_what_has_no_options_takes_none(
    kind: SessionKind, steps: Sequence[Event], node: str, option: str
) -> None:
    walked(kind, *steps).when(record_step(node_id=node, option_id=option)).then(Code.UNKNOWN_OPTION)


@led
def test_an_option_of_another_node_is_unknown(kind: SessionKind) -> None:
    other = Question("n2", "Sure?", (Option("sure", "Yes", "done"),))
    two = Walkable(replace(MAIL, nodes={**MAIL.nodes, "n2": other}))
    walk = walked(kind, *TO_N2)
    walk.when(record_step(node_id="n2", option_id="y"), walkable=two).then(Code.UNKNOWN_OPTION)
    walk.when(record_step(node_id="n1", option_id="sure"), walkable=two).then(Code.UNKNOWN_OPTION)


@led
def test_a_walk_s_length_is_looked_at_last(kind: SessionKind) -> None:
    full, one = walked(kind, *TO_N2), Limits(steps=1)
    full.when(record_step(node_id="n3"), limits=one).then(Code.STALE_NODE)
    full.when(record_step(option_id="perhaps"), limits=one).then(Code.UNKNOWN_OPTION)
    full.when(record_step(), limits=one).then(Code.PATH_TOO_LONG)


# -- the end of a ticket ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", SessionKind)
def test_a_session_ends_with_its_ticket(kind: SessionKind) -> None:
    asked = end_with_ticket(reason="ticket_deleted")
    given(started(kind=kind)).when(asked, user=None).then(abandoned(reason="ticket_deleted"))


def test_a_session_that_left_its_ticket_does_not_end_with_it() -> None:
    given(started(), ticket_changed()).when(end_with_ticket(), user=None).then()


def test_a_session_that_has_ended_does_not_end_with_its_ticket() -> None:
    given(started(), resolved()).when(end_with_ticket(), user=None).then(Code.NOT_ACTIVE)


# -- another ticket --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SessionKind)
def test_a_session_goes_on_on_the_ticket_that_its_own_became(kind: SessionKind) -> None:
    given(started(kind=kind), notes_updated()).when(move_ticket(), user=None).then(
        ticket_changed(ticket=OTHER_TICKET)
    )


def test_a_session_that_is_there_stays_there() -> None:
    moved = given(started(), ticket_changed())
    moved.when(move_ticket(), user=None, active_session_id=OTHER_SESSION).then()
    given(started()).when(move_ticket(ticket=PSA_TICKET), user=None).then()


def test_a_session_ends_where_the_other_ticket_has_one() -> None:
    (
        given(started())
        .when(move_ticket(), user=None, active_session_id=OTHER_SESSION)
        .then(abandoned(reason=TICKET_MERGED))
    )


def test_a_session_ends_where_the_other_ticket_is_closed() -> None:
    closed = a_ticket(ref=OTHER_TICKET, status=TicketStatus.CLOSED)
    (
        given(started())
        .when(move_ticket(), user=None, ticket=closed)
        .then(abandoned(reason=TICKET_CLOSED))
    )


def test_a_session_ends_where_it_would_move_to_a_ticket_that_is_not_the_account_s() -> None:
    unknown = given(started()).when(move_ticket(ticket=INTERNAL_TICKET), user=None, ticket=None)
    unknown.then(abandoned(reason=TICKET_MERGED))


def test_a_session_that_ended_does_not_move() -> None:
    given(started(), resolved()).when(move_ticket(), user=None).then(Code.NOT_ACTIVE)


def test_nobody_but_the_system_moves_a_session() -> None:
    given(started()).when(move_ticket(actor_id=started().started_by.id)).then(Code.FORBIDDEN)


def test_a_session_on_a_ticket_of_ours_moves_too() -> None:
    ours = a_ticket()
    (
        given(started())
        .when(move_ticket(ticket=INTERNAL_TICKET), user=None, ticket=ours)
        .then(ticket_changed(ticket=INTERNAL_TICKET))
    )
