"""The relay's bookkeeping: which messages of the outbox it is about to publish, and which are out.

The relay takes rows in intents: at most one is open a shard, so that only that one can be in doubt
after a crash.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise, starmap
from typing import NamedTuple

from asyncpg import Range
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.database import Transaction, connect_by_key
from storage.floor import Floor
from storage.outbox import Message, Row, size

# The first rows by id come from the index as they are; nothing is read in order to be sorted.
_FIRST_BY_ID = {"enable_bitmapscan": "off"}
# To delete the rows of one intent, and to read those of the next meanwhile.
_CONNECTIONS = 2


def connect_relay(database_url: str) -> AsyncEngine:
    """An engine for a relay: `storage.database.connect_by_key`."""
    return connect_by_key(database_url, pool_size=_CONNECTIONS, **_FIRST_BY_ID)


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


@dataclass(frozen=True, slots=True)
class Bounds:
    """The most that an intent may hold; a single row may have more bytes."""

    rows: int = 2_000
    bytes: int = 4 * 1024 * 1024


class TakenOver(Exception):
    """The shard does not stand as this relay left it: another one is at work."""

    def __init__(self, shard: int) -> None:
        super().__init__(f"another relay is at work on shard {shard}")


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


# The first rows by id above $2, one at least, as far as they are at most $3 and their bytes within
# $4. $2 is the last one that is taken; below it, only those that were committed late are left,
# whose ids are within $5. Bytes are counted by the server: two thousand large messages would fill
# our memory.
_NEXT = """
    select id, topic, key, headers, value
    from (
        select next.*, sum(size) over (order by id rows unbounded preceding) as bytes
        from (
            select *,
                coalesce(octet_length(key), 0) + octet_length(headers)
                + coalesce(octet_length(value), 0) as size
            from (
                select late.* from unnest($5::int8multirange) ids cross join lateral (
                    select id, topic, key, headers, value from outbox
                    where shard = $1 and id >= lower(ids) and id < upper(ids) order by id limit $3
                ) late
                union all
                (
                    select id, topic, key, headers, value from outbox
                    where shard = $1 and id > $2 order by id limit $3
                )
            ) waiting
            order by id limit $3
        ) next
    ) counted
    where bytes <= $4 or bytes = size
    order by id
"""


def _after(taken: Sequence[Intent], floor: Floor, bounds: Bounds) -> tuple[object, ...]:
    """What `_NEXT` is told from its second place on."""
    row_ids = sorted(row.id for intent in taken for row in intent.rows if row.id > floor.id)
    row_ids.insert(0, floor.id)
    return row_ids[-1], bounds.rows, bounds.bytes, list(starmap(Range, _gaps(row_ids)))


def _gaps(row_ids: Sequence[int]) -> list[tuple[int, int]]:
    """Where ids are left out between these, which are in order: from, and up to."""
    return [(one + 1, other) for one, other in pairwise(row_ids) if other - one > 1]


def _ranges(row_ids: Sequence[int]) -> list[Range]:
    """The ids, which are in order, as Postgres takes a set of them: what lies between gaps."""
    edges = [row_ids[0], *chain.from_iterable(_gaps(row_ids)), row_ids[-1] + 1]
    return list(map(Range, edges[::2], edges[1::2]))


# The lowest transaction that was open when the statement began.
_OLDEST = "pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_READ_AHEAD = f"select next.*, {_OLDEST} as oldest from ({_NEXT}) next order by id"  # noqa: S608


class Ahead(NamedTuple):
    """Rows that come after an open intent's, and the lowest transaction that was open before."""

    rows: Sequence[Row]
    oldest: int


async def read_ahead(
    tx: Transaction, shard: int, taken: Sequence[Intent], floor: Floor, bounds: Bounds
) -> Ahead | None:
    """What comes after the rows of intents; None where it would not fill the next.

    They are the one that is open, and the one before, whose rows may be there still. All rows in
    one statement: what is visible of a session then has everything before it visible, too. Rows
    below the last that was taken are those that were committed late.
    """
    records = await tx.fetch(_READ_AHEAD, shard, *_after(taken, floor, bounds))
    rows = [_row(record) for record in records]
    # Full by its bytes: one more row, which may be large, would not go in.
    if len(rows) < bounds.rows and sum(size(row.message) for row in rows) < bounds.bytes // 2:
        return None
    return Ahead(rows, records[0]["oldest"])


def _rows_of(row_ids: str, columns: str) -> str:
    """The rows of a shard whose ids are in this set.

    Each range by the index: what is sorted is not joined to all that waits.
    """
    return f"""
        select o.* from unnest({row_ids}) ids cross join lateral (
            select {columns} from outbox
            where shard = $1 and id >= lower(ids) and id < upper(ids) order by id
        ) o
    """  # noqa: S608 - our own texts


def _delete(row_ids: str) -> str:
    return f"delete from outbox where ctid = any(array({_rows_of(row_ids, 'ctid')}))"  # noqa: S608


def _taking(
    next_ids: str, place: int, *, before: str = "", columns: str = "", joined: str = ""
) -> str:
    """Settle the open intent, if there is one, and open one of the next rows: a set of ``ids``.

    That is done where the shard's row is as the relay left it: its number is in this place of the
    arguments, and after it whether an intent is open. Whoever else writes the row moves the number,
    so the statement cannot be older than what it builds on, even where it had to wait for the row.
    """
    return f"""
        with shard as materialized (
            select row_ids from relay_shards
            where shard = $1 and number = ${place} and (settled < number) = ${place + 1}
            for no key update
        ), {before} chosen as materialized ({next_ids}), opened as (
            update relay_shards r set
                settled = r.number,
                settled_ids = coalesce(r.row_ids, r.settled_ids),
                number = case when chosen.ids is null then r.number else r.number + 1 end,
                row_ids = chosen.ids
            from shard, chosen
            where r.shard = $1 and (settled < number or chosen.ids is not null)
        )
        select {columns} pg_current_xact_id()::text::bigint as transaction, {_OLDEST} as oldest
        from shard {joined}
    """  # noqa: S608 - our own texts


_TAKE_AHEAD = _taking("select $2::int8multirange as ids", 3)
# Without a backlog, the rows that were taken before are few, and go at once.
_TAKE_NEXT = _taking(
    "select range_agg(int8range(id, id + 1)) as ids from next",
    6,
    before=f"""
    next as materialized ({_NEXT}), gone as ({_delete("(select row_ids from shard)")}),
    """,  # noqa: S608 - our own texts
    columns="next.id, next.topic, next.key, next.headers, next.value,",
    joined="left join next on true order by next.id",
)


async def take(  # noqa: PLR0913, PLR0917 - where the relay stands, and how far it may go
    tx: Transaction,
    shard: int,
    progress: int,
    published: Intent | None,
    floor: Floor,
    bounds: Bounds,
    ahead: Ahead | None = None,
) -> tuple[Intent | None, Floor]:
    """Settle the intent that is open, ``published``, and open the next, whose number is the next.

    The next intent has the next rows by id, or is None where none wait. ``ahead`` are the next
    rows where they were read already: there is a backlog, and what was settled is left for
    `delete_settled`, which has to come before the next `take`. One statement does it all, whether
    alone or in a transaction; the floor that comes with it holds once that is committed.

    Raises `TakenOver` where the shard does not stand so: somebody else relays.
    """
    standing = (progress, published is not None)
    if ahead is None:
        after = _after([published] if published else [], floor, bounds)
        records = await tx.fetch(_TAKE_NEXT, shard, *after, *standing)
    else:
        row_ids = _ranges([row.id for row in ahead.rows])
        records = await tx.fetch(_TAKE_AHEAD, shard, row_ids, *standing)
    if not records:
        raise TakenOver(shard)
    *_, transaction, oldest = records[0]
    if ahead is None:
        rows: Sequence[Row] = [_row(record) for record in records if record["id"] is not None]
    else:
        # Who had ended before these were read is among them; whoever ended since need not be.
        rows, oldest = ahead
    floor = floor.risen(oldest, rows[0].id if rows else None).aimed(transaction)
    if not rows:
        return None, floor
    return Intent(progress + 1, rows), replace(floor, taken=rows[-1].id)


async def delete_settled(tx: Transaction, shard: int) -> None:
    """Delete the rows of the intent settled last, whoever settled it: they are out."""
    await tx.execute(_delete("(select settled_ids from relay_shards where shard = $1)"), shard)


_ITS_ROWS = "(select row_ids from relay_shards where shard = $1)"
_OPEN = f"{_rows_of(_ITS_ROWS, 'id, topic, key, headers, value')} order by id"


async def open_intent(tx: Transaction, shard: int) -> Intent | None:
    """The intent that was left open, with those of its rows that still exist."""
    shard_state = await state(tx, shard)
    if shard_state.open is None:
        return None
    records = await tx.fetch(_OPEN, shard)
    return Intent(shard_state.open, [_row(record) for record in records])


async def count_on(tx: Transaction, shard: int, progress: int) -> None:
    """Count intents on from what Kafka knows, where none is open.

    A number can then never be taken for settled before its rows went out.
    """
    await tx.execute(
        """
        update relay_shards set number = $2, settled = $2
        where shard = $1 and row_ids is null and settled <> $2
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
    """Close the open intent, where it is still this one, and delete its rows."""
    await tx.execute(
        """
        update relay_shards set settled = number, settled_ids = row_ids, row_ids = null
        where shard = $1 and number = $2 and settled < $2
        """,
        shard,
        number,
    )
    await delete_settled(tx, shard)


def _row(record: Sequence[object]) -> Row:
    row_id, topic, key, headers, value, *_ = record
    return Row(row_id, Message(topic, key, value, headers))  # type: ignore[arg-type]
