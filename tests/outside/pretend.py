"""A world in memory that is as it should be, for tests that then break it."""

import json
import uuid
from collections import Counter
from collections.abc import Mapping

from .checker import World
from .commands import command
from .wire import COMMAND_TOPICS, Headers, Json, Record, partition_of

PARTITIONS = 3

_OUTCOMES = {"resolve": "resolved", "escalate": "escalated", "abandon": "abandoned"}
_EFFECTS = {
    "start_flow": "started",
    "record_step": "step_recorded",
    "update_notes": "notes_updated",
}
_MOVES = {
    "claim_escalation": "claimed",
    "release_escalation": "released",
    "close_escalation": "closed",
    "hand_back": "handed_back",
}
_STANDING = {"escalate": "open", "release_escalation": "open"} | {
    type_: _MOVES[type_] for type_ in _MOVES if type_ != "release_escalation"
}
_ACTIONS = {
    "resolve": "close",
    "escalate": "escalate",
    "abandon": "note",
    "close_escalation": "close",
    "hand_back": "note",
}
_TIME = "2026-01-01T00:00:00+00:00"


class Pretend:
    """What firstline would have written, had it been sent what `walk` sends."""

    def __init__(self) -> None:
        """Begin with nothing in Kafka and in Postgres."""
        self.records: list[Record] = []
        self.rows: dict[str, list[Json]] = {
            table: []
            for table in (
                "sessions",
                "walk_steps",
                "session_notes",
                "escalations",
                "inbox",
                "outbox",
                "positions",
            )
        }
        self._ends: Counter[tuple[str, int]] = Counter()

    def walk(self, *types: str, source: str = "chat") -> str:
        """Send one session's commands, apply them, and return the session's id."""
        session: Json = {"id": str(uuid.uuid4()), "version": 0, "steps": 0, "status": "active"}
        for type_ in types:
            self._apply(command(type_, session["id"]), session, source)
        self.rows["sessions"].append(session)
        return str(session["id"])

    def repeat(self, command_id: str) -> None:
        """Send a command again, and answer it as before."""
        sent = next(r for r in self.records if command_id.encode() in (r.value or b""))
        self._put(sent.topic, sent.key, sent.value)
        answer = next(
            r for r in self.records if r.topic == "replies" and command_id in r.json.values()
        )
        self._put("replies", answer.key, _text(answer.json | {"duplicate": True}))

    def babble(self, value: bytes | None) -> None:
        """Send what cannot be read, and set it aside."""
        sent = self._put("commands.chat", b"k", value)
        headers = {
            "fl_reason": "unreadable",
            "fl_topic": sent.topic,
            "fl_partition": str(sent.partition),
            "fl_offset": str(sent.offset),
            "fl_dead_letter_id": str(uuid.uuid4()),
        }
        self._put("dead-letters", b"k", value, headers)

    def world(self) -> World:
        """Return all of it, come to rest."""
        committed = {place: end for place, end in self._ends.items() if place[0] in COMMAND_TOPICS}
        positions: list[Json] = [
            {"topic": topic, "partition": partition, "next_offset": end}
            for (topic, partition), end in committed.items()
        ]
        rows = {table: [dict(row) for row in found] for table, found in self.rows.items()}
        return World(PARTITIONS, list(self.records), rows | {"positions": positions}, committed)

    def _apply(self, sent: Json, session: Json, source: str) -> None:
        type_, key = sent["type"], sent["session_id"].encode()
        self._put(f"commands.{source}", key, _text(sent))
        session["version"] += 1
        session.setdefault("account_id", sent["account_id"])
        session.setdefault("kind", "flow")
        session.setdefault("current_node_id", None)
        session.setdefault("ticket_kind", sent.get("ticket_kind"))
        session.setdefault("ticket_id", sent.get("ticket_id"))
        data: Json = {
            "account_id": session["account_id"],
            "session_id": session["id"],
            "session_kind": session["kind"],
            "source": source,
            "ticket": {"kind": session["ticket_kind"], "id": session["ticket_id"]},
        }
        if type_ == "record_step":
            session["steps"] += 1
            step = {
                "node_id": "n1",
                "question": "",
                "option_id": None,
                "answer": "Yes",
                "note": None,
            }
            self.rows["walk_steps"].append(
                {"session_id": session["id"], "position": session["steps"], **step}
            )
            data |= {"position": session["steps"], "node_id": "n1", "question": "", "answer": "Yes"}
        elif type_ == "update_notes":
            row = {"session_id": session["id"], "notes": sent["notes"]}
            self.rows["session_notes"].append(row)
            data |= {"notes": sent["notes"]}
        elif type_ == "hand_back":
            data |= {"new_session_id": sent["new_session_id"]}
        session["status"] = _OUTCOMES.get(type_, session["status"])
        if type_ in _STANDING:
            queue = [row for row in self.rows["escalations"] if row["session_id"] != session["id"]]
            row = {"session_id": session["id"], "status": _STANDING[type_]}
            self.rows["escalations"] = [*queue, row]
        self._publish(sent, session, data)
        self._put("replies", key, _text(_reply(sent, session)))
        self.rows["inbox"].append({"command_id": sent["command_id"]})
        if type_ == "hand_back":
            self._go_on(sent, session)

    def _go_on(self, sent: Json, session: Json) -> None:
        """Begin the session that goes on with one that was handed back."""
        more = {"id": sent["new_session_id"], "version": 1, "steps": 0, "status": "active"}
        following = session | more
        data: Json = {
            "account_id": session["account_id"],
            "session_id": following["id"],
            "session_kind": following["kind"],
            "source": "chat",
            "ticket": {"kind": session["ticket_kind"], "id": session["ticket_id"]},
            "previous_session_id": session["id"],
        }
        self._publish(sent | {"type": "start_flow"}, following, data)
        self.rows["sessions"].append(following)

    def _publish(self, sent: Json, session: Json, data: Json) -> None:
        type_, key = sent["type"], session["id"].encode()
        effect = _EFFECTS.get(type_) or _OUTCOMES.get(type_) or _MOVES[type_]
        of = "escalation" if type_ in _MOVES else "session"
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid4()),
            "type": f"firstline.{of}.{effect}.v1",
            "source": f"/firstline/accounts/{session['account_id']}",
            "subject": session["id"],
            "time": _TIME,
            "sequence": f"{session['version']:010}",
            "partitionkey": session["id"],
            "causationid": sent["command_id"],
        }
        told = {f"ce_{name}": str(value) for name, value in event.items()}
        self._put("session-events", key, _text(event | {"data": data}), told)
        if type_ in _ACTIONS:
            more = data | {"action": _ACTIONS[type_]}
            self._put("ticketing", key, _text(event | {"data": more}), told)
        if type_ == "escalate" or type_ in _MOVES:
            more = data | {"dedup_key": f"escalation/{session['id']}"}
            self._put("engineer-notifications", key, _text(event | {"data": more}), told)
        state = {
            name: session[name] for name in ("account_id", "status", "kind", "version", "steps")
        }
        state |= {"session_id": session["id"], "ticket": data["ticket"]}
        self._put("session-state", key, _text(state))

    def _put(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Mapping[str, str] | None = None,
    ) -> Record:
        partition = partition_of(key or b"", PARTITIONS)
        told: Headers = [(name, text.encode()) for name, text in (headers or {}).items()]
        offset = self._ends[topic, partition]
        self._ends[topic, partition] += 1
        record = Record(topic, partition, offset, key, value, tuple(told))
        self.records.append(record)
        return record


def _reply(sent: Json, session: Json) -> Json:
    return {
        "command_id": sent["command_id"],
        "session_id": session["id"],
        "outcome": "accepted",
        "duplicate": False,
        "version": session["version"],
    }


def _text(value: Json) -> bytes:
    return json.dumps(value).encode()
