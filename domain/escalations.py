"""What engineers do with an escalation: claim it, give it back, close it, hand it back."""

from datetime import datetime

from domain.commands import (
    ClaimEscalation,
    CloseEscalation,
    EscalationMove,
    HandBack,
    ReleaseEscalation,
    Renotify,
)
from domain.context import Context
from domain.decisions import Accepted, Code, Decision, Rejected
from domain.events import (
    EscalationClaimed,
    EscalationClosed,
    EscalationReleased,
    HandedBack,
    Renotified,
    SessionStarted,
)
from domain.people import SYSTEM, Actor
from domain.sessions import (
    Claimed,
    Closed,
    Escalated,
    ReturnedToFirstLine,
    SessionKind,
    Waiting,
)
from domain.starts import ticket_refusal


def decide_move(
    session: Escalated, command: EscalationMove, actor: Actor, context: Context
) -> Decision:
    """Move the escalation: the first claim wins, and only who claimed it moves it on.

    Where who claimed it cannot any more, the system releases it.
    """
    match session.escalation, command:
        case ((Closed() | ReturnedToFirstLine()), _):
            return Rejected(Code.NOT_ESCALATED, "The escalation is over.")
        case Waiting(), ClaimEscalation():
            return Accepted((EscalationClaimed(at=context.now, by=actor.id),))
        case Claimed(by=by), ClaimEscalation() if by == actor.id:
            return Accepted(())
        case Claimed(), ReleaseEscalation() if actor == SYSTEM:
            return Accepted((EscalationReleased(at=context.now),))
        case Claimed(by=by), _ if by != actor.id:
            return Rejected(Code.ALREADY_CLAIMED, "Another engineer has claimed the escalation.")
        case Claimed(), ReleaseEscalation():
            return Accepted((EscalationReleased(at=context.now),))
        case Claimed(), CloseEscalation(resolution_notes=notes):
            return Accepted((EscalationClosed(at=context.now, resolution_notes=notes),))
        case Claimed(), HandBack():
            return _hand_back(session, command, actor, context)
        case _:
            return Rejected(Code.NOT_CLAIMED, "The escalation has not been claimed.")


def renotify(session: Escalated, command: Renotify, now: datetime) -> Decision:
    """Tell people again, once a step."""
    match session.escalation:
        case Waiting(notified=notified) | Claimed(notified=notified) if notified < command.step:
            return Accepted((Renotified(at=now, step=command.step),))
        case _:
            return Accepted(())


def _hand_back(session: Escalated, command: HandBack, actor: Actor, context: Context) -> Decision:
    """End the escalation, and go on in a new, linked adhoc session on the same ticket."""
    origin = session.origin
    if refusal := ticket_refusal(origin.ticket, context):
        return refusal
    handed_back = HandedBack(
        at=context.now,
        instructions=command.instructions,
        new_session_id=command.new_session_id,
    )
    started = SessionStarted(
        at=context.now,
        session_id=command.new_session_id,
        account_id=origin.account_id,
        kind=SessionKind.ADHOC,
        ticket=origin.ticket,
        started_by=actor,
        category=origin.category,
        problem_text=origin.problem_text,
        previous_session_id=origin.session_id,
    )
    return Accepted((handed_back, started))
