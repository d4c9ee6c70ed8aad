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
from producers.json import more, optional, optional_number, quoted, rfc3339
from producers.nodes import drawn


def event_data(recorded: Recorded) -> str:
    """The data of an event as JSON, but for the closing brace, and for notes, which are JSON."""
    origin, actor = recorded.session.origin, recorded.actor
    return (
        f'{{"account_id":"{origin.account_id}","session_id":"{origin.session_id}",'
        f'"session_kind":"{origin.kind!s}","source":"{recorded.source!s}",'
        f'"actor":{_actor(actor.id, actor.name, actor.acting_as)},'
        f'"ticket":{{"kind":"{origin.ticket.kind!s}","id":{quoted(origin.ticket.id)}}}'
        f"{optional('occurred_at', recorded.command.occurred_at)}{_added(recorded)}"
    )


@lru_cache(maxsize=1_024)
def _actor(user_id: str, name: str, acting_as: str | None) -> str:
    """A batch has few actors, and they come again."""
    return to_json({"id": user_id, "name": name, "acting_as": acting_as}).decode()


def _added(
    recorded: Recorded,
) -> str:
    """What its type adds; by hand, too, where events are many."""
    session = recorded.session
    match recorded.event:
        case StepRecorded() as step:
            return (
                f',"node_id":{quoted(step.node_id)},"question":{quoted(step.question)},'
                f'"answer":{quoted(step.answer)},"position":{step.position}'
                f"{optional('option_id', step.option_id)}{optional('note', step.note)}"
            )
        case SessionStarted() as event:
            return (
                f"{optional('flow_id', event.flow_id)}"
                f"{optional_number('flow_version', event.flow_version)}"
                f"{optional('flow_proposal_id', event.flow_proposal_id)}"
                f"{optional('category', event.category)}"
                f"{optional('problem_text', event.problem_text)}"
                f"{optional('previous_session_id', event.previous_session_id)}"
            )
        case NodeServed(node=node):
            return more({"node": drawn(node)})
        case SessionResolved(helpful=helpful, resolution_notes=notes):
            return _outcome(session) + more({"helpful": helpful, "resolution_notes": notes})
        case SessionEscalated(reason=reason, reason_category=category):
            return _outcome(session) + more({"reason": reason, "reason_category": category})
        case SessionAbandoned(reason=reason):
            return _outcome(session) + more({"reason": reason})
        case EscalationClosed(resolution_notes=notes):
            return more({"resolution_notes": notes})
        case HandedBack(instructions=instructions, new_session_id=new_session_id):
            return more({"instructions": instructions, "new_session_id": new_session_id})
        case Renotified(step=step_number):
            return more({"step": step_number})
        case _:
            return ""


def _outcome(session: Born) -> str:
    """What every outcome tells of the session that it ends."""
    origin = session.origin
    ended_at = f'"{rfc3339(session.ended_at)}"' if isinstance(session, Ended) else "null"
    return (
        f',"outcome":"{status(session)!s}","started_at":"{rfc3339(origin.started_at)}",'
        f'"ended_at":{ended_at},"steps":{session.steps}{optional("category", origin.category)}'
        f"{optional('flow_id', origin.flow_id)}"
        f"{optional_number('flow_version', origin.flow_version)}"
    )
