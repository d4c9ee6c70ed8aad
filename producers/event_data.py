"""What an event tells in its data: what every event has, and what its type adds.

What every event has is text by hand: nearly all of it is ours, ids and words that need no quoting.
"""

from functools import lru_cache

from pydantic_core import to_json

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
from producers.json import more, optional, quoted, rfc3339, without_absent
from producers.nodes import drawn


def event_data(recorded: Recorded) -> str:
    """The data of an event as JSON, but for the closing brace, and for notes, which are JSON."""
    origin, actor, event = recorded.session.origin, recorded.actor, recorded.event
    added = _step(event) if isinstance(event, StepRecorded) else more(_added(recorded))
    return (
        f'{{"account_id":"{origin.account_id}","session_id":"{origin.session_id}",'
        f'"session_kind":"{origin.kind!s}","source":"{recorded.source!s}",'
        f'"actor":{_actor(actor.id, actor.name, actor.acting_as)},'
        f'"ticket":{{"kind":"{origin.ticket.kind!s}","id":{quoted(origin.ticket.id)}}}'
        f"{optional('occurred_at', recorded.command.occurred_at)}{added}"
    )


@lru_cache(maxsize=1_024)
def _actor(user_id: str, name: str, acting_as: str | None) -> str:
    """A batch has few actors, and they come again."""
    return to_json({"id": user_id, "name": name, "acting_as": acting_as}).decode()


def _step(step: StepRecorded) -> str:
    """What a step adds, by hand as well: of all events, most are steps."""
    return (
        f',"node_id":{quoted(step.node_id)},"question":{quoted(step.question)},'
        f'"answer":{quoted(step.answer)},"position":{step.position}'
        f"{optional('option_id', step.option_id)}{optional('note', step.note)}"
    )


def _added(
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
