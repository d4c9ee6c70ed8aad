"""How one event moves the facts of a batch: its session, its ticket, the walk, and the audit."""

from pydantic_core import to_json

from consumers.drafting import draft
from consumers.records import Delivery
from domain.commands import EscalateWithoutWalk
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
)
from domain.evolve import evolve, evolve_ticket
from domain.history import Recorded, Walk
from domain.people import Actor, Recipient
from domain.sessions import Active, Born, Escalated, Session, Unborn, Waiting
from domain.tickets import TicketKind
from storage.facts import Facts
from storage.sessions import AuditEntry


def move(facts: Facts, delivery: Delivery, place: int, event: Event, actor: Actor) -> Recorded:
    """Apply one event to everything that it concerns, and return it as recorded."""
    session_id = delivery.command.session_id
    if isinstance(event, SessionStarted):  # a hand-back starts another session than its own
        session_id = event.session_id
    before = facts.session(session_id)
    session = evolve(before, event)
    facts.sessions[session_id] = session
    _move_ticket(facts, before, session, event)
    walk = _move_walk(facts, session, event)
    draft(facts, before, event, walk)
    recipients = _recipients(facts, session, event)
    return Recorded(
        event, session, delivery.command, place, actor, delivery.source, walk, recipients
    )


def audit(recorded: Recorded) -> AuditEntry | None:
    """The entry that a terminal act, or a move of an escalation, leaves in the audit trail."""
    entry = _audited(recorded)
    if entry is None:
        return None
    action, details = entry
    origin = recorded.session.origin
    details |= {
        "session_kind": str(origin.kind),
        "ticket_kind": str(origin.ticket.kind),
        "ticket_id": origin.ticket.id,
    }
    return AuditEntry(
        origin.account_id,
        origin.session_id,
        recorded.command.command_id,
        recorded.actor,
        action,
        to_json(details).decode(),
    )


def _audited(recorded: Recorded) -> tuple[str, dict[str, object]] | None:
    """What was done, and what is worth keeping of it."""
    match recorded.event:
        case SessionResolved(helpful=helpful):
            return "session.resolve", {"helpful": helpful}
        case SessionEscalated(reason_category=category):
            walked = not isinstance(recorded.command, EscalateWithoutWalk)
            action = "session.escalate" if walked else "session.escalate_without_walk"
            return action, {"reason_category": category}
        case SessionAbandoned(reason=reason):
            return "session.abandon", {"reason": reason}
        case EscalationClaimed():
            return "escalation.claim", {}
        case EscalationReleased():
            return "escalation.release", {}
        case EscalationClosed():
            return "escalation.close", {}
        case HandedBack(new_session_id=new_session_id):
            return "escalation.hand_back", {"new_session_id": new_session_id}
        case _:
            return None


def _move_ticket(facts: Facts, before: Session, session: Born, event: Event) -> None:
    """Whose the ticket is now, and, where it is one of ours, how it stands.

    A walk that goes on changes neither.
    """
    if isinstance(event, (StepRecorded, NotesUpdated, NodeRequested, NodeServed)):
        return
    account_id, session_id = session.origin.account_id, session.origin.session_id
    if not isinstance(before, Unborn):
        held = (account_id, before.origin.ticket)
        if facts.active.get(held) == session_id:
            del facts.active[held]
    key = (account_id, session.origin.ticket)
    ticket = facts.tickets.get(key)
    if isinstance(session, Active):
        facts.active[key] = session_id
    if isinstance(event, SessionStarted) and ticket is not None and ticket.reopened_at is not None:
        facts.previous[key] = session_id
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
    """Who is told: for the step of the policy, else for the category, else the defaults."""
    if not isinstance(session, Escalated):
        return ()
    account_id = session.origin.account_id
    chosen: list[Recipient] = []
    if isinstance(event, Renotified) and isinstance(session.escalation, Waiting):
        steps = facts.escalation_steps.get(account_id, [])
        chosen = steps[event.step - 1] if event.step <= len(steps) else []
    if isinstance(event, (SessionEscalated, EscalationEvent)):
        chosen = chosen or facts.recipients.get((account_id, session.reason_category), [])
        chosen = chosen or facts.default_recipients.get(account_id, [])
    return tuple(chosen)
