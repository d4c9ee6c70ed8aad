"""The answer to a command, as a message on the replies topic."""

from datetime import datetime

from pydantic_core import to_json

from domain.decisions import Rejected
from domain.sessions import Session, Unborn, status
from producers import topics
from producers.events import JSON_HEADERS
from producers.json import rfc3339, without_absent
from storage.outbox import Message

_FIRST = b'"duplicate":false'
_AGAIN = b'"duplicate":true'


def accepted(
    command_id: str, session: Session, correlation: str | None, now: datetime
) -> bytes:
    """The answer to a command that took effect, with the session as it left it."""
    return to_json(
        {
            "command_id": command_id,
            **_of_session(session),
            "outcome": "accepted",
            "duplicate": False,
            **_view(session),
            **without_absent({"correlation": correlation}),
            "recorded_at": rfc3339(now),
        }
    )


def rejected(  # noqa: PLR0913 - what a refusal tells
    command_id: str,
    session_id: str,
    account_id: str | None,
    refusal: Rejected,
    session: Session,
    correlation: str | None,
    now: datetime,
) -> bytes:
    """The answer to a command that was refused; the session shows only to its own account."""
    owned = not isinstance(session, Unborn) and session.origin.account_id == account_id
    return to_json(
        {
            "command_id": command_id,
            "session_id": session_id,
            **without_absent({"account_id": account_id}),
            "outcome": "rejected",
            "duplicate": False,
            "code": refusal.code,
            "message": refusal.message,
            **without_absent({"active_session_id": refusal.active_session_id}),
            **(_view(session) if owned else {}),
            **without_absent({"correlation": correlation}),
            "recorded_at": rfc3339(now),
        }
    )


def again(reply: bytes) -> bytes:
    """The first answer, marked as given to a duplicate.

    Nothing that a sender chose, but for canonical ids, stands before the mark.
    """
    return reply.replace(_FIRST, _AGAIN, 1)


def message(session_id: str, reply: bytes) -> Message:
    """The answer as a message."""
    return Message(topics.REPLIES, session_id.encode(), reply, JSON_HEADERS)


def _of_session(session: Session) -> dict[str, object]:
    if isinstance(session, Unborn):
        return {}
    return {"session_id": session.origin.session_id, "account_id": session.origin.account_id}


def _view(session: Session) -> dict[str, object]:
    if isinstance(session, Unborn):
        return {}
    shown = {
        "status": status(session),
        "kind": session.origin.kind,
        "current_node_id": session.current_node_id,
    }
    return {"version": session.version, "session": without_absent(shown)}
