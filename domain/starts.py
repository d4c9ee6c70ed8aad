"""Bringing a session into being: what may be started, on which ticket, and as what."""

from domain.commands import (
    EscalateWithoutWalk,
    Intake,
    Start,
    StartAdhoc,
    StartAiBuild,
    StartFlow,
    StartProposal,
)
from domain.context import Context, Walkable
from domain.decisions import Accepted, Code, Decision, NoKnowledge, Rejected
from domain.events import Event, NodeRequested, SessionEscalated, SessionStarted
from domain.intake import Candidate, FoundKind, pick
from domain.people import Actor
from domain.sessions import SessionKind
from domain.tickets import TicketKind, TicketRef, TicketStatus


def decide_start(command: Start, actor: Actor, context: Context) -> Decision:
    """Start the session, or refuse: the target is looked at first, then the ticket."""
    if refusal := _target_refusal(command, context) or ticket_refusal(command.ticket, context):
        return refusal
    match command:
        case StartFlow(flow_id=flow_id):
            return Accepted((_walk(command, actor, context, context.walkable, flow_id=flow_id),))
        case StartProposal(flow_proposal_id=proposal):
            return Accepted(
                (_walk(command, actor, context, context.walkable, flow_proposal_id=proposal),)
            )
        case StartAdhoc():
            return Accepted((_started(command, actor, context, SessionKind.ADHOC),))
        case StartAiBuild():
            return Accepted(_ai_build(command, actor, context))
        case EscalateWithoutWalk(reason=reason, reason_category=category):
            started = _started(command, actor, context, SessionKind.ADHOC)
            escalated = SessionEscalated(
                at=context.now, by=actor.id, reason=reason, reason_category=category
            )
            return Accepted((started, escalated))
        case Intake():
            return _take_in(command, actor, context)


def _take_in(command: Intake, actor: Actor, context: Context) -> Decision:
    """What was asked for explicitly, else the best that the account's knowledge has."""
    if command.flow_id is not None:
        return Accepted(
            (_walk(command, actor, context, context.walkable, flow_id=command.flow_id),)
        )
    if command.adhoc:
        return Accepted((_started(command, actor, context, SessionKind.ADHOC),))
    match pick(context.candidates):
        case None:
            return NoKnowledge()
        case Candidate(kind=FoundKind.FLOW, id=flow_id, flow=flow, version=version) if flow:
            target = Walkable(flow, version)
            return Accepted((_walk(command, actor, context, target, flow_id=flow_id),))
        case Candidate(kind=FoundKind.PROPOSAL, id=proposal_id, flow=flow) if flow:
            target = Walkable(flow)
            return Accepted((_walk(command, actor, context, target, flow_proposal_id=proposal_id),))
        case _:
            return Accepted(_ai_build(command, actor, context))


def _target_refusal(command: Start, context: Context) -> Rejected | None:
    if context.walkable is not None:
        return None
    match command:
        case StartFlow() | Intake(flow_id=str()):
            return Rejected(Code.UNKNOWN_FLOW, "The account has no such flow in use.")
        case StartProposal():
            return Rejected(Code.UNKNOWN_PROPOSAL, "The account has no such proposal.")
        case _:
            return None


def ticket_refusal(ref: TicketRef, context: Context) -> Rejected | None:
    """Why no session may start on the ticket."""
    ticket = context.ticket
    if ticket is None and ref.kind is TicketKind.INTERNAL:
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


def _walk(  # noqa: PLR0913 - what is walked, and on whose behalf
    command: Start,
    actor: Actor,
    context: Context,
    target: Walkable | None,
    *,
    flow_id: str | None = None,
    flow_proposal_id: str | None = None,
) -> SessionStarted:
    """A session that begins at the first node of its flow or proposal."""
    return _started(
        command,
        actor,
        context,
        SessionKind.PROPOSAL if flow_id is None else SessionKind.FLOW,
        flow_id=flow_id,
        flow_version=target.version if target is not None else None,
        flow_proposal_id=flow_proposal_id,
        current_node_id=target.flow.start if target is not None else None,
    )


def _ai_build(command: Start, actor: Actor, context: Context) -> tuple[Event, ...]:
    started = _started(command, actor, context, SessionKind.AI_BUILD)
    return (started, NodeRequested(at=context.now, request_id=context.event_id(1)))


def _started(  # noqa: PLR0913 - what a start may name
    command: Start,
    actor: Actor,
    context: Context,
    kind: SessionKind,
    *,
    flow_id: str | None = None,
    flow_version: int | None = None,
    flow_proposal_id: str | None = None,
    current_node_id: str | None = None,
) -> SessionStarted:
    """A start keeps the category and the problem that it came with, whatever it starts."""
    told = command if isinstance(command, (StartAiBuild, Intake)) else None
    return SessionStarted(
        at=context.now,
        session_id=command.session_id,
        account_id=command.account_id,
        kind=kind,
        ticket=command.ticket,
        started_by=actor,
        flow_id=flow_id,
        flow_version=flow_version,
        flow_proposal_id=flow_proposal_id,
        current_node_id=current_node_id,
        category=told.category if told else None,
        problem_text=told.problem_text if told else None,
        previous_session_id=context.previous_session_id,
    )
