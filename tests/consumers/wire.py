"""Commands as senders write them, and the records that they arrive in."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.builders import ACME, FLOW, PROPOSAL, TECH, an_id

Json = dict[str, Any]

CHAT_TOPIC = "t.commands.chat"
INTERNAL_TOPIC = "t.commands.internal"
TICKET_TOPIC = "t.ticket-events"

TICKET = "10045"
_ON_TICKET: Json = {"ticket_id": TICKET, "ticket_kind": "psa"}
REQUIRED: dict[str, Json] = {
    "start_flow": {**_ON_TICKET, "flow_id": FLOW},
    "start_proposal": {**_ON_TICKET, "flow_proposal_id": PROPOSAL},
    "start_adhoc": _ON_TICKET,
    "start_ai_build": {**_ON_TICKET, "problem_text": "No mail."},
    "record_step": {"node_id": "n1", "answer": "Yes"},
    "update_notes": {"notes": [{"text": "Called back."}]},
    "resolve": {"helpful": True, "resolution_notes": "Plugged it in."},
    "escalate": {"reason": "Beyond me.", "reason_category": "network"},
    "escalate_without_walk": {**_ON_TICKET, "reason_category": "network"},
    "abandon": {},
    "intake": {**_ON_TICKET, "problem_text": "No mail."},
    "next_node": {},
    "claim_escalation": {},
    "release_escalation": {},
    "close_escalation": {"resolution_notes": "New disk."},
    "hand_back": {"instructions": "Ask for the number.", "new_session_id": an_id(0x32)},
}
"""The fields of each type's own that have to be there."""

QUESTION: Json = {
    "id": an_id(0x61),
    "type": "question",
    "text": "Is it on?",
    "options": [{"id": "1", "label": "Yes"}, {"id": "2", "label": "No"}],
}
INTERNAL: dict[str, Json] = {
    "move_ticket": _ON_TICKET,
    "end_with_ticket": {**_ON_TICKET, "reason": "ticket_closed"},
    "renotify": {"step": 1},
    "serve_node": {"request_id": an_id(0x51), "node": QUESTION},
}
"""The same for the types that the internal topic alone carries."""

OPTIONAL: dict[str, Json] = {
    "start_ai_build": {"category": "email"},
    "record_step": {"option_id": "y", "question": "Does it ring?", "note": "It does."},
    "escalate_without_walk": {"reason": "Beyond me."},
    "abandon": {"reason": "They hung up."},
    "intake": {"category": "email", "flow_id": FLOW, "adhoc": True},
}
"""The fields of each type's own that may be there."""

COMMON_OPTIONAL: Json = {
    "occurred_at": "2026-03-01T12:00:00+01:00",
    "expected_version": 3,
    "correlation": "chat-7",
}


class Absent:
    """A field that is left out."""

    def __repr__(self) -> str:
        return "absent"


ABSENT = Absent()


@dataclass(frozen=True, slots=True)
class ARecord:
    """A record as the consumer gives it."""

    value: bytes | None
    key: bytes | None = None
    topic: str = CHAT_TOPIC
    partition: int = 0
    offset: int = 0
    timestamp: int = 0
    headers: Sequence[tuple[str, bytes | None]] = ()


def new_id() -> str:
    """An id that nobody has used."""
    return str(uuid.uuid4())


def command(kind: str = "start_adhoc", /, **fields: object) -> Json:
    """A command that is right in every respect but for ``fields``."""
    made: Json = {
        "type": kind,
        "command_id": an_id(0x41),
        "session_id": an_id(0x31),
        "account_id": ACME,
        "actor_id": TECH,
        **(REQUIRED | INTERNAL).get(kind, {}),
        **fields,
    }
    return {name: value for name, value in made.items() if value is not ABSENT}


def said(action: str, minute: int | None = None, **fields: object) -> Json:
    """What Acme's PSA says of the ticket."""
    ticket: Json = {"kind": "psa", "id": TICKET}
    if minute is not None:
        ticket["updated_at"] = f"2026-03-01T12:{minute:02}:00Z"
    event = {"event_id": new_id(), "account_id": ACME, "provider": "connectwise", "action": action}
    told = {name: fields.pop(name) for name in ("id", "title", "kind") if name in fields}
    return event | fields | {"ticket": ticket | told}


def encode(content: object) -> bytes:
    """Compact JSON with nothing escaped that need not be."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def with_field(made: Json, name: str, raw: str) -> bytes:
    """The command with one more field, whose value is JSON text as it stands."""
    return encode(made)[:-1] + f',"{name}":{raw}}}'.encode()
