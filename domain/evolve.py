"""How an event changes a session, and the ticket it works on."""

from dataclasses import replace
from datetime import datetime

from domain.events import (
    Event,
    NodeRequested,
    NotesUpdated,
    SessionAbandoned,
    SessionEscalated,
    SessionResolved,
    SessionStarted,
    StepRecorded,
)
from domain.sessions import (
    Abandoned,
    Active,
    Born,
    Escalated,
    Origin,
    Resolved,
    Session,
    SessionKind,
    Unborn,
)
from domain.tickets import Ticket, TicketStatus


class ImpossibleEvent(Exception):
    """The event cannot follow on the state: the history is broken, not the input."""


def evolve(session: Session, event: Event) -> Born:
    """Apply one event. Versions count events from 1; every event is activity.

    Raises `ImpossibleEvent` where no decision could have produced the event in this state.
    """
    match session, event:
        case Unborn(), SessionStarted():
            return _born(event)
        case Active(), StepRecorded() if _follows(session, event):
            return Active(
                session.origin, session.version + 1, event.position, event.at, event.node_id
            )
        case Active(), NotesUpdated():
            return replace(session, version=session.version + 1, last_activity_at=event.at)
        case Active(origin=Origin(kind=SessionKind.AI_BUILD)), NodeRequested():
            return replace(
                session,
                version=session.version + 1,
                last_activity_at=event.at,
                node_requested=True,
            )
        case Active(), SessionResolved():
            return Resolved(*_end(session, event.at), event.helpful, event.resolution_notes)
        case Active(), SessionEscalated():
            return Escalated(*_end(session, event.at), event.reason, event.reason_category)
        case Active(), SessionAbandoned():
            return Abandoned(*_end(session, event.at), event.reason)
        case _:
            msg = f"{type(event).__name__} in state {type(session).__name__}"
            raise ImpossibleEvent(msg)


def _follows(session: Active, step: StepRecorded) -> bool:
    """Whether the step is the next of a walk that takes steps."""
    return session.origin.kind is not SessionKind.ADHOC and step.position == session.steps + 1


def evolve_ticket(ticket: Ticket, event: Event) -> Ticket:
    """What an event of its session makes of a ticket that firstline keeps itself."""
    match event:
        case SessionResolved():
            return replace(
                ticket, status=TicketStatus.RESOLVED, resolution_notes=event.resolution_notes
            )
        case SessionEscalated():
            return replace(ticket, status=TicketStatus.ESCALATED)
        case _:
            return ticket


def _born(event: SessionStarted) -> Active:
    origin = Origin(
        event.session_id,
        event.account_id,
        event.kind,
        event.ticket,
        event.started_by.id,
        event.started_by.acting_as,
        event.at,
        event.flow_id,
        event.flow_version,
        event.flow_proposal_id,
        event.category,
        event.problem_text,
        event.previous_session_id,
    )
    return Active(origin, version=1, steps=0, last_activity_at=event.at)


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
