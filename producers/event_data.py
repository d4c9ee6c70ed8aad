"""What an event tells in its data: what every event has, and what its type adds."""

from domain.events import (
    EscalationClosed,
    HandedBack,
    NodeServed,
    Renotified,
    SessionAbandoned,
    SessionEscalated,
    SessionResolved,
    SessionStarted,
    StepRecorded,
)
from domain.history import Recorded
from domain.sessions import Born, Ended, status
from producers.json import rfc3339, without_absent
from producers.nodes import drawn


def event_data(recorded: Recorded) -> dict[str, object]:
    """The data of an event, but for notes, which are JSON already."""
    session, command = recorded.session, recorded.command
    origin, actor = session.origin, recorded.actor
    data: dict[str, object] = {
        "account_id": origin.account_id,
        "session_id": origin.session_id,
        "session_kind": origin.kind,
        "source": recorded.source,
        "actor": {"id": actor.id, "name": actor.name, "acting_as": actor.acting_as},
        "ticket": {"kind": origin.ticket.kind, "id": origin.ticket.id},
    }
    if command.occurred_at is not None:
        data["occurred_at"] = command.occurred_at
    return data | _added(recorded)


def _added(  # noqa: C901 - one arm a type
    recorded: Recorded,
) -> dict[str, object]:
    session = recorded.session
    match recorded.event:
        case SessionStarted() as event:
            return without_absent(
                {
                    "flow_id": event.flow_id,
                    "flow_version": event.flow_version,
                    "flow_proposal_id": event.flow_proposal_id,
                    "category": event.category,
                    "problem_text": event.problem_text,
                    "previous_session_id": event.previous_session_id,
                }
            )
        case StepRecorded() as event:
            step: dict[str, object] = {
                "node_id": event.node_id,
                "question": event.question,
                "answer": event.answer,
                "position": event.position,
            }
            if event.option_id is not None:
                step["option_id"] = event.option_id
            if event.note is not None:
                step["note"] = event.note
            return step
        case NodeServed(node=node):
            return {"node": drawn(node)}
        case SessionResolved(helpful=helpful, resolution_notes=notes):
            return _outcome(session) | {"helpful": helpful, "resolution_notes": notes}
        case SessionEscalated(reason=reason, reason_category=category):
            return _outcome(session) | {"reason": reason, "reason_category": category}
        case SessionAbandoned(reason=reason):
            return _outcome(session) | {"reason": reason}
        case EscalationClosed(resolution_notes=notes):
            return {"resolution_notes": notes}
        case HandedBack(instructions=instructions, new_session_id=new_session_id):
            return {"instructions": instructions, "new_session_id": new_session_id}
        case Renotified(step=step_number):
            return {"step": step_number}
        case _:
            return {}


def _outcome(session: Born) -> dict[str, object]:
    """What every outcome tells of the session that it ends."""
    origin = session.origin
    return {
        "outcome": status(session),
        "started_at": rfc3339(origin.started_at),
        "ended_at": rfc3339(session.ended_at) if isinstance(session, Ended) else None,
        "steps": session.steps,
    } | without_absent(
        {
            "category": origin.category,
            "flow_id": origin.flow_id,
            "flow_version": origin.flow_version,
        }
    )
