"""How one event moves the facts of a batch: its session, its ticket, the walk, and the audit."""

import json

from consumers.records import Delivery
from domain.commands import EscalateWithoutWalk
from domain.events import (
    Event,
    NotesUpdated,
    SessionAbandoned,
    SessionEscalated,
    SessionResolved,
    SessionStarted,
    StepRecorded,
)
from domain.evolve import evolve, evolve_ticket
from domain.history import Recorded, Walk
from domain.people import Actor, Recipient
from domain.sessions import Active, Born
from domain.tickets import TicketKind
from storage.facts import Facts
from storage.sessions import AuditEntry


def move(facts: Facts, delivery: Delivery, place: int, event: Event, actor: Actor) -> Recorded:
    """Apply one event to everything that it concerns, and return it as recorded."""
    session = evolve(facts.session(delivery.command.session_id), event)
    facts.sessions[session.origin.session_id] = session
    _move_ticket(facts, session, event)
    walk = _move_walk(facts, session, event)
    recipients = _recipients(facts, session, event)
    return Recorded(
        event, session, delivery.command, place, actor, delivery.source, walk, recipients
    )


def audit(recorded: Recorded) -> AuditEntry | None:
    """The entry that a terminal act leaves in the audit trail."""
    details: dict[str, object]
    match recorded.event:
        case SessionResolved(helpful=helpful):
            action, details = "session.resolve", {"helpful": helpful}
        case SessionEscalated(reason_category=category):
            walked = not isinstance(recorded.command, EscalateWithoutWalk)
            action = "session.escalate" if walked else "session.escalate_without_walk"
            details = {"reason_category": category}
        case SessionAbandoned(reason=reason):
            action, details = "session.abandon", {"reason": reason}
        case _:
            return None
    origin = recorded.session.origin
    details |= {
        "session_kind": origin.kind,
        "ticket_kind": origin.ticket.kind,
        "ticket_id": origin.ticket.id,
    }
    return AuditEntry(
        origin.account_id,
        origin.session_id,
        recorded.command.command_id,
        recorded.actor,
        action,
        json.dumps(details, ensure_ascii=False),
    )


def _move_ticket(facts: Facts, session: Born, event: Event) -> None:
    key = (session.origin.account_id, session.origin.ticket)
    if isinstance(session, Active):
        facts.active[key] = session.origin.session_id
    elif facts.active.get(key) == session.origin.session_id:
        del facts.active[key]
    ticket = facts.tickets.get(key)
    if ticket is not None and ticket.ref.kind is TicketKind.INTERNAL:
        facts.tickets[key] = evolve_ticket(ticket, event)


def _move_walk(facts: Facts, session: Born, event: Event) -> Walk:
    """Keep up those walks that messages tell of: the ones that were read, and new ones."""
    session_id = session.origin.session_id
    walk = Walk() if isinstance(event, SessionStarted) else facts.walks.get(session_id)
    if walk is None:
        return Walk()
    match event:
        case StepRecorded():
            walk = Walk((*walk.steps, event), walk.notes)
        case NotesUpdated(notes=notes):
            walk = Walk(walk.steps, notes)
    facts.walks[session_id] = walk
    return walk


def _recipients(facts: Facts, session: Born, event: Event) -> tuple[Recipient, ...]:
    """Those of the account for the reason's category, else the account's defaults."""
    if not isinstance(event, SessionEscalated):
        return ()
    account_id = session.origin.account_id
    chosen = facts.recipients.get((account_id, event.reason_category))
    return tuple(chosen or facts.default_recipients.get(account_id, []))
