"""Ways in which a world can go wrong; each takes one and returns it broken."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from .checker import World
from .wire import Json, Record

Break = Callable[[World], World]


def without_record(topic: str) -> Break:
    """Lose one record of a topic."""

    def without(records: Sequence[Record]) -> list[Record]:
        lost = _ordinary(records)
        return [record for record in records if record is not lost]

    return lambda world: _with_topic(world, topic, without)


def with_record_twice(topic: str) -> Break:
    """Repeat one record of a topic, at the end of its partition."""

    def twice(records: Sequence[Record]) -> list[Record]:
        one = _ordinary(records)
        last = max(r.offset for r in records if r.partition == one.partition)
        return [*records, replace(one, offset=last + 1)]

    return lambda world: _with_topic(world, topic, twice)


def with_two_swapped(world: World) -> World:
    """Exchange the places of two successive events of one session."""
    events = world.by_topic["session-events"]
    # Not every session has a second event.
    two = next(event for event in events if int(event.json["sequence"]) == 2)
    one = next(e for e in events if e.key == two.key and int(e.json["sequence"]) == 1)
    others = [event for event in events if event not in (one, two)]
    swapped = [replace(one, offset=two.offset), replace(two, offset=one.offset)]
    return _with_topic(world, "session-events", lambda _: [*others, *swapped])


def with_a_gap(world: World) -> World:
    """Lose an event that is neither the first nor the last of its session."""
    events = world.by_topic["session-events"]
    lost = next(
        event
        for event in events
        if int(event.json["sequence"]) > 1
        and any(e.key == event.key and e.json["sequence"] > event.json["sequence"] for e in events)
    )
    kept = [event for event in events if event != lost]
    return _with_topic(world, "session-events", lambda _: kept)


def in_wrong_partition(topic: str) -> Break:
    """Move one record to the next partition, at its end."""

    def moved(records: Sequence[Record]) -> list[Record]:
        partition = (records[0].partition + 1) % 3
        end = max((r.offset for r in records if r.partition == partition), default=-1) + 1
        return [replace(records[0], partition=partition, offset=end), *records[1:]]

    return lambda world: _with_topic(world, topic, moved)


def with_value(topic: str, change: Callable[[Json], Json]) -> Break:
    """Rewrite what one record says; among replies, one that decided and accepted."""

    def changed(records: Sequence[Record]) -> list[Record]:
        one = next(
            record
            for record in records
            if topic != "replies"
            or (record.json["outcome"] == "accepted" and not record.json["duplicate"])
        )
        value = json.dumps(change(one.json)).encode()
        return [replace(one, value=value), *(record for record in records if record is not one)]

    return lambda world: _with_topic(world, topic, changed)


def with_linked(change: Callable[[Json], Json]) -> Break:
    """Rewrite the data of the event with which a session goes on with another."""

    def changed(records: Sequence[Record]) -> list[Record]:
        one = next(filter(_goes_on, records))
        value = json.dumps(one.json | {"data": change(one.json["data"])}).encode()
        return [replace(one, value=value), *(record for record in records if record is not one)]

    return lambda world: _with_topic(world, "session-events", changed)


def _goes_on(record: Record) -> bool:
    return "previous_session_id" in record.json["data"]


def without_row(table: str) -> Break:
    """Lose one row of a table."""
    return lambda world: _with_rows(world, table, lambda rows: rows[1:])


def with_row(table: str, **columns: object) -> Break:
    """Rewrite columns of one row."""
    return lambda world: _with_rows(world, table, lambda rows: [rows[0] | columns, *rows[1:]])


def with_new_row(table: str, **columns: object) -> Break:
    """Add a row."""
    return lambda world: _with_rows(world, table, lambda rows: [*rows, columns])


def committed_too_far(world: World) -> World:
    """Commit an offset that was not applied yet."""
    place = next(iter(world.committed))
    [applied] = [
        row["next_offset"]
        for row in world.rows["positions"]
        if (row["topic"], row["partition"]) == place
    ]
    return replace(world, committed={**world.committed, place: applied + 1})


def _ordinary(records: Sequence[Record]) -> Record:
    """The first that is the only one of its topic that its command or record caused."""
    causes = [_cause(record) for record in records]
    count = Counter(causes)
    return next(record for record, cause in zip(records, causes, strict=True) if count[cause] == 1)


def _cause(record: Record) -> object:
    if record.topic == "dead-letters":
        return tuple(record.header(f"fl_{name}") for name in ("topic", "partition", "offset"))
    return record.json["command_id" if record.topic == "replies" else "causationid"]


def _with_topic(
    world: World, topic: str, change: Callable[[Sequence[Record]], Sequence[Record]]
) -> World:
    others = [record for record in world.records if record.topic != topic]
    return replace(world, records=[*others, *change(world.by_topic[topic])])


def _with_rows(
    world: World, table: str, change: Callable[[Sequence[Json]], Sequence[Json]]
) -> World:
    return replace(world, rows={**world.rows, table: change(world.rows[table])})


# What each break must at least be called; one that goes unnoticed makes the checker worthless.
BREAKS: dict[str, tuple[Break, str]] = {
    "a reply is missing": (without_record("replies"), "answered 0 times"),
    "a reply is doubled": (with_record_twice("replies"), "answered 2 times"),
    "a reply names another version": (
        with_value("replies", lambda reply: reply | {"version": 99}),
        "answered with version 99",
    ),
    "an event is missing": (without_record("session-events"), "has events []"),
    "an event is doubled": (with_record_twice("session-events"), "2 times on session-events"),
    "two events are swapped": (with_two_swapped, "has sequence 0000000002 where 0000000001"),
    "a sequence has a gap": (with_a_gap, "where"),
    "an event comes from nowhere": (
        with_value("session-events", lambda event: event | {"causationid": "nobody"}),
        "come from command nobody",
    ),
    "an event lies in another partition": (in_wrong_partition("session-events"), "belongs in"),
    "a reply lies in another partition": (in_wrong_partition("replies"), "belongs in"),
    "a header differs from its event": (
        with_value("session-events", lambda event: event | {"time": "2020-01-01T00:00:00Z"}),
        "differ from the event in ['ce_time']",
    ),
    "a session row is missing": (without_row("sessions"), "has events and no row"),
    "a session row has another status": (with_row("sessions", status="odd"), "status 'odd'"),
    "a session row has another version": (with_row("sessions", version=99), "version 99"),
    "a session row has another node": (with_row("sessions", current_node_id="odd"), "another node"),
    "a step row is missing": (without_row("walk_steps"), "is only an event"),
    "a step row has another answer": (
        with_row("walk_steps", answer="odd"),
        "differs from its event",
    ),
    "notes are missing": (without_row("session_notes"), "keeps other notes"),
    "an escalation is missing": (without_row("escalations"), "the escalation queue has 0"),
    "an escalation stands elsewhere": (
        with_row("escalations", status="odd"),
        "the escalation queue has 0",
    ),
    "a session does not name the one it goes on with": (
        with_linked(lambda data: data | {"previous_session_id": "nobody"}),
        "is not linked to the one it goes on with",
    ),
    "what was handed back goes on nowhere": (
        lambda world: _with_topic(
            world, "session-events", lambda r: [one for one in r if not _goes_on(one)]
        ),
        "handed back goes on nowhere",
    ),
    "a remembered id is missing": (without_row("inbox"), "the inbox has 0"),
    "a remembered id is nobody's": (with_new_row("inbox", command_id="nobody"), "the inbox has 1"),
    "a message stays in the outbox": (with_new_row("outbox", topic="replies"), "in the outbox"),
    "a position is behind": (
        lambda world: _with_rows(
            world, "positions", lambda rows: [r | {"next_offset": 0} for r in rows]
        ),
        "is applied up to 0",
    ),
    "a commit runs ahead": (committed_too_far, "is committed up to"),
    "a ticketing message is missing": (without_record("ticketing"), "ticketing has 0"),
    "a ticketing message is doubled": (with_record_twice("ticketing"), "2 times on ticketing"),
    "a notification is missing": (without_record("engineer-notifications"), "notifications has 0"),
    "a latest state is missing": (
        lambda world: _with_topic(
            world, "session-state", lambda r: [s for s in r if s.key != r[0].key]
        ),
        "on session-state, on session-events",
    ),
    "a dead letter is missing": (without_record("dead-letters"), "is 0 dead letters"),
    "a dead letter is doubled": (with_record_twice("dead-letters"), "is 2 dead letters"),
}

NEED_HAND_BACKS = frozenset(
    {"a session does not name the one it goes on with", "what was handed back goes on nowhere"}
)
"""What can only go wrong in a world where something was handed back."""
