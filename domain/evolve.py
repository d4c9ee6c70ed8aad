"""How an event changes a session, and the ticket it works on."""

from dataclasses import replace
from datetime import datetime

from domain.events import (
    EscalationClaimed,
    EscalationClosed,
    EscalationEvent,
    EscalationReleased,
    Event,
    HandedBack,
    NodeRequested,
    NodeServed,
    NotesUpdated,
    Renotified,
    SessionAbandoned,
    SessionEscalated,
    SessionResolved,
    SessionStarted,
    StepRecorded,
    TicketChanged,
)
from domain.sessions import (
    Abandoned,
    Active,
    Born,
    Claimed,
    Closed,
    Escalated,
    Escalation,
    Origin,
    Resolved,
    ReturnedToFirstLine,
    Session,
    SessionKind,
    Unborn,
    Waiting,
)
from domain.tickets import Ticket, TicketStatus


class ImpossibleEvent(Exception):
    """The event cannot follow on the state: the history is broken, not the input."""


def evolve(  # noqa: C901 - one arm an event
    session: Session, event: Event
) -> Born:
    """Apply one event. Versions count events from 1.

    Raises `ImpossibleEvent` where no decision could have produced the event in this state.
    """
    match session, event:
        case Unborn(), SessionStarted():
            return _born(event)
        case Active(), StepRecorded() if _follows(session, event):
            return _step(session, event)
        case Active(), NotesUpdated():
            return replace(session, version=session.version + 1, last_activity_at=event.at)
        case Active(origin=Origin(kind=SessionKind.AI_BUILD)), NodeRequested():
            return replace(
                session,
                version=session.version + 1,
                last_activity_at=event.at,
                current_node_id=None,
                request_id=event.request_id,
            )
        case Active(request_id=str()), NodeServed() if session.request_id == event.request_id:
            return replace(
                session,
                version=session.version + 1,
                last_activity_at=event.at,
                current_node_id=event.node.id,
                request_id=None,
                nodes=(*session.nodes, event.node),
            )
        case Active(), TicketChanged():
            return replace(
                session,
                origin=replace(session.origin, ticket=event.ticket),
                version=session.version + 1,
                last_activity_at=event.at,
            )
        case Active(), SessionResolved():
            return Resolved(*_end(session, event.at), event.helpful, event.resolution_notes)
        case Active(), SessionEscalated():
            ended = _end(session, event.at)
            return Escalated(*ended, event.reason, event.reason_category, event.by)
        case Active(), SessionAbandoned():
            return Abandoned(*_end(session, event.at), event.reason)
        case Escalated(), (
            EscalationClaimed()
            | EscalationReleased()
            | EscalationClosed()
            | HandedBack()
            | Renotified()
        ):
            return replace(
                session,
                version=session.version + 1,
                escalation=_move(session.escalation, event),
            )
        case _:
            msg = f"{type(event).__name__} in state {type(session).__name__}"
            raise ImpossibleEvent(msg)


def evolve_ticket(ticket: Ticket, event: Event) -> Ticket:
    """What an event of its session makes of a ticket that firstline keeps itself.

    A ticket that somebody closed meanwhile stays closed.
    """
    match event:
        case SessionResolved(resolution_notes=notes) | EscalationClosed(resolution_notes=notes):
            made = replace(ticket, status=TicketStatus.RESOLVED, resolution_notes=notes)
        case SessionEscalated():
            made = replace(ticket, status=TicketStatus.ESCALATED)
        case HandedBack():
            made = replace(ticket, status=TicketStatus.OPEN)
        case _:
            return ticket
    closed = ticket.status is TicketStatus.CLOSED
    return replace(made, status=ticket.status) if closed else made


def _born(event: SessionStarted) -> Active:
    origin = Origin(
        session_id=event.session_id,
        account_id=event.account_id,
        kind=event.kind,
        ticket=event.ticket,
        started_by=event.started_by.id,
        acting_as=event.started_by.acting_as,
        started_at=event.at,
        flow_id=event.flow_id,
        flow_version=event.flow_version,
        flow_proposal_id=event.flow_proposal_id,
        category=event.category,
        problem_text=event.problem_text,
        previous_session_id=event.previous_session_id,
    )
    return Active(
        origin,
        version=1,
        steps=0,
        last_activity_at=event.at,
        current_node_id=event.current_node_id,
    )


def _follows(session: Active, step: StepRecorded) -> bool:
    """Whether the step is the next of a walk that takes steps."""
    return session.origin.kind is not SessionKind.ADHOC and step.position == session.steps + 1


def _step(session: Active, event: StepRecorded) -> Active:
    return Active(
        session.origin,
        session.version + 1,
        event.position,
        event.at,
        event.next_node_id or event.node_id,
        session.walked | {event.node_id},
        nodes=session.nodes,
    )


def _end(session: Active, at: datetime) -> tuple[Origin, int, int, datetime, str | None, datetime]:
    """The fields of `Ended`, in its order."""
    return (
        session.origin,
        session.version + 1,
        session.steps,
        at,
        session.current_node_id,
        at,
    )


def _move(escalation: Escalation, event: EscalationEvent) -> Escalation:
    """Where the escalation stands after the event."""
    match escalation, event:
        case ((Waiting() | Claimed()), Renotified()):
            return replace(escalation, notified=event.step)
        case Waiting(), EscalationClaimed():
            return Claimed(event.by, event.at, escalation.notified)
        case Claimed(), EscalationReleased():
            return Waiting()  # for the steps of its policy, from the first
        case Claimed(), EscalationClosed():
            return Closed(
                escalation.by,
                escalation.at,
                event.at,
                event.resolution_notes,
                escalation.notified,
            )
        case Claimed(), HandedBack():
            return ReturnedToFirstLine(
                escalation.by,
                escalation.at,
                event.at,
                event.instructions,
                event.new_session_id,
                escalation.notified,
            )
        case _:
            msg = f"{type(event).__name__} on an escalation that is {type(escalation).__name__}"
            raise ImpossibleEvent(msg)
