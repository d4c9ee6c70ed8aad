"""The latest state of a session, as a message on the compacted session-state topic."""

from domain.sessions import Born, Claimed, Ended, Escalated, escalation_status, status
from producers import topics
from producers.events import JSON_HEADERS
from producers.json import more, optional, optional_number, quoted, rfc3339
from storage.outbox import Message


def message(session: Born, trace: bytes = b"") -> Message:
    """The session without notes and steps. A batch sends at most one a session.

    ``trace`` is the trace context of the last command that moved it, packed.
    """
    origin = session.origin
    ended_at = rfc3339(session.ended_at) if isinstance(session, Ended) else None
    escalation = {"escalation": _escalation(session)} if isinstance(session, Escalated) else {}
    value = (
        f'{{"session_id":"{origin.session_id}","account_id":"{origin.account_id}",'
        f'"status":"{status(session)!s}","kind":"{origin.kind!s}","version":{session.version},'
        f'"ticket":{{"kind":"{origin.ticket.kind!s}","id":{quoted(origin.ticket.id)}}}'
        f"{optional('category', origin.category)}{optional('flow_id', origin.flow_id)}"
        f"{optional_number('flow_version', origin.flow_version)}"
        f"{optional('current_node_id', session.current_node_id)}"
        f',"steps":{session.steps},"started_at":"{rfc3339(origin.started_at)}",'
        f'"last_activity_at":"{rfc3339(session.last_activity_at)}"'
        f"{optional('ended_at', ended_at)}{more(escalation)}}}"
    )
    key = origin.session_id.encode()
    return Message(topics.SESSION_STATE, key, value.encode(), JSON_HEADERS + trace)


def tombstone(session_id: str) -> Message:
    """The end of what the topic keeps of a session: its account is gone."""
    return Message(topics.SESSION_STATE, session_id.encode(), None, JSON_HEADERS)


def _escalation(session: Escalated) -> dict[str, object]:
    standing = session.escalation
    shown: dict[str, object] = {"status": escalation_status(standing)}
    if isinstance(standing, Claimed):
        shown["claimed_by"] = standing.by
    return shown
