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
from domain.people import Actor
from domain.sessions import Born, Ended, status
from producers.json import more, quoted, rfc3339, without_absent
from producers.nodes import drawn


def event_data(recorded: Recorded) -> str:
    """The data of an event as JSON, but for the closing brace, and for notes, which are JSON."""
    origin, occurred_at = recorded.session.origin, recorded.command.occurred_at
    occurred = "" if occurred_at is None else f',"occurred_at":{quoted(occurred_at)}'
    return (
        f'{{"account_id":"{origin.account_id}","session_id":"{origin.session_id}",'
        f'"session_kind":"{origin.kind}","source":"{recorded.source}",'
        f'"actor":{_actor(recorded.actor)},'
        f'"ticket":{{"kind":"{origin.ticket.kind}","id":{quoted(origin.ticket.id)}}}'
        f"{occurred}{more(_added(recorded))}"
    )


@lru_cache(maxsize=1_024)
def _actor(actor: Actor) -> str:
    """A batch has few actors, and they come again."""
    told = {"id": actor.id, "name": actor.name, "acting_as": actor.acting_as}
    return to_json(told).decode()


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
