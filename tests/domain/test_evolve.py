"""What each event makes of a session, and of the ticket that it works on."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.events import Event
from domain.evolve import ImpossibleEvent, evolve, evolve_ticket
from domain.sessions import (
    Abandoned,
    Active,
    Claimed,
    Closed,
    Escalated,
    Escalation,
    Origin,
    Resolved,
    ReturnedToFirstLine,
    SessionKind,
    SessionStatus,
    Unborn,
    Waiting,
    escalation_status,
    status,
)
from domain.tickets import TicketStatus
from tests.builders import (
    ACME,
    ENGINEER,
    FLOW,
    NODE,
    NOW,
    OTHER_SESSION,
    OTHER_TICKET,
    PROPOSAL,
    PSA_TICKET,
    REQUEST,
    SESSION,
    TECH,
    a_node,
    a_ticket,
    abandoned,
    answered,
    claimed,
    closed,
    escalated,
    handed_back,
    node_requested,
    node_served,
    notes_updated,
    released,
    renotified,
    resolved,
    started,
    step_recorded,
    ticket_changed,
)
from tests.domain.given import after

LATER = NOW + timedelta(minutes=5)
GOING_ON: dict[str, Event] = {
    "step_recorded": step_recorded(),
    "notes_updated": notes_updated(),
    "node_requested": node_requested(),
    "ticket_changed": ticket_changed(),
}
MOVES: dict[str, Event] = {
    "claimed": claimed(),
    "released": released(),
    "closed": closed(),
    "handed_back": handed_back(),
    "renotified": renotified(),
}
ENDS: dict[str, Event] = {
    "resolved": resolved(),
    "escalated": escalated(),
    "abandoned": abandoned(),
}


def active(*events: Event) -> Active:
    """The session after the events, which did not end it."""
    session = after(events)
    assert isinstance(session, Active)
    return session


# -- sessions --------------------------------------------------------------------------------


def test_a_session_is_born_with_everything_that_it_was_started_with() -> None:
    event = started(
        kind=SessionKind.AI_BUILD,
        category="email",
        problem_text="No mail.",
        previous_session_id=OTHER_SESSION,
    )
    origin = Origin(
        session_id=SESSION,
        account_id=ACME,
        kind=SessionKind.AI_BUILD,
        ticket=PSA_TICKET,
        started_by=TECH,
        acting_as=None,
        started_at=NOW,
        category="email",
        problem_text="No mail.",
        previous_session_id=OTHER_SESSION,
    )
    assert after([event]) == Active(origin, version=1, steps=0, last_activity_at=NOW)


def test_a_session_keeps_what_it_walks() -> None:
    flow = active(started(kind=SessionKind.FLOW, flow_version=7)).origin
    assert (flow.flow_id, flow.flow_version, flow.flow_proposal_id) == (FLOW, 7, None)
    proposal = active(started(kind=SessionKind.PROPOSAL)).origin
    assert (proposal.flow_id, proposal.flow_version) == (None, None)
    assert proposal.flow_proposal_id == PROPOSAL


def test_a_walk_begins_at_the_node_that_its_start_names() -> None:
    session = active(started(kind=SessionKind.FLOW, current_node_id="n4"))
    assert (session.current_node_id, session.walked) == ("n4", frozenset())


def test_a_step_moves_the_walk_to_the_node_that_it_leads_to() -> None:
    step = answered(at=LATER, node_id="n7", next_node_id="n8")
    session = active(started(kind=SessionKind.FLOW), step)
    assert (session.steps, session.current_node_id, session.last_activity_at) == (1, "n8", LATER)


def test_a_step_that_leads_nowhere_moves_the_walk_to_its_own_node() -> None:
    session = active(started(kind=SessionKind.AI_BUILD), step_recorded(at=LATER, node_id="n7"))
    assert (session.steps, session.current_node_id, session.last_activity_at) == (1, "n7", LATER)


def test_a_walk_knows_the_nodes_that_were_answered() -> None:
    history: list[Event] = [
        started(kind=SessionKind.FLOW),
        answered(),
        answered(position=2, node_id="n2", next_node_id="n1"),
        answered(position=3),
    ]
    assert active(*history).walked == {"n1", "n2"}
    assert active(*history, notes_updated(), ticket_changed()).walked == {"n1", "n2"}


def test_a_session_goes_on_on_another_ticket() -> None:
    before = active(started(kind=SessionKind.AI_BUILD), node_requested())
    moved = evolve(before, ticket_changed(at=LATER))
    assert isinstance(moved, Active)
    assert moved.origin == replace(before.origin, ticket=OTHER_TICKET)
    assert moved == replace(before, origin=moved.origin, version=3, last_activity_at=LATER)


def test_a_request_is_open_until_its_node_comes_or_the_path_goes_elsewhere() -> None:
    asked: list[Event] = [started(kind=SessionKind.AI_BUILD), node_requested()]
    assert active(*asked).request_id == REQUEST
    assert active(*asked, node_served()).request_id is None
    assert active(*asked, step_recorded()).request_id is None


def test_a_served_node_is_the_one_to_answer_and_is_kept_once_answered() -> None:
    history: list[Event] = [started(kind=SessionKind.AI_BUILD), node_requested(), node_served()]
    served = active(*history)
    assert (served.current_node_id, served.nodes) == (NODE, (a_node(),))
    assert active(*history, step_recorded(node_id=NODE)).nodes == (a_node(),)
    assert active(*history, step_recorded(node_id=NODE), node_requested()).current_node_id is None


@pytest.mark.parametrize(
    "history",
    [
        [started(kind=SessionKind.AI_BUILD)],
        [started(kind=SessionKind.AI_BUILD), node_requested(request_id=OTHER_SESSION)],
        [started(kind=SessionKind.AI_BUILD), node_requested(), node_served()],
        [started(kind=SessionKind.AI_BUILD), node_requested(), resolved()],
    ],
)
def test_a_node_that_is_not_waited_for_was_never_served(history: list[Event]) -> None:
    with pytest.raises(ImpossibleEvent):
        evolve(after(history), node_served())


def test_notes_leave_the_walk_where_it_is() -> None:
    history: list[Event] = [started(kind=SessionKind.AI_BUILD), step_recorded(), node_requested()]
    before, noted = active(*history), active(*history, notes_updated(at=LATER))
    assert (noted.steps, noted.current_node_id) == (before.steps, before.current_node_id)
    assert noted.request_id == REQUEST
    assert noted.last_activity_at == LATER


def test_asking_for_a_node_is_activity() -> None:
    session = active(started(kind=SessionKind.AI_BUILD), node_requested(at=LATER))
    assert session.last_activity_at == LATER


def test_a_resolved_session_holds_how_it_was_solved() -> None:
    history: list[Event] = [started(kind=SessionKind.FLOW), step_recorded()]
    session = after([*history, resolved(at=LATER, helpful=None, resolution_notes="Gone.")])
    assert session == Resolved(
        active(*history).origin, 3, 1, LATER, "n1", LATER, helpful=None, resolution_notes="Gone."
    )


def test_an_ended_session_keeps_the_node_it_ended_at() -> None:
    session = after([started(kind=SessionKind.FLOW), answered(), resolved()])
    assert isinstance(session, Resolved)
    assert session.current_node_id == "n2"


def test_an_escalated_session_holds_why() -> None:
    end = escalated(at=LATER, by=ENGINEER, reason=None, reason_category="fire")
    assert after([started(), end]) == Escalated(
        active(started()).origin,
        2,
        0,
        LATER,
        None,
        LATER,
        reason=None,
        reason_category="fire",
        escalated_by=ENGINEER,
        escalation=Waiting(notified=0),
    )


def test_an_abandoned_session_holds_why() -> None:
    session = after([started(), abandoned(at=LATER, reason="idle")])
    assert session == Abandoned(active(started()).origin, 2, 0, LATER, None, LATER, reason="idle")


ESCALATIONS: dict[str, tuple[list[Event], Escalation, str]] = {
    "untouched": ([], Waiting(), "open"),
    "told of again": ([renotified()], Waiting(1), "open"),
    "claimed": ([claimed()], Claimed(ENGINEER, NOW), "claimed"),
    "told of again, and claimed": ([renotified(), claimed()], Claimed(ENGINEER, NOW, 1), "claimed"),
    "claimed, and told of": ([claimed(), renotified()], Claimed(ENGINEER, NOW, 1), "claimed"),
    "released": ([renotified(), claimed(), released()], Waiting(), "open"),
    "claimed again": (
        [claimed(by=TECH), released(), claimed(at=LATER)], Claimed(ENGINEER, LATER), "claimed",
    ),
    "closed": (
        [renotified(), claimed(), closed(at=LATER)],
        Closed(ENGINEER, NOW, LATER, "New disk.", 1),
        "closed",
    ),
    "handed back": (
        [renotified(), claimed(), handed_back(at=LATER)],
        ReturnedToFirstLine(ENGINEER, NOW, LATER, "Ask for the number.", OTHER_SESSION, 1),
        "handed_back",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("moves", "stands", "word"), ESCALATIONS.values(), ids=ESCALATIONS)
def test_an_escalation_goes_on_after_its_session(
    moves: Sequence[Event], stands: Escalation, word: str
) -> None:
    ended = after([started(), escalated()])
    session = after(moves, ended)
    assert isinstance(ended, Escalated)
    assert session == replace(ended, version=2 + len(moves), escalation=stands)
    assert escalation_status(stands) == word


OUT_OF_TURN: dict[str, tuple[list[Event], Event]] = {
    "released by nobody": ([], released()),
    "closed by nobody": ([], closed()),
    "handed back by nobody": ([], handed_back()),
    "claimed twice": ([claimed()], claimed()),
    **{
        f"{name} after {end}": ([claimed(), over], move)
        for end, over in (("closed", closed()), ("handed_back", handed_back()))
        for name, move in MOVES.items()
    },
}


@pytest.mark.parametrize(("moves", "event"), OUT_OF_TURN.values(), ids=OUT_OF_TURN)
def test_an_escalation_moves_in_turn(moves: Sequence[Event], event: Event) -> None:
    session = after([started(), escalated(), *moves])
    with pytest.raises(ImpossibleEvent, match=type(event).__name__):
        evolve(session, event)


@pytest.mark.parametrize("event", MOVES.values(), ids=MOVES)
@pytest.mark.parametrize(
    "end", [None, resolved(), abandoned()], ids=["active", "resolved", "abandoned"]
)
def test_what_was_not_escalated_has_no_escalation(event: Event, end: Event | None) -> None:
    session = after([started(), *([] if end is None else [end])])
    with pytest.raises(ImpossibleEvent, match=type(event).__name__):
        evolve(session, event)


@pytest.mark.parametrize("event", [*GOING_ON.values(), *ENDS.values()], ids=[*GOING_ON, *ENDS])
def test_every_event_is_one_version_more(event: Event) -> None:
    before = active(started(kind=SessionKind.AI_BUILD), node_requested(), notes_updated())
    assert before.version == 3
    assert evolve(before, event).version == 4


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], SessionStatus.ACTIVE),
        ([resolved()], SessionStatus.RESOLVED),
        ([escalated()], SessionStatus.ESCALATED),
        ([abandoned()], SessionStatus.ABANDONED),
    ],
)
def test_each_state_has_its_status(events: list[Event], expected: SessionStatus) -> None:
    session = after([started(), *events])
    assert not isinstance(session, Unborn)
    assert status(session) is expected


# -- impossible histories ----------------------------------------------------------------------


@pytest.mark.parametrize("event", [*GOING_ON.values(), *ENDS.values()], ids=[*GOING_ON, *ENDS])
def test_nothing_happens_to_a_session_that_was_not_started(event: Event) -> None:
    with pytest.raises(ImpossibleEvent, match=f"{type(event).__name__} in state Unborn"):
        evolve(Unborn(), event)


@pytest.mark.parametrize("event", [*GOING_ON.values(), *ENDS.values()], ids=[*GOING_ON, *ENDS])
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_nothing_happens_to_a_session_that_ended(event: Event, end: Event) -> None:
    session = after([started(kind=SessionKind.AI_BUILD), end])
    with pytest.raises(ImpossibleEvent, match=type(session).__name__):
        evolve(session, event)


@pytest.mark.parametrize("end", [None, *ENDS.values()], ids=["active", *ENDS])
def test_no_session_starts_twice(end: Event | None) -> None:
    session = after([started()] if end is None else [started(), end])
    with pytest.raises(ImpossibleEvent):
        evolve(session, started())


@pytest.mark.parametrize(
    ("history", "event"),
    [
        ([started(kind=SessionKind.ADHOC)], step_recorded()),
        ([started(kind=SessionKind.FLOW)], step_recorded(position=2)),
        ([started(kind=SessionKind.FLOW), step_recorded()], step_recorded(position=1)),
        ([started(kind=SessionKind.FLOW)], node_requested()),
    ],
    ids=["a step of an adhoc session", "a step left out", "a step twice", "a node of a flow"],
)
def test_nothing_happens_that_no_decision_could_have_brought_about(
    history: list[Event], event: Event
) -> None:
    session = after(history)
    with pytest.raises(ImpossibleEvent):
        evolve(session, event)


# -- tickets ---------------------------------------------------------------------------------


def test_a_resolved_session_resolves_its_ticket_with_the_notes() -> None:
    ticket = evolve_ticket(a_ticket(title="No mail"), resolved(resolution_notes="Plugged it in."))
    assert ticket == a_ticket(
        title="No mail", status=TicketStatus.RESOLVED, resolution_notes="Plugged it in."
    )


def test_an_escalated_session_escalates_its_ticket() -> None:
    before = a_ticket(title="No mail", resolution_notes="Once solved.")
    assert evolve_ticket(before, escalated()) == a_ticket(
        title="No mail", status=TicketStatus.ESCALATED, resolution_notes="Once solved."
    )


def test_a_closed_escalation_resolves_its_ticket_with_the_notes() -> None:
    before = a_ticket(title="No mail", status=TicketStatus.ESCALATED)
    assert evolve_ticket(before, closed(resolution_notes="New disk.")) == a_ticket(
        title="No mail", status=TicketStatus.RESOLVED, resolution_notes="New disk."
    )


def test_an_escalation_that_is_handed_back_opens_its_ticket() -> None:
    before = a_ticket(title="No mail", status=TicketStatus.ESCALATED)
    assert evolve_ticket(before, handed_back()) == a_ticket(title="No mail")


@pytest.mark.parametrize(
    "event",
    [resolved(), escalated(), closed(), handed_back()],
    ids=lambda event: type(event).__name__,
)
def test_a_ticket_that_somebody_closed_meanwhile_stays_closed(event: Event) -> None:
    ticket = evolve_ticket(a_ticket(status=TicketStatus.CLOSED), event)
    assert ticket.status is TicketStatus.CLOSED


UNTOLD = {
    "started": started(),
    **GOING_ON,
    "abandoned": abandoned(),
    **{name: MOVES[name] for name in ("claimed", "released", "renotified")},
}


@pytest.mark.parametrize("event", UNTOLD.values(), ids=UNTOLD)
@pytest.mark.parametrize("before", TicketStatus)
def test_nothing_else_changes_a_ticket(event: Event, before: TicketStatus) -> None:
    ticket = a_ticket(status=before)
    assert evolve_ticket(ticket, event) == ticket
