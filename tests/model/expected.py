"""What records must come to: the world, and what the program has to remember and to say of it.

It takes records one at a time, in the order in which they are applied, and knows of no
transaction and no batch: whatever the program does about those, it must come to the same.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from itertools import takewhile
from typing import Any

from domain.built_nodes import OUT_OF_NODES
from domain.commands import Command
from domain.decisions import Accepted, Code, NoKnowledge, Rejected
from domain.events import (
    EscalationClaimed,
    EscalationClosed,
    EscalationEvent,
    EscalationReleased,
    Event,
    HandedBack,
    NodeRequested,
    NodeServed,
    NotesUpdated,
    Renotified,
    SessionAbandoned,
    SessionEscalated,
    SessionResolved,
    SessionStarted,
    StepRecorded,
    TicketChanged,
)
from domain.flows import EscalateEnd, Node, Question
from domain.people import SYSTEM
from domain.sessions import Active, Escalated, Unborn, status
from domain.tickets import TICKET_ENDED
from tests.builders import ACME, MAIL
from tests.model.poison import RAISES, UNSTORABLE, UNSTORABLE_FIELDS
from tests.model.wire import Sent, drawn_node
from tests.model.world import Happened, World, walked

RECIPIENTS = {
    (ACME, "network"): ["erin@acme.example"],
    (ACME, "fire"): ["oncall@acme.example"],
}
_TYPES: dict[type[Event], str] = {
    SessionStarted: "session.started",
    StepRecorded: "session.step_recorded",
    NotesUpdated: "session.notes_updated",
    NodeRequested: "session.node_requested",
    NodeServed: "session.node_served",
    SessionResolved: "session.resolved",
    SessionEscalated: "session.escalated",
    SessionAbandoned: "session.abandoned",
    TicketChanged: "session.ticket_changed",
    EscalationClaimed: "escalation.claimed",
    EscalationReleased: "escalation.released",
    EscalationClosed: "escalation.closed",
    HandedBack: "escalation.handed_back",
    Renotified: "escalation.renotified",
}

Queue = tuple[str, bytes]
"""A topic without its prefix and a key: what has an order."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A command that was answered, or parked where there is no answer yet."""

    account_id: str
    session_id: str
    digest: bytes
    reply: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that was kept, why, and what became of it."""

    sent: Sent
    reason: str
    status: str = "open"

    @property
    def queue(self) -> tuple[str, str] | None:
        """The parked session that it waits for, where it waits for any."""
        command = self.sent.meant
        if command is None or self.status != "open":
            return None
        return (command.account_id, command.session_id)


@dataclass(slots=True)
class Expected:
    """Everything that must be true of the database and of what comes out of it.

    ``acts`` are what operators did about letters.
    """

    world: World = field(default_factory=World)
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    inbox: dict[str, Remembered] = field(default_factory=dict)
    parked: set[tuple[str, str]] = field(default_factory=set)
    letters: list[Letter] = field(default_factory=list)
    acts: list[tuple[Sent, str]] = field(default_factory=list)
    messages: dict[Queue, list[object]] = field(default_factory=dict)

    def copy(self) -> "Expected":
        """The same, to go its own way from here."""
        return Expected(
            self.world.copy(),
            dict(self.positions),
            dict(self.inbox),
            set(self.parked),
            list(self.letters),
            list(self.acts),
            {queue: list(said) for queue, said in self.messages.items()},
        )

    def receive(self, sent: Sent, now: datetime) -> None:
        """Take a record, which counts once however often it comes."""
        place = (sent.topic, sent.partition)
        if sent.offset < self.positions.get(place, 0):
            return
        self.positions[place] = sent.offset + 1
        command = sent.meant
        if command is None:
            self._keep(sent, "unreadable")
        elif sent.refused is not None:
            self._refuse(command, Rejected(sent.refused, ""), now)
        else:
            self._answer(sent, command, now)

    def replay(self, place: int, now: datetime, *, mended: bool) -> bool:
        """Apply what waits for a letter's session, in order; return whether that may be done."""
        queue = self._waiting(place)
        if queue:
            self._work_off(queue, now, mended=mended)
            self._unpark(queue)
        return bool(queue)

    def discard(self, place: int, now: datetime, *, mended: bool) -> bool:
        """Give a letter up, and let through what waits behind it; return whether that may be."""
        letter, queue = self.letters[place], self._waiting(place)
        command = letter.sent.meant
        before = [self.letters[one].sent.meaning for one in queue if one < place]
        if letter.status != "open" or (command and _id(command) in map(_id, before)):
            return False
        if command is not None:
            known = self.inbox[command.command_id]
            self._reply_late(command, known, Rejected(Code.DISCARDED, ""), now)
        self._settle(place, "discarded")
        if queue and not before:
            behind = takewhile(lambda one: self.letters[one].reason != "poison", queue[1:])
            self._work_off(list(behind), now, mended=mended)
        self._unpark(queue)
        return True

    def _waiting(self, place: int) -> list[int]:
        """Where the letters are that wait for the same session, in order."""
        queue = self.letters[place].queue
        return [
            number
            for number, letter in enumerate(self.letters)
            if queue is not None and letter.queue == queue
        ]

    def _work_off(self, places: Sequence[int], now: datetime, *, mended: bool) -> None:
        for place in places:
            command = self.letters[place].sent.meaning
            known = self.inbox[command.command_id]
            if known.reply is None and not mended and self.is_poison(command, now):
                self.letters[place] = replace(self.letters[place], reason="poison")
                self.acts.append((self.letters[place].sent, "failed"))
                return
            self._reply_late(command, known, None, now)
            self._settle(place, "replayed")

    def _reply_late(
        self, command: Command, known: Remembered, refusal: Rejected | None, now: datetime
    ) -> None:
        """Answer what waited; what was answered meanwhile is told again."""
        if known.reply is not None:
            self._say("replies", known.session_id, known.reply | {"duplicate": True})
            return
        reply = self._refuse(command, refusal, now) if refusal else self._apply(command, now)
        self.inbox[command.command_id] = replace(known, reply=reply)

    def _settle(self, place: int, status: str) -> None:
        self.letters[place] = replace(self.letters[place], status=status)
        self.acts.append((self.letters[place].sent, status))

    def _unpark(self, queue: Sequence[int]) -> None:
        """Let the session's commands through again where nothing waits any more."""
        if queue and all(self.letters[place].status != "open" for place in queue):
            command = self.letters[queue[0]].sent.meaning
            self.parked.remove((command.account_id, command.session_id))

    def _answer(self, sent: Sent, command: Command, now: datetime) -> None:
        known = self.inbox.get(command.command_id)
        digest = sha256(sent.value).digest()
        if known is not None and known.digest != digest:
            self._refuse(command, Rejected(Code.COMMAND_ID_REUSED, ""), now)
            return
        if known is not None and known.reply is not None:
            self._say("replies", known.session_id, known.reply | {"duplicate": True})
            return
        behind = (command.account_id, command.session_id)
        reply = None
        if known is not None or behind in self.parked:
            self._keep(sent, "parked")
        elif self.is_poison(command, now):
            self._keep(sent, "poison")
        else:
            reply = self._apply(command, now)
        if reply is None:
            self.parked.add(behind)
        self.inbox[command.command_id] = Remembered(*behind, digest, reply)

    def is_poison(self, command: Command, now: datetime) -> bool:
        """Whether the command cannot be applied, seeing that it has to be decided."""
        if command.correlation == RAISES:
            return True
        if command.correlation != UNSTORABLE:
            return False
        decision = self.world.decide(command, now)
        if not isinstance(decision, Accepted) or not decision.events:
            return False
        return type(decision.events[0]) in UNSTORABLE_FIELDS

    def _apply(self, command: Command, now: datetime) -> dict[str, Any]:
        decision, happened = self.world.apply(command, now)
        for one in happened:
            self._tell(one, command)
        if isinstance(decision, Rejected):
            return self._refuse(command, decision, now)
        if isinstance(decision, NoKnowledge):
            reply = _echo(command, now) | {"outcome": "aborted_no_kb"}
        else:
            reply = _echo(command, now) | {"outcome": "accepted"} | self._view(command)
        self._say("replies", command.session_id, reply)
        return reply

    def _refuse(self, command: Command, rejected: Rejected, now: datetime) -> dict[str, Any]:
        reply = _echo(command, now) | {"outcome": "rejected", "code": rejected.code}
        if rejected.active_session_id is not None:
            reply["active_session_id"] = rejected.active_session_id
        reply |= self._view(command)
        self._say("replies", command.session_id, reply)
        return reply

    def _view(self, command: Command) -> dict[str, Any]:
        """The session as a reply shows it to its own account, and to nobody else."""
        session = self.world.session(command.session_id)
        if isinstance(session, Unborn) or session.origin.account_id != command.account_id:
            return {}
        shown: dict[str, str] = {"status": status(session), "kind": session.origin.kind}
        view: dict[str, Any] = {"version": session.version, "session": shown}
        if not isinstance(session, Active):
            return view
        node = MAIL.nodes.get(session.current_node_id or "")
        if walked(session) is not None and node is not None:
            view["node"] = _drawn(node)
        built = [one for one in session.nodes if one.id == session.current_node_id]
        if built and session.current_node_id not in session.walked:
            view["node"] = drawn_node(built[0])
        elif session.current_node_id == OUT_OF_NODES.id:
            view["node"] = drawn_node(OUT_OF_NODES)
        if "node" in view:
            shown["current_node_id"] = view["node"]["id"]
        return view

    def _tell(self, one: Happened, command: Command) -> None:
        session_id, version = one.session.origin.session_id, one.session.version
        name = f"firstline.{_TYPES[type(one.event)]}.v1"
        at = _text(one.event.at)
        self._say("session-events", session_id, (name, version, command.command_id, at))
        nodes = [step.node_id for step in one.walk]
        if (asked := _asked_of_ticketing(one)) is not None:
            self._say("ticketing", session_id, (version, *asked))
        if isinstance(one.event, (SessionEscalated, EscalationEvent)):
            assert isinstance(one.session, Escalated)
            who = RECIPIENTS.get((command.account_id, one.session.reason_category), [])
            notes = json.loads(one.notes or "[]")
            told = (version, f"firstline:{session_id}", who, nodes, notes)
            self._say("engineer-notifications", session_id, told)
        if isinstance(one.event, NodeRequested):
            self._say("node-requests", session_id, nodes)

    def _keep(self, sent: Sent, reason: str) -> None:
        self.letters.append(Letter(sent, reason))
        self.messages.setdefault(("dead-letters", sent.key), []).append(sent.value)

    def _say(self, topic: str, session_id: str, what: object) -> None:
        self.messages.setdefault((topic, session_id.encode()), []).append(what)


def _id(command: Command) -> str:
    return command.command_id


def _asked_of_ticketing(one: Happened) -> tuple[str, str] | None:
    """What the ticket system must do, and its note."""
    match one.event:
        case SessionResolved(resolution_notes=notes) | EscalationClosed(resolution_notes=notes):
            return "close", notes
        case SessionEscalated(reason=reason):
            return "escalate", reason or ""
        case SessionAbandoned(reason=reason) if one.actor != SYSTEM or reason not in TICKET_ENDED:
            return "note", reason or ""
        case HandedBack(instructions=instructions):
            return "note", instructions
        case _:
            return None


def _drawn(node: Node) -> dict[str, Any]:
    """A node of `MAIL` as a client draws it."""
    kinds = {"ResolveEnd": "resolve", "EscalateEnd": "escalate"}
    kind = type(node).__name__
    drawn: dict[str, Any] = {
        "id": node.id,
        "type": kinds.get(kind, kind.lower()),
        "text": node.text,
    }
    if isinstance(node, Question):
        drawn["options"] = [{"id": one.id, "label": one.label} for one in node.options]
    if isinstance(node, EscalateEnd):
        drawn["reason_category"] = node.reason_category
    return drawn


def _echo(command: Command, now: datetime) -> dict[str, Any]:
    """What every reply says of its command."""
    echoed: dict[str, Any] = {
        "command_id": command.command_id,
        "session_id": command.session_id,
        "account_id": command.account_id,
        "duplicate": False,
        "recorded_at": _text(now),
    }
    if command.correlation is not None:
        echoed["correlation"] = command.correlation
    return echoed


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z"
