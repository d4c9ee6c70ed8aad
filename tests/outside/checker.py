"""What must hold in an installation that has come to rest, whatever was sent and whatever failed.

Pure functions over what somebody read: the records of Kafka, each partition in its order, and the
rows of Postgres. They share no code with the product. `check` returns one sentence a violation.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from .wire import (
    COMMAND_TOPICS,
    MAX_VALUE,
    TICKET_EVENTS,
    Json,
    Record,
    partition_of,
    read_command,
)

EVENT_TOPICS = ("session-events", "ticketing", "engineer-notifications")

# Rejections that come from the record alone: they leave the command id free.
CLAIM_NOTHING = frozenset({"invalid", "key_mismatch", "notes_too_large"})
_DECIDE_NOTHING = CLAIM_NOTHING | {"command_id_reused"}

# The events that follow from an accepted command; a list a possibility.
_EVENTS: Mapping[str, tuple[list[str], ...]] = {
    "start_flow": (["started"],),
    "start_proposal": (["started"],),
    "start_adhoc": (["started"],),
    "start_ai_build": (["started", "node_requested"],),
    "record_step": (["step_recorded"], ["step_recorded", "node_requested"]),
    "update_notes": (["notes_updated"],),
    "resolve": (["resolved"],),
    "escalate": (["escalated"],),
    "escalate_without_walk": (["started", "escalated"],),
    "abandon": (["abandoned"],),
    "intake": (["started"], ["started", "node_requested"]),
    "next_node": ([], ["node_requested"]),
    "serve_node": (["node_served"],),
    "claim_escalation": (["claimed"], []),
    "release_escalation": (["released"],),
    "close_escalation": (["closed"],),
    "hand_back": (["handed_back"],),
    "move_ticket": (["ticket_changed"], ["abandoned"], []),
    "end_with_ticket": (["abandoned"], []),
    "renotify": (["renotified"], []),
}
_ESCALATION = {
    "escalated": "open",
    "claimed": "claimed",
    "released": "open",
    "closed": "closed",
    "handed_back": "handed_back",
}
_TICKETING = {
    "resolved": "close",
    "closed": "close",
    "escalated": "escalate",
    "abandoned": "note",
    "handed_back": "note",
}
_NOTIFIED = {"escalated", "renotified", "claimed", "released", "closed", "handed_back"}
_CAUSED_BY_TICKET = {"ticket_closed", "ticket_deleted", "ticket_merged"}
Thing = TypeVar("Thing", bound=Hashable)
_STEP_FIELDS = ("node_id", "question", "option_id", "answer", "note")


@dataclass(frozen=True)
class World:
    """All that can be seen of an installation.

    `rows` has the tables sessions, walk_steps, session_notes, escalations, inbox, outbox and
    positions, ids as text and topics without prefix; `committed` has the offsets of the consumer
    group by topic and partition.
    """

    partitions: int
    records: Sequence[Record]
    rows: Mapping[str, Sequence[Json]]
    committed: Mapping[tuple[str, int], int] = field(default_factory=dict)

    @cached_property
    def by_topic(self) -> Mapping[str, list[Record]]:
        """The records of each topic, each partition in its order."""
        topics: dict[str, list[Record]] = defaultdict(list)
        for record in sorted(self.records, key=lambda record: record.place):
            topics[record.topic].append(record)
        return topics

    @cached_property
    def commands(self) -> list[tuple[Record, Json]]:
        """Every readable record of the command topics, with what it says."""
        return [
            (record, command)
            for topic in COMMAND_TOPICS
            for record in self.by_topic.get(topic, [])
            if (command := read_command(record.value)) is not None
        ]

    @cached_property
    def replies(self) -> Mapping[str, list[Json]]:
        """The replies by command id."""
        replies: dict[str, list[Json]] = defaultdict(list)
        for record in self.by_topic.get("replies", []):
            reply = record.json
            replies[reply["command_id"]].append(reply)
        return replies

    @cached_property
    def first_replies(self) -> Mapping[str, Json]:
        """The reply that decided each command id which somebody claimed."""
        first = {}
        for command_id, replies in self.replies.items():
            for reply in replies:
                if not reply["duplicate"] and reply.get("code") not in _DECIDE_NOTHING:
                    first[command_id] = reply
                    break
        return first

    @cached_property
    def sessions(self) -> Mapping[str, list[Json]]:
        """The events of each session in the order of its partition."""
        sessions: dict[str, list[Json]] = defaultdict(list)
        for event in self.messages("session-events"):
            sessions[event["subject"]].append(event)
        return sessions

    def messages(self, topic: str) -> list[Json]:
        """Return the values of a topic that holds no tombstones."""
        return [record.json for record in self.by_topic.get(topic, [])]


def check(world: World) -> list[str]:
    """Return a sentence for each thing that does not hold; an empty list is what one wants."""
    return [violation for rule in RULES for violation in rule(world)]


def each_command_is_answered_once(world: World) -> Iterator[str]:
    """Every readable record has one answer, which goes to the session that its body names."""
    asked = Counter((command["command_id"], command["session_id"]) for _, command in world.commands)
    answered = Counter(
        (reply["command_id"], reply["session_id"])
        for replies in world.replies.values()
        for reply in replies
    )
    for command_id, session_id in asked.keys() | answered.keys():
        key = command_id, session_id
        if asked[key] != answered[key]:
            yield (
                f"command {command_id} was sent {asked[key]} times for session {session_id} "
                f"and answered {answered[key]} times"
            )


def each_command_id_is_decided_once(world: World) -> Iterator[str]:
    """One reply of an id decides; the others repeat it, or say that the id is in use."""
    for command_id, replies in world.replies.items():
        first = world.first_replies.get(command_id)
        deciding = [
            reply
            for reply in replies
            if not reply["duplicate"] and reply.get("code") not in _DECIDE_NOTHING
        ]
        if len(deciding) > 1:
            yield f"command {command_id} was decided {len(deciding)} times"
        for reply in replies:
            if reply["duplicate"] and (first is None or reply | {"duplicate": False} != first):
                yield f"the repeated answer to command {command_id} is not its first answer"


def each_command_has_its_events_once(world: World) -> Iterator[str]:
    """An accepted command has its events, in its session, up to the version its reply names."""
    caused: dict[str, list[Json]] = defaultdict(list)
    for event in world.messages("session-events"):
        caused[event["causationid"]].append(event)
    types: dict[str, set[str]] = defaultdict(set)
    for _, command in world.commands:
        types[command["command_id"]].add(str(command.get("type")))
    for command_id in caused.keys() - world.first_replies.keys():
        yield f"{len(caused[command_id])} events come from command {command_id}, never decided"
    for command_id, reply in world.first_replies.items():
        events = [one for one in caused[command_id] if one["subject"] == reply["session_id"]]
        kinds = [_kind(event) for event in caused[command_id]]
        if reply["outcome"] != "accepted":
            if kinds:
                yield f"command {command_id} was {reply['outcome']} and has events {kinds}"
            continue
        known = types[command_id] & _EVENTS.keys()
        kinds = [_kind(event) for event in events]
        if known and not any(kinds in _EVENTS[type_] for type_ in known):
            yield f"command {command_id}, a {' or '.join(known)}, has events {kinds}"
        elif events and int(events[-1]["sequence"]) != reply["version"]:
            yield (
                f"command {command_id} was answered with version {reply['version']}, its events "
                f"end at {events[-1]['sequence']}"
            )


def only_what_is_handed_back_goes_on_elsewhere(world: World) -> Iterator[str]:
    """A command has events in its own session, and, handing back, begins one that is linked."""
    handed_back = {
        event["causationid"]: event
        for event in world.messages("session-events")
        if _kind(event) == "handed_back"
    }
    begun = set()
    for event in world.messages("session-events"):
        reply = world.first_replies.get(event["causationid"])
        if reply is None or event["subject"] == reply["session_id"]:
            continue
        back = handed_back.get(event["causationid"])
        if back is None or _kind(event) != "started":
            yield f"command {event['causationid']} has events in other sessions than its own"
        elif not _is_linked(event, back):
            yield f"session {event['subject']} is not linked to the one it goes on with"
        begun.add(event["causationid"])
    for command_id in handed_back.keys() - begun:
        yield f"what command {command_id} handed back goes on nowhere"


def no_reply_names_a_version_that_never_was(world: World) -> Iterator[str]:
    """A refusal too, where it names one, names a version that the session's events reach."""
    for replies in world.replies.values():
        for reply in replies:
            versions = len(world.sessions.get(reply["session_id"], ()))
            if not 0 <= reply.get("version", 0) <= versions:
                yield (
                    f"command {reply['command_id']} was answered with version {reply['version']}, "
                    f"and its session has {versions} events"
                )


def no_event_is_published_twice(world: World) -> Iterator[str]:
    """An event id appears once a topic."""
    for topic in EVENT_TOPICS:
        for event_id, times in Counter(e["id"] for e in world.messages(topic)).items():
            if times > 1:
                yield f"event {event_id} is {times} times on {topic}"
    requests = Counter(request["request_id"] for request in world.messages("node-requests"))
    for request_id, times in requests.items():
        if times > 1:
            yield f"request {request_id} is {times} times on node-requests"


def sequences_have_no_gap(world: World) -> Iterator[str]:
    """The events of a session are numbered 1, 2, 3 … as they lie in its partition."""
    for session_id, events in world.sessions.items():
        numbers = [event["sequence"] for event in events]
        expected = [f"{number:010}" for number in range(1, len(events) + 1)]
        if numbers != expected:
            pairs = zip(numbers, expected, strict=True)
            at = next(i for i, (number, right) in enumerate(pairs) if number != right)
            yield (
                f"session {session_id} has sequence {numbers[at]} where {expected[at]} belongs, "
                f"among {len(numbers)} events"
            )


def everything_lies_in_its_partition(world: World) -> Iterator[str]:
    """The key is the session, the partition is the key's, and both are what the body says."""
    session_field = {
        "replies": "session_id",
        "session-state": "session_id",
        "node-requests": "session_id",
        **dict.fromkeys(EVENT_TOPICS, "subject"),
    }
    for topic, name in session_field.items():
        for record in world.by_topic.get(topic, []):
            if record.key is None:
                yield f"the record at {record.place} has no key"
                continue
            partition = partition_of(record.key, world.partitions)
            if partition != record.partition:
                yield f"the record at {record.place} belongs in partition {partition}"
            if record.value is None:
                continue
            body = record.json
            if body[name] != record.key.decode():
                yield f"the record at {record.place} has a key that is not its session"
            if topic in EVENT_TOPICS and body["partitionkey"] != body["subject"]:
                yield f"the event at {record.place} has another partitionkey than its session"


def attributes_are_repeated_in_headers(world: World) -> Iterator[str]:
    """Every attribute of an event is a `ce_` header as well, and no other `ce_` header is there."""
    for topic in EVENT_TOPICS:
        for record in world.by_topic.get(topic, []):
            attributes = {f"ce_{k}": str(v) for k, v in record.json.items() if k != "data"}
            headers = {k: (v or b"").decode() for k, v in record.headers if k.startswith("ce_")}
            if headers != attributes:
                differing = sorted({name for name, _ in headers.items() ^ attributes.items()})
                yield f"the headers at {record.place} differ from the event in {differing}"


def rows_are_the_fold_of_the_events(world: World) -> Iterator[str]:
    """What Postgres says of a session is what its events say."""
    rows = {row["id"]: row for row in world.rows["sessions"]}
    for session_id in rows.keys() ^ world.sessions.keys():
        where = "a row and no event" if session_id in rows else "events and no row"
        yield f"session {session_id} has {where}"
    for session_id in rows.keys() & world.sessions.keys():
        folded, row = _fold(world.sessions[session_id]), rows[session_id]
        for name in (
            "account_id",
            "status",
            "kind",
            "version",
            "steps",
            "ticket_kind",
            "ticket_id",
        ):
            if row[name] != folded[name]:
                yield (
                    f"session {session_id} has {name} {row[name]!r} in its row "
                    f"and {folded[name]!r} by its events"
                )


def notes_and_escalations_are_those_of_the_events(world: World) -> Iterator[str]:
    """The latest notes of a session are kept, and each escalated session is an escalation."""
    told: dict[str, object] = {}
    escalated: dict[str, str] = {}
    for session_id, events in world.sessions.items():
        for event in events:
            kind = _kind(event)
            if kind == "notes_updated":
                told[session_id] = event["data"]["notes"]
            elif kind in _ESCALATION:
                escalated[session_id] = _ESCALATION[kind]
    kept = {row["session_id"]: row["notes"] for row in world.rows["session_notes"]}
    for session_id in told.keys() | kept.keys():
        if told.get(session_id, []) != kept.get(session_id, []):
            yield f"session {session_id} keeps other notes than its events end with"
    rows = Counter((row["session_id"], row["status"]) for row in world.rows["escalations"])
    yield from _differences("the escalation queue", Counter(escalated.items()), rows)


def steps_are_those_of_the_events(world: World) -> Iterator[str]:
    """Each recorded step is one row, at its position, with nothing lost and nothing added."""
    rows: dict[str, dict[int, Json]] = defaultdict(dict)
    for row in world.rows["walk_steps"]:
        if row["position"] in rows[row["session_id"]]:
            yield f"session {row['session_id']} has two steps at position {row['position']}"
        rows[row["session_id"]][row["position"]] = row
    for session_id in rows.keys() | world.sessions.keys():
        told = {
            event["data"]["position"]: event["data"]
            for event in world.sessions.get(session_id, [])
            if _kind(event) == "step_recorded"
        }
        kept = rows[session_id]
        for position in sorted(told.keys() ^ kept.keys()):
            where = "an event" if position in told else "a row"
            yield f"step {position} of session {session_id} is only {where}"
        for position in told.keys() & kept.keys():
            for name in _STEP_FIELDS:
                if told[position].get(name) != kept[position][name]:
                    where = f"step {position} of session {session_id}"
                    yield f"{where} differs from its event in {name}"
        if sorted(told) != list(range(min(told, default=0), min(told, default=0) + len(told))):
            yield f"session {session_id} has steps at positions {sorted(told)}"


def the_latest_state_is_the_fold(world: World) -> Iterator[str]:
    """`session-state` ends, for each session, with what its events and its row say."""
    latest: dict[str, Json] = {}
    for state in world.messages("session-state"):
        before = latest.get(state["session_id"])
        if before is not None and before["version"] > state["version"]:
            yield f"session-state goes back in version for session {state['session_id']}"
        latest[state["session_id"]] = state
    for session_id in latest.keys() ^ world.sessions.keys():
        yield f"session {session_id} is only one of: on session-state, on session-events"
    rows = {row["id"]: row for row in world.rows["sessions"]}
    for session_id in latest.keys() & world.sessions.keys():
        state, folded = latest[session_id], _fold(world.sessions[session_id])
        said = {
            **{name: state[name] for name in ("account_id", "status", "kind", "version", "steps")},
            "ticket_kind": state["ticket"]["kind"],
            "ticket_id": state["ticket"]["id"],
        }
        for name, value in said.items():
            if value != folded[name]:
                yield (
                    f"session {session_id} has {name} {value!r} on session-state "
                    f"and {folded[name]!r} by its events"
                )
        node = rows.get(session_id, {}).get("current_node_id")
        if node != state.get("current_node_id"):
            yield f"session {session_id} is at another node on session-state than in its row"


def consequences_follow_from_events(world: World) -> Iterator[str]:
    """Ticketing, notifications and node requests hold what the events imply, and no more."""
    events = world.messages("session-events")
    to_ticketing = Counter(
        (*_cause(event), _TICKETING[_kind(event)])
        for event in events
        if _kind(event) in _TICKETING and not _is_caused_by_its_ticket(event)
    )
    ticketing = Counter((*_cause(e), e["data"]["action"]) for e in world.messages("ticketing"))
    yield from _differences("ticketing", to_ticketing, ticketing)
    to_engineers = Counter(_cause(event) for event in events if _kind(event) in _NOTIFIED)
    notifications = world.messages("engineer-notifications")
    engineers = Counter(_cause(event) for event in notifications)
    yield from _differences("engineer-notifications", to_engineers, engineers)
    to_nodes = Counter(
        (event["subject"], event["id"]) for event in events if _kind(event) == "node_requested"
    )
    nodes = Counter((r["session_id"], r["request_id"]) for r in world.messages("node-requests"))
    yield from _differences("node-requests", to_nodes, nodes)
    keys = {(event["subject"], event["data"]["dedup_key"]) for event in notifications}
    for position, name in enumerate(("session", "dedup_key")):
        for value, times in Counter(pair[position] for pair in keys).items():
            if times > 1:
                yield f"the {name} {value} of a notification goes with {times} others"


def the_inbox_holds_what_was_decided(world: World) -> Iterator[str]:
    """Each id that a command claimed is remembered once, and no other is."""
    remembered = Counter(row["command_id"] for row in world.rows["inbox"])
    decided = Counter(world.first_replies.keys())
    yield from _differences("the inbox", decided, remembered)


def nothing_is_left_to_do(world: World) -> Iterator[str]:
    """All that was staged is out, all that was sent is applied, and no commit runs ahead."""
    if world.rows["outbox"]:
        yield f"{len(world.rows['outbox'])} messages are still in the outbox"
    next_offsets = {
        (row["topic"], row["partition"]): row["next_offset"] for row in world.rows["positions"]
    }
    ends: dict[tuple[str, int], int] = {}
    for topic in (*COMMAND_TOPICS, TICKET_EVENTS):
        for record in world.by_topic.get(topic, []):
            ends[topic, record.partition] = record.offset + 1
    for place, end in ends.items():
        if next_offsets.get(place, 0) < end:
            yield f"{place} is applied up to {next_offsets.get(place, 0)} of {end}"
    for place, offset in world.committed.items():
        if offset > next_offsets.get(place, 0):
            yield f"{place} is committed up to {offset}, applied to {next_offsets.get(place, 0)}"


def dead_letters_are_what_could_not_be_read(world: World) -> Iterator[str]:
    """Each record that is not readable is one dead letter, whole; no readable record is one."""
    letters: dict[tuple[str, int, int], list[Record]] = defaultdict(list)
    for letter in world.by_topic.get("dead-letters", []):
        topic = letter.header("fl_topic") or ""
        place = (
            topic[max(topic.find("commands."), 0) :],
            int(letter.header("fl_partition") or -1),
            int(letter.header("fl_offset") or -1),
        )
        letters[place].append(letter)
    readable = {record.place for record, _ in world.commands}
    originals = {r.place: r for topic in COMMAND_TOPICS for r in world.by_topic.get(topic, [])}
    for place in letters.keys() - originals.keys():
        if place[0].endswith(TICKET_EVENTS):
            continue  # what of them can be read, only their reader knows
        yield f"a dead letter is about {place}, where nothing lies"
    for place, original in originals.items():
        found = letters.get(place, [])
        if place in readable:
            if found:
                reasons = [letter.header("fl_reason") for letter in found]
                yield f"the record at {place} can be read and is a dead letter: {reasons}"
            continue
        if len(found) != 1:
            yield f"the record at {place} cannot be read and is {len(found)} dead letters"
            continue
        yield from _differences_of_letter(original, found[0])
    ids = Counter(r.header("fl_dead_letter_id") for r in world.by_topic.get("dead-letters", []))
    for letter_id, times in ids.items():
        if times > 1:
            yield f"{times} dead letters have the id {letter_id}"


RULES: tuple[Callable[[World], Iterator[str]], ...] = (
    each_command_is_answered_once,
    each_command_id_is_decided_once,
    each_command_has_its_events_once,
    only_what_is_handed_back_goes_on_elsewhere,
    no_reply_names_a_version_that_never_was,
    no_event_is_published_twice,
    sequences_have_no_gap,
    everything_lies_in_its_partition,
    attributes_are_repeated_in_headers,
    rows_are_the_fold_of_the_events,
    notes_and_escalations_are_those_of_the_events,
    steps_are_those_of_the_events,
    the_latest_state_is_the_fold,
    consequences_follow_from_events,
    the_inbox_holds_what_was_decided,
    nothing_is_left_to_do,
    dead_letters_are_what_could_not_be_read,
)


def _kind(event: Json) -> str:
    """Return `resolved` for `firstline.session.resolved.v1`."""
    return str(event["type"]).removesuffix(".v1").rpartition(".")[2]


def _cause(event: Json) -> tuple[str, str, str]:
    return event["subject"], event["sequence"], event["causationid"]


def _is_linked(started: Json, handed_back: Json) -> bool:
    """Say whether a session and the one that was handed back as it name each other."""
    return bool(
        started["data"].get("previous_session_id") == handed_back["subject"]
        and started["subject"] == handed_back["data"]["new_session_id"]
    )


def _is_caused_by_its_ticket(event: Json) -> bool:
    data = event["data"]
    return data["source"] == "internal" and data.get("reason") in _CAUSED_BY_TICKET


def _fold(events: Sequence[Json]) -> Json:
    """Return what a session is after its events."""
    first, last = events[0]["data"], events[-1]["data"]
    status = "active"
    for event in events:
        if _kind(event) in {"resolved", "escalated", "abandoned"}:
            status = _kind(event)
    return {
        "account_id": first["account_id"],
        "kind": first["session_kind"],
        "ticket_kind": last["ticket"]["kind"],
        "ticket_id": last["ticket"]["id"],
        "status": status,
        "version": len(events),
        "steps": sum(_kind(event) == "step_recorded" for event in events),
    }


def _differences(where: str, expected: Counter[Thing], found: Counter[Thing]) -> Iterator[str]:
    for thing in expected.keys() | found.keys():
        if expected[thing] != found[thing]:
            yield f"{where} has {found[thing]} of {thing}, and {expected[thing]} belong there"


def _differences_of_letter(original: Record, letter: Record) -> Iterator[str]:
    value = original.value
    if letter.key != original.key:
        yield f"the dead letter of {original.place} has another key"
    if value is not None and len(value) > MAX_VALUE:
        told = letter.header("fl_reason"), letter.header("fl_size"), letter.header("fl_sha256")
        expected = "too_large", str(len(value)), hashlib.sha256(value).hexdigest()
        if told != expected or letter.value is not None:
            yield f"the dead letter of {original.place} is {told}, not {expected} without a value"
    elif letter.header("fl_reason") != "unreadable" or letter.value != value:
        yield f"the dead letter of {original.place} is not the unreadable record it is about"
