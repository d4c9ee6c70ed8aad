"""The answer to a command, as a message on the replies topic."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic_core import to_json

from domain.built_nodes import BuiltNode
from domain.decisions import Rejected
from domain.flows import Node
from domain.intake import Candidate, pick
from domain.sessions import Session, Unborn, status
from producers import topics
from producers.events import JSON_HEADERS
from producers.handover import shortened
from producers.json import rfc3339, without_absent
from producers.nodes import drawn
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


@dataclass(frozen=True, slots=True)
class View:
    """What a client shows of a session: how it stands, and the node to be answered."""

    session: Session
    node: Node | BuiltNode | None = None


def accepted(asked: Asked, view: View, found: Sequence[Candidate], now: datetime) -> bytes:
    """The answer to a command that took effect, with the session as it left it.

    An intake is told what was ``found``, best first of each kind, and what of that was picked.
    """
    return to_json(
        {
            "command_id": asked.command_id,
            "session_id": asked.session_id,
            "account_id": asked.account_id,
            "outcome": "accepted",
            "duplicate": False,
            **_shown(view),
            **_intake(found),
            **_correlation(asked),
            "recorded_at": rfc3339(now),
        }
    )


def rejected(asked: Asked, refusal: Rejected, view: View, now: datetime) -> bytes:
    """The answer to a command that was refused; the session shows only to its own account."""
    session = view.session
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
            **(_shown(view) if owned else {}),
            **_correlation(asked),
            "recorded_at": rfc3339(now),
        }
    )


def no_knowledge(asked: Asked, now: datetime) -> bytes:
    """The answer to an intake for which the account knows nothing: no session came to be."""
    return to_json(
        {
            "command_id": asked.command_id,
            "session_id": asked.session_id,
            "account_id": asked.account_id,
            "outcome": "aborted_no_kb",
            "duplicate": False,
            **_correlation(asked),
            "recorded_at": rfc3339(now),
        }
    )


def again(reply: bytes) -> bytes:
    """The first answer, marked as given to a duplicate.

    Nothing that a sender chose, but for canonical ids, stands before the mark.
    """
    return reply.replace(_FIRST, _AGAIN, 1)


def message(session_id: str, reply: bytes, trace: bytes = b"") -> Message:
    """The answer as a message, with the trace context of what it answers, packed."""
    return Message(topics.REPLIES, session_id.encode(), reply, JSON_HEADERS + trace)


def _correlation(asked: Asked) -> dict[str, object]:
    return {} if asked.correlation is None else {"correlation": asked.correlation}


def _intake(found: Sequence[Candidate]) -> dict[str, object]:
    picked = pick(tuple(found))
    if picked is None:
        return {}
    runners_up = [_candidate(other) for other in found if other is not picked]
    return {"intake": {"picked": _candidate(picked), "runners_up": runners_up}}


def _candidate(candidate: Candidate) -> dict[str, object]:
    return {
        "kind": candidate.kind,
        "id": candidate.id,
        "title": shortened(candidate.title),
        "score": round(candidate.score, 4),
    }


def _shown(view: View) -> dict[str, object]:
    session = view.session
    if isinstance(session, Unborn):
        return {}
    shown: dict[str, object] = {"status": status(session), "kind": session.origin.kind}
    if session.current_node_id is not None:
        shown["current_node_id"] = session.current_node_id
    told: dict[str, object] = {"version": session.version, "session": shown}
    if view.node is not None:
        told["node"] = drawn(view.node)
    return told
