"""Whether a command may take effect on a session, and what then happens.

The Decider pattern: `decide` looks at a state and a command and names the events; `domain.evolve`
applies them. Refusals are values, because they are answers that senders get. What a start, a step
and an escalation's move come to is decided in rooms of their own.
"""

from domain.built_walks import next_node, serve_node
from domain.commands import (
    Abandon,
    ClaimEscalation,
    Command,
    EndWithTicket,
    Escalate,
    EscalationMove,
    HandBack,
    MoveTicket,
    NextNode,
    RecordStep,
    ReleaseEscalation,
    Renotify,
    Resolve,
    ServeNode,
    Start,
    SystemCommand,
    UpdateNotes,
    Walk,
)
from domain.context import Context
from domain.decisions import Accepted, Code, Decision, Rejected
from domain.escalations import decide_move, renotify
from domain.events import NotesUpdated, SessionAbandoned, SessionEscalated, SessionResolved
from domain.people import SYSTEM, Actor, User, engineer, walker
from domain.sessions import Active, Escalated, Session, Unborn
from domain.starts import decide_start
from domain.walks import move_ticket, record_step

FORBIDDEN = Rejected(Code.FORBIDDEN, "The actor may not do this here.")
"""Refuses who may not act, and whoever comes for an account that is not there."""


def decide(  # noqa: C901, PLR0912 - one arm a legal move
    session: Session, command: Command, context: Context
) -> Decision:
    """Accept the command with its events, or reject it with the first code that applies."""
    actor = acting(command, context.user)
    if actor is None or not context.account_known or _claims_own_escalation(session, command):
        return FORBIDDEN
    if refusal := _misplaced(session, command, context) or _stale(session, command):
        return refusal
    now = context.now
    match session, command:
        case Unborn(), _ if isinstance(command, Start):
            return decide_start(command, actor, context)
        case Active(), RecordStep():
            return record_step(session, command, context)
        case Active(), NextNode():
            return next_node(session, context)
        case Active(), ServeNode():
            return serve_node(session, command, context)
        case Active(), UpdateNotes():
            return Accepted((NotesUpdated(at=now, notes=command.notes),))
        case Active(), Resolve(helpful=helpful, resolution_notes=notes):
            return Accepted((SessionResolved(at=now, helpful=helpful, resolution_notes=notes),))
        case Active(), Escalate(reason=reason, reason_category=category):
            escalated = SessionEscalated(
                at=now, by=actor.id, reason=reason, reason_category=category
            )
            return Accepted((escalated,))
        case Active(), Abandon(reason=reason):
            return Accepted((SessionAbandoned(at=now, reason=reason),))
        case Active(), EndWithTicket(ticket=ticket, reason=reason):
            if session.origin.ticket != ticket:
                return Accepted(())
            return Accepted((SessionAbandoned(at=now, reason=reason),))
        case Active(), MoveTicket():
            return move_ticket(session, command, context)
        case Escalated(), Renotify():
            return renotify(session, command, now)
        case Escalated(), _ if isinstance(command, EscalationMove):
            return decide_move(session, command, actor, context)
        case _, _ if isinstance(command, (EscalationMove, Renotify)):
            return Rejected(Code.NOT_ESCALATED, "The session is not escalated.")
        case _:
            return Rejected(Code.NOT_ACTIVE, "The session has ended.")


def acting(command: Command, user: User | None) -> Actor | None:
    """Who the command's effect is put down to, or None where the actor may not act.

    Escalations are moved by engineers, coverage or not. A command without an actor is the
    system's own: it abandons sessions, moves them to other tickets, serves nodes, tells people
    again, and releases what somebody claimed who is no engineer any more.
    """
    if command.actor_id is None:
        systems = (Abandon, ReleaseEscalation, SystemCommand)
        return SYSTEM if isinstance(command, systems) else None
    if isinstance(command, (Walk, Start)):
        return walker(user, command.account_id)
    return engineer(user, command.account_id) if isinstance(command, EscalationMove) else None


def _claims_own_escalation(session: Session, command: Command) -> bool:
    """Who escalated does not take the escalation on."""
    return (
        isinstance(command, ClaimEscalation)
        and isinstance(session, Escalated)
        and session.origin.account_id == command.account_id
        and session.escalated_by == command.actor_id
    )


def _misplaced(session: Session, command: Command, context: Context) -> Rejected | None:
    """A start needs an id that is free everywhere, any other command a session of its account."""
    if isinstance(command, Start):
        if isinstance(session, Unborn):
            return None
        return Rejected(Code.SESSION_EXISTS, "A session with this id exists already.")
    if isinstance(session, Unborn) or session.origin.account_id != command.account_id:
        return Rejected(Code.UNKNOWN_SESSION, "The account has no such session.")
    if isinstance(command, HandBack) and context.new_session_taken:
        return Rejected(Code.SESSION_EXISTS, "A session with the new id exists already.")
    return None


def _stale(session: Session, command: Command) -> Rejected | None:
    if command.expected_version is None or command.expected_version == session.version:
        return None
    return Rejected(Code.STALE_VERSION, f"The session is at version {session.version}.")
