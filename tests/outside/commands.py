"""Commands as a chat or PSA integration writes them, made from what a test cares about."""

import json
import uuid

from .people import ACME, ENGINEER, FLOW, PROPOSAL, TECH
from .wire import Json

QUESTION: Json = {
    "id": "g1",
    "type": "question",
    "text": "Does it open?",
    "options": [{"id": "y", "label": "Yes"}, {"id": "n", "label": "No"}],
}
_REQUIRED: dict[str, Json] = {
    "start_flow": {"ticket_kind": "psa", "flow_id": FLOW},
    "start_proposal": {"ticket_kind": "psa", "flow_proposal_id": PROPOSAL},
    "start_adhoc": {"ticket_kind": "psa"},
    "start_ai_build": {"ticket_kind": "psa", "problem_text": "The mail client hangs."},
    "record_step": {"node_id": "n1", "answer": "Yes", "option_id": "y"},
    "update_notes": {"notes": [{"text": "Called back."}]},
    "resolve": {"helpful": True, "resolution_notes": "Restarted the client."},
    "escalate": {"reason": "Nothing helped.", "reason_category": "beyond_scope"},
    "escalate_without_walk": {"ticket_kind": "psa", "reason_category": "beyond_scope"},
    "abandon": {},
    "intake": {"ticket_kind": "psa", "problem_text": "The mail client hangs."},
    "next_node": {},
    "serve_node": {"node": QUESTION},
    "claim_escalation": {"actor_id": ENGINEER},
    "release_escalation": {"actor_id": ENGINEER},
    "close_escalation": {"actor_id": ENGINEER, "resolution_notes": "Replaced the disk."},
    "hand_back": {"actor_id": ENGINEER, "instructions": "Try the other port."},
}

STARTS = ("start_flow", "start_proposal", "start_adhoc", "start_ai_build")
EVERY_START = (*STARTS, "escalate_without_walk", "intake")
ON_SESSIONS = ("record_step", "update_notes", "resolve", "escalate", "abandon")
ON_ESCALATIONS = ("claim_escalation", "release_escalation", "close_escalation", "hand_back")


class Absent:
    """A field that is to be left out."""


ABSENT = Absent()


def new_id() -> str:
    """Return an id that nobody has used."""
    return str(uuid.uuid4())


def a_ticket() -> str:
    """Return the id of a PSA ticket that nobody has worked on."""
    return f"T-{uuid.uuid4()}"


def command(type_: str, session_id: str | None = None, **fields: object) -> Json:
    """Return a command that is right in every respect but those that `fields` change.

    A field given as `ABSENT` is left out. Without a `session_id`, and for a start without a
    `ticket_id`, new ones are made.
    """
    made: Json = {
        "type": type_,
        "command_id": new_id(),
        "session_id": session_id or new_id(),
        "account_id": ACME,
        "actor_id": TECH,
    }
    required = _REQUIRED.get(type_, {})
    if "ticket_kind" in required:
        made["ticket_id"] = a_ticket()
    if type_ == "hand_back":
        made["new_session_id"] = new_id()
    made |= required | fields
    return {name: value for name, value in made.items() if value is not ABSENT}


def script(session_id: str, *commands: tuple[str, Json]) -> list[Json]:
    """Return the commands of one session, in order."""
    return [command(type_, session_id, **fields) for type_, fields in commands]


def encode(made: Json) -> bytes:
    """Return a command as compact JSON in which nothing is escaped that need not be."""
    return json.dumps(made, ensure_ascii=False, separators=(",", ":")).encode()
