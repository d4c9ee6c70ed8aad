"""The answer to a command, as a message on the replies topic.

Text by hand, because there is one for every command and nearly all of it is ours: ids, times and
words that need no quoting. What others wrote goes through an encoder.
"""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Protocol

from pydantic_core import to_json

from domain.built_nodes import BuiltNode
from domain.decisions import Rejected
from domain.flows import Node
from domain.intake import Candidate, pick
from domain.sessions import Session, Unborn, status
from domain.values import value
from producers import topics
from producers.events import JSON_HEADERS
from producers.handover import shortened
from producers.json import more, optional, quoted, rfc3339
from producers.nodes import drawn
from storage.outbox import Message

_FIRST = b'"duplicate":false'
_AGAIN = b'"duplicate":true'


class Asked(Protocol):
    """What a reply echoes: of a command, or of a record that was refused before it was one."""

    @property
    def command_id(self) -> str:
        """Which command is answered."""

    @property
    def session_id(self) -> str:
        """Whose key the reply gets."""

    @property
    def account_id(self) -> str | None:
        """The tenant, where the record named one."""

    @property
    def correlation(self) -> str | None:
        """The sender's own mark."""


@value
class View:
    """What a client shows of a session: how it stands, and the node to be answered."""

    session: Session
    node: Node | BuiltNode | None = None


def accepted(asked: Asked, view: View, found: Sequence[Candidate], now: datetime) -> bytes:
    """The answer to a command that took effect, with the session as it left it.

    An intake is told what was ``found``, best first of each kind, and what of that was picked.
    """
    return _answer(asked, "accepted", f"{_shown(view)}{_intake(found)}", now)


def rejected(asked: Asked, refusal: Rejected, view: View, now: datetime) -> bytes:
    """The answer to a command that was refused; the session shows only to its own account."""
    session = view.session
    owned = not isinstance(session, Unborn) and session.origin.account_id == asked.account_id
    why = f',"code":"{refusal.code}","message":{quoted(refusal.message)}'
    active = optional("active_session_id", refusal.active_session_id)
    return _answer(asked, "rejected", f"{why}{active}{_shown(view) if owned else ''}", now)


def no_knowledge(asked: Asked, now: datetime) -> bytes:
    """The answer to an intake for which the account knows nothing: no session came to be."""
    return _answer(asked, "aborted_no_kb", "", now)


def again(reply: bytes) -> bytes:
    """The first answer, marked as given to a duplicate.

    Nothing that a sender chose, but for canonical ids, stands before the mark.
    """
    return reply.replace(_FIRST, _AGAIN, 1)


def message(session_id: str, reply: bytes, trace: bytes = b"") -> Message:
    """The answer as a message, with the trace context of what it answers, packed."""
    return Message(topics.REPLIES, session_id.encode(), reply, JSON_HEADERS + trace)


def _answer(asked: Asked, outcome: str, told: str, now: datetime) -> bytes:
    """What every answer has, around what this one tells."""
    account = "" if asked.account_id is None else f',"account_id":"{asked.account_id}"'
    correlation = optional("correlation", asked.correlation)
    answer = (
        f'{{"command_id":"{asked.command_id}","session_id":"{asked.session_id}"{account},'
        f'"outcome":"{outcome}","duplicate":false{told}{correlation},'
        f'"recorded_at":"{rfc3339(now)}"}}'
    )
    return answer.encode()


def _intake(found: Sequence[Candidate]) -> str:
    picked = pick(tuple(found)) if found else None
    if picked is None:
        return ""
    runners_up = [_candidate(other) for other in found if other is not picked]
    return more({"intake": {"picked": _candidate(picked), "runners_up": runners_up}})


def _candidate(candidate: Candidate) -> dict[str, object]:
    return {
        "kind": str(candidate.kind),
        "id": candidate.id,
        "title": shortened(candidate.title),
        "score": round(candidate.score, 4),
    }


def _shown(view: View) -> str:
    session = view.session
    if isinstance(session, Unborn):
        return ""
    current = node = ""
    if view.node is not None:
        current = optional("current_node_id", view.node.id)
        node = f',"node":{_node(view.node)}'
    return (
        f',"version":{session.version},"session":'
        f'{{"status":"{status(session)!s}","kind":"{session.origin.kind!s}"{current}}}{node}'
    )


def _node(node: Node | BuiltNode) -> str:
    if isinstance(node, BuiltNode):
        return to_json(drawn(node)).decode()
    return _node_of_flow(node)


@lru_cache(maxsize=4_096)
def _node_of_flow(node: Node) -> str:
    """The node as a client draws it. Sessions stand at those of a few flows: the texts are kept."""
    return to_json(drawn(node)).decode()
