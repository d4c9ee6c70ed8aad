"""Messages that wait for the relay, and the relay's own bookkeeping.

A row is a ready-made message. Rows of one session are in order, because their ids are drawn while
the session is locked. The relay takes them in intents: at most one is open a shard, so that only
that one can be in doubt after a crash.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from storage.database import Transaction


class Message(NamedTuple):
    """What goes to Kafka; ``topic`` is without the prefix. No value is a tombstone.

    ``headers`` are packed as `storage.headers` does it. Like a row, a tuple: there are three of
    them a command, and a frozen dataclass takes three times as long to make.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: bytes = b""


class Row(NamedTuple):
    """A message in the outbox."""

    id: int
    message: Message


@dataclass(frozen=True, slots=True)
class Intent:
    """What the relay is about to publish. ``number`` counts the shard's intents."""

    number: int
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class ShardState:
    """The relay's own record of a shard: the last settled number, and the open one, if any."""

    settled: int
    open: int | None


class MessageTooLarge(Exception):
    """A message exceeds what the topics take. It is the fault of the record that caused it."""


async def stage(
    tx: Transaction, messages: Sequence[Message], most_bytes: int, shard: int = 0
) -> None:
    """Append messages, in order. Raises `MessageTooLarge`."""
    for message in messages:
        if size(message) > most_bytes:
            msg = f"a message for {message.topic} has {size(message)} bytes"
            raise MessageTooLarge(msg)
    await tx.copy(
        "outbox",
        ("shard", "topic", "key", "headers", "value"),
        [
            (shard, message.topic, message.key, message.headers, message.value)
            for message in messages
        ],
    )


async def state(tx: Transaction, shard: int) -> ShardState:
    """Lock the shard's permanent row, made where it is missing, and read it."""
    rows = await tx.fetch(
        "select number, settled from relay_shards where shard = $1 for no key update", shard
    )
    if not rows:
        insert = "insert into relay_shards (shard) values ($1) on conflict do nothing"
        await tx.execute(insert, shard)
        return await state(tx, shard)
    ((number, settled),) = rows
    return ShardState(settled, number if number > settled else None)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that an intent may hold; a single row may have more bytes."""

    rows: int = 2_000
    bytes: int = 4 * 1024 * 1024


async def take(
    tx: Transaction, shard: int, progress: int, bounds: Bounds, ahead: Sequence[Row] = ()
) -> Intent | None:
    """Open an intent over the next rows by id, or return None where nothing waits.

    Its number is past everything that Kafka has seen committed, ``progress``, so that a number
    can never be taken for settled before its rows went out. Raises `IntentOpen` where an intent
    is open: somebody else relays. ``ahead`` are the next rows where they were read already.
    """
    shard_state = await state(tx, shard)
    if shard_state.open is not None:
        raise IntentOpen(shard)
    # Where somebody else has relayed since, the rows may be gone.
    rows = ahead if shard_state.settled == progress else ()
    rows = rows or _within(await _next_rows(tx, shard, bounds.rows), bounds)
    if not rows:
        return None
    number = max(shard_state.settled, progress) + 1
    await tx.execute(
        "update relay_shards set number = $2, row_ids = $3::bigint[] where shard = $1",
        shard,
        number,
        [row.id for row in rows],
    )
    return Intent(number, rows)


async def open_intent(tx: Transaction, shard: int) -> Intent | None:
    """The intent that was left open, with those of its rows that still exist."""
    shard_state = await state(tx, shard)
    if shard_state.open is None:
        return None
    records = await tx.fetch(
        """
        select o.id, o.topic, o.key, o.headers, o.value
        from relay_shards s join outbox o on o.shard = s.shard and o.id = any(s.row_ids)
        where s.shard = $1 order by o.id
        """,
        shard,
    )
    return Intent(shard_state.open, [_row(record) for record in records])


async def forget_progress(tx: Transaction, shard: int, progress: int) -> None:
    """Count on from what Kafka knows, where no intent is open; an operator has said so."""
    await tx.execute(
        """
        update relay_shards set number = $2, settled = $2
        where shard = $1 and row_ids is null and settled > $2
        """,
        shard,
        progress,
    )


async def set_aside(tx: Transaction, shard: int, rows: Sequence[Row], why: str) -> None:
    """Move rows that Kafka refuses for their own sake out of the way of the others."""
    await tx.execute(
        """
        with gone as (
            delete from outbox where shard = $1 and id = any($2::bigint[])
            returning shard, id, topic, key, headers, value
        )
        insert into outbox_set_aside (shard, id, topic, key, headers, value, why)
        select gone.*, $3 from gone
        """,
        shard,
        [row.id for row in rows],
        why,
    )


async def settle(tx: Transaction, shard: int, number: int) -> None:
    """Delete the rows of the open intent and close it, where it is still this one."""
    rows = await tx.fetch(
        """
        update relay_shards s set settled = s.number, row_ids = null
        from (
            select shard, row_ids from relay_shards
            where shard = $1 and number = $2 and settled < $2
            for no key update
        ) open
        where s.shard = open.shard
        returning open.row_ids
        """,
        shard,
        number,
    )
    for (row_ids,) in rows:
        await tx.execute("delete from outbox where shard = $1 and id = any($2)", shard, row_ids)


class IntentOpen(Exception):
    """An intent is open where none may be: another relay is at work on the shard."""

    def __init__(self, shard: int) -> None:
        super().__init__(f"an intent of shard {shard} is open already")


async def read_ahead(tx: Transaction, shard: int, intent: Intent, bounds: Bounds) -> Sequence[Row]:
    """The rows that come after those of the open intent; none where they would not fill the next.

    All of it in one statement: what is visible of a session then has everything before it visible,
    too. Rows below the intent's last are those that were committed late.
    """
    row_ids = [row.id for row in intent.rows]
    records = await tx.fetch(
        """
        select id, topic, key, headers, value from outbox o
        where shard = $1 and id < $2
            and not exists (select from unnest($3::bigint[]) as taken(id) where taken.id = o.id)
        union all
        (
            select id, topic, key, headers, value from outbox
            where shard = $1 and id > $2 order by id limit $4
        )
        """,
        shard,
        row_ids[-1],
        row_ids,
        bounds.rows,
    )
    rows = [_row(record) for record in sorted(records, key=_by_id)][: bounds.rows]
    within = _within(rows, bounds)
    return within if len(rows) == bounds.rows or len(within) < len(rows) else ()


async def _next_rows(tx: Transaction, shard: int, most_rows: int) -> list[Row]:
    records = await tx.fetch(
        "select id, topic, key, headers, value from outbox where shard = $1 order by id limit $2",
        shard,
        most_rows,
    )
    return [_row(record) for record in records]


def _within(rows: Sequence[Row], bounds: Bounds) -> Sequence[Row]:
    """As many of the first rows as fit, and at least one."""
    total = 0
    for index, row in enumerate(rows):
        total += size(row.message)
        if index and total > bounds.bytes:
            return rows[:index]
    return rows


def _by_id(record: Sequence[object]) -> int:
    row_id: int = record[0]  # type: ignore[assignment]
    return row_id


def size(message: Message) -> int:
    """Bytes of key, headers and value."""
    return len(message.key or b"") + len(message.value or b"") + len(message.headers)


def _row(record: Sequence[object]) -> Row:
    row_id, topic, key, headers, value = record
    return Row(row_id, Message(topic, key, value, headers))  # type: ignore[arg-type]
