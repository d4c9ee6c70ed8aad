"""Whether a command may take effect on a session, and what then happens.

The Decider pattern: `decide` looks at a state and a command and names the events; `domain.evolve`
applies them. Refusals are values, because they are answers that senders get.
"""

from dataclasses import dataclass, field
from datetime import datetime

from domain.commands import (
    Abandon,
    Command,
    Escalate,
    EscalateWithoutWalk,
    RecordStep,
    Resolve,
    Start,
    StartAdhoc,
    StartAiBuild,
    StartFlow,
    StartProposal,
    UpdateNotes,
)
from domain.decisions import Accepted, Code, Decision, Rejected
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
from domain.people import SYSTEM, Actor, User, walker
from domain.sessions import Active, Session, SessionKind, Unborn
from domain.tickets import Ticket, TicketKind, TicketStatus


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a walk. ``ai_nodes`` is how many generated nodes an AI-built walk may have."""

    steps: int = 500
    ai_nodes: int = 12


@dataclass(frozen=True, slots=True)
class Context:
    """What a decision needs beside the session: everything is of the moment of the decision.

    ``flow_version`` is the newest version of the flow asked for, None where the account has no such
    flow or has archived it. ``ticket`` is None where firstline does not know the ticket.
    """

    now: datetime
    user: User | None
    ticket: Ticket | None = None
    active_session_id: str | None = None
    flow_version: int | None = None
    proposal_exists: bool = False
    limits: Limits = field(default_factory=Limits)


def decide(  # noqa: C901 - one arm a legal move
    session: Session, command: Command, context: Context
) -> Decision:
    """Accept the command with its events, or reject it with the first code that applies."""
    actor = acting(command, context.user)
    if actor is None:
        return Rejected(Code.FORBIDDEN, "The actor may not work on first-line sessions here.")
    if refusal := _misplaced(session, command) or _stale(session, command):
        return refusal
    match session, command:
        case Unborn(), StartFlow() if context.flow_version is None:
            return Rejected(Code.UNKNOWN_FLOW, "The account has no such flow in use.")
        case Unborn(), StartProposal() if not context.proposal_exists:
            return Rejected(Code.UNKNOWN_PROPOSAL, "The account has no such proposal.")
        case Unborn(), (
            StartFlow() | StartProposal() | StartAdhoc() | StartAiBuild() | EscalateWithoutWalk()
        ):
            return _ticket_refusal(command, context) or Accepted(_start(command, actor, context))
        case Active(), RecordStep():
            return _record_step(session, command, context)
        case Active(), UpdateNotes():
            return Accepted((NotesUpdated(at=context.now, notes=command.notes),))
        case Active(), Resolve():
            return Accepted((_resolved(command, context.now),))
        case Active(), Escalate():
            return Accepted((_escalated(command, context.now),))
        case Active(), Abandon():
            return Accepted((SessionAbandoned(at=context.now, reason=command.reason),))
        case _:
            return Rejected(Code.NOT_ACTIVE, "The session has ended.")


def acting(command: Command, user: User | None) -> Actor | None:
    """Who the command's effect is put down to, or None where the actor may not act.

    A command without an actor is the system's own, which may only abandon sessions.
    """
    if command.actor_id is None:
        return SYSTEM if isinstance(command, Abandon) else None
    return walker(user, command.account_id)


def is_start(command: Command) -> bool:
    """Whether the command brings its session into being."""
    return isinstance(command, Start)


def _misplaced(session: Session, command: Command) -> Rejected | None:
    """A start needs an id that is free everywhere, any other command a session of its account."""
    if is_start(command):
        if isinstance(session, Unborn):
            return None
        return Rejected(Code.SESSION_EXISTS, "A session with this id exists already.")
    if isinstance(session, Unborn) or session.origin.account_id != command.account_id:
        return Rejected(Code.UNKNOWN_SESSION, "The account has no such session.")
    return None


def _stale(session: Session, command: Command) -> Rejected | None:
    if command.expected_version in {None, session.version}:
        return None
    return Rejected(Code.STALE_VERSION, f"The session is at version {session.version}.")


def _ticket_refusal(command: Start, context: Context) -> Rejected | None:
    ticket = context.ticket
    if ticket is None and command.ticket.kind is TicketKind.INTERNAL:
        return Rejected(Code.UNKNOWN_TICKET, "The account has no such ticket.")
    if ticket is not None and ticket.status is TicketStatus.CLOSED:
        return Rejected(Code.TICKET_CLOSED, "The ticket is closed.")
    if context.active_session_id is not None:
        return Rejected(
            Code.TICKET_HAS_ACTIVE_SESSION,
            "Another session is active on the ticket.",
            context.active_session_id,
        )
    return None


def _start(command: Start, actor: Actor, context: Context) -> tuple[Event, ...]:
    def started(kind: SessionKind, **target: str | int | None) -> SessionStarted:
        return SessionStarted(
            at=context.now,
            session_id=command.session_id,
            account_id=command.account_id,
            kind=kind,
            ticket=command.ticket,
            started_by=actor,
            **target,  # type: ignore[arg-type]
        )

    match command:
        case StartFlow(flow_id=flow_id):
            return (started(SessionKind.FLOW, flow_id=flow_id, flow_version=context.flow_version),)
        case StartProposal(flow_proposal_id=proposal_id):
            return (started(SessionKind.PROPOSAL, flow_proposal_id=proposal_id),)
        case StartAdhoc():
            return (started(SessionKind.ADHOC),)
        case StartAiBuild(category=category, problem_text=problem):
            return (
                started(SessionKind.AI_BUILD, category=category, problem_text=problem),
                NodeRequested(at=context.now),
            )
        case EscalateWithoutWalk():
            return (started(SessionKind.ADHOC), _escalated(command, context.now))


def _record_step(session: Active, command: RecordStep, context: Context) -> Decision:
    if session.origin.kind is SessionKind.ADHOC:
        return Rejected(Code.WRONG_KIND, "An adhoc session takes notes, not steps.")
    position = session.steps + 1
    if position > context.limits.steps:
        return Rejected(Code.PATH_TOO_LONG, f"A walk has at most {context.limits.steps} steps.")
    recorded = StepRecorded(
        at=context.now,
        position=position,
        node_id=command.node_id,
        question=command.question or "",
        answer=command.answer,
        option_id=command.option_id,
        note=command.note,
    )
    if session.origin.kind is SessionKind.AI_BUILD and position < context.limits.ai_nodes:
        return Accepted((recorded, NodeRequested(at=context.now)))
    return Accepted((recorded,))


def _resolved(command: Resolve, now: datetime) -> SessionResolved:
    return SessionResolved(
        at=now, helpful=command.helpful, resolution_notes=command.resolution_notes
    )


def _escalated(command: Escalate | EscalateWithoutWalk, now: datetime) -> SessionEscalated:
    return SessionEscalated(at=now, reason=command.reason, reason_category=command.reason_category)
