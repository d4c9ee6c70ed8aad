"""Records as senders write them, and messages as readers see them, without the program's help."""

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from domain.built_nodes import BuiltNode
from domain.commands import (
    Abandon,
    ClaimEscalation,
    CloseEscalation,
    Command,
    EndWithTicket,
    Escalate,
    EscalateWithoutWalk,
    HandBack,
    Intake,
    MoveTicket,
    NextNode,
    RecordStep,
    ReleaseEscalation,
    Renotify,
    Resolve,
    ServeNode,
    StartAdhoc,
    StartAiBuild,
    StartFlow,
    StartProposal,
    UpdateNotes,
)
from domain.decisions import Code

PREFIX = "model."
CHAT, PSA, INTERNAL = (
    PREFIX + name for name in ("commands.chat", "commands.psa", "commands.internal")
)
PARTITIONS = 2
TYPES = {
    StartFlow: "start_flow",
    StartProposal: "start_proposal",
    StartAdhoc: "start_adhoc",
    StartAiBuild: "start_ai_build",
    RecordStep: "record_step",
    UpdateNotes: "update_notes",
    Resolve: "resolve",
    Escalate: "escalate",
    EscalateWithoutWalk: "escalate_without_walk",
    Abandon: "abandon",
    Intake: "intake",
    NextNode: "next_node",
    ClaimEscalation: "claim_escalation",
    ReleaseEscalation: "release_escalation",
    CloseEscalation: "close_escalation",
    HandBack: "hand_back",
    MoveTicket: "move_ticket",
    EndWithTicket: "end_with_ticket",
    Renotify: "renotify",
    ServeNode: "serve_node",
}


Place = tuple[str, int]
"""A partition: a topic's full name and a number."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A record in Kafka, and what its sender meant by it: None where nobody can read it.

    ``refused`` is the code of what is wrong with the record itself.
    """

    topic: str
    partition: int
    offset: int
    key: bytes
    value: bytes
    meant: Command | None
    refused: Code | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp: int = 0

    def __repr__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.offset}"

    @property
    def meaning(self) -> Command:
        """What was meant, where anybody can read it."""
        assert self.meant is not None
        return self.meant

    @property
    def place(self) -> Place:
        return (self.topic, self.partition)


def value_of(command: Command) -> bytes:
    """The command as a sender writes it."""
    found: dict[str, Any] = {"type": TYPES[type(command)]}
    for name in command.__dataclass_fields__:
        part = getattr(command, name)
        if name == "ticket":
            found |= {"ticket_id": part.id, "ticket_kind": part.kind}
        elif name == "node":
            found["node"] = drawn_node(part)
        elif name == "notes":
            found["notes"] = json.loads(part)
        elif part is not None or name == "helpful":
            found[name] = part
    return json.dumps(found, ensure_ascii=False).encode()


def drawn_node(node: BuiltNode) -> dict[str, Any]:
    """A generated node as a client draws it."""
    drawn: dict[str, Any] = {"id": node.id, "type": str(node.kind), "text": node.text}
    if node.choices:
        drawn["options"] = [{"id": one.id, "label": one.label} for one in node.choices]
    if node.reason_category is not None:
        drawn["reason_category"] = node.reason_category
    return drawn


@lru_cache(maxsize=10_000)
def gist(topic: str, value: bytes | None) -> object:
    """What of a message matters here; the topic is named without its prefix.

    Nobody may change what it returns: the same messages are looked at again and again.
    """
    if topic == "dead-letters":
        return value
    found = json.loads(value or b"null")
    match topic:
        case "replies":
            return {name: found[name] for name in _REPLY if name in found}
        case "session-events":
            return (found["type"], int(found["sequence"]), found["causationid"], found["time"])
        case "ticketing":
            return (int(found["sequence"]), found["data"]["action"], found["data"]["note"])
        case "engineer-notifications":
            data = found["data"]
            return (
                int(found["sequence"]),
                data["dedup_key"],
                [recipient["email"] for recipient in data["recipients"]],
                [step["node_id"] for step in data["summary"]["steps"]],
                data["summary"]["notes"],
            )
        case "node-requests":
            return [step["node_id"] for step in found["path"]]
        case "session-state":
            return (
                found["version"],
                found["status"],
                found["steps"],
                found.get("current_node_id"),
                found["ticket"]["id"],
                found.get("escalation"),
            )
        case _:
            msg = f"a message for {topic}"
            raise ValueError(msg)


_REPLY = (
    "command_id",
    "session_id",
    "account_id",
    "outcome",
    "duplicate",
    "code",
    "active_session_id",
    "version",
    "session",
    "node",
    "correlation",
    "recorded_at",
)
