"""The answer to a command, as a message on the replies topic."""

from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reply echoes of the command."""

    command_id: str
    session_id: str
    account_id: str | None
    correlation: str | None


def accepted(asked: Asked, session: Session, now: datetime) -> bytes:
    """The answer to a command that took effect, with the session as it left it."""
    return to_json(
        {
            "command_id": asked.command_id,
            "session_id": asked.session_id,
            "account_id": asked.account_id,
            "outcome": "accepted",
            "duplicate": False,
            **_view(session),
            **_correlation(asked),
            "recorded_at": rfc3339(now),
        }
    )


def rejected(asked: Asked, refusal: Rejected, session: Session, now: datetime) -> bytes:
    """The answer to a command that was refused; the session shows only to its own account."""
    owned = not isinstance(session, Unborn) and session.origin.account_id == asked.account_id
    return to_json(
        {
            "command_id": asked.command_id,
            "session_id": asked.session_id,
            **without_absent({"account_id": asked.account_id}),
            "outcome": "rejected",
            "duplicate": False,
            "code": refusal.code,
            "message": refusal.message,
            **without_absent({"active_session_id": refusal.active_session_id}),
            **(_view(session) if owned else {}),
            **_correlation(asked),
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


def _correlation(asked: Asked) -> dict[str, object]:
    return {} if asked.correlation is None else {"correlation": asked.correlation}


def _view(session: Session) -> dict[str, object]:
    if isinstance(session, Unborn):
        return {}
    shown = {
        "status": status(session),
        "kind": session.origin.kind,
        "current_node_id": session.current_node_id,
    }
    return {"version": session.version, "session": without_absent(shown)}
