"""The limit: the rows that a worker wrote, written again from memory, with nothing in between.

No Kafka, no validation, no decision, no lock, no read: COPY for what is inserted, one UPDATE for
the sessions that were there before, one transaction a batch of as many commands.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from benchmarks.installation import Installation

# In the order in which foreign keys want them. Rows are told apart by the moment of their batch.
_INSERTED = {
    "tickets": None,
    "sessions": "started_at",
    "walk_steps": "recorded_at",
    "escalations": "moved_at",
    "audit_log": "recorded_at",
    "inbox": "recorded_at",
    "outbox": None,
}
_DRAWN = {"audit_log": "id", "outbox": "id"}


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one transaction, by table, and the sessions that it changes."""

    inserted: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]]
    changed: Sequence[Sequence[Any]]


async def rows_of(installed: Installation) -> list[Rows]:
    """What a worker wrote, as it was written: the rows of each of its transactions."""
    async with installed.connected() as connection:
        moments = [
            moment
            for (moment,) in await connection.fetch(
                "select distinct recorded_at from inbox order by 1"
            )
        ]
        inserted: list[dict[str, tuple[Sequence[str], Sequence[Sequence[Any]]]]] = [
            {} for _ in moments
        ]
        for table, moment in _INSERTED.items():
            columns, records = await _read(connection, table)
            for place, batch in enumerate(_split(columns, records, moment, moments)):
                inserted[place][table] = (columns, batch)
        changed = await _changed(connection)
        return [
            Rows(tables, changed.get(moment, []))
            for tables, moment in zip(inserted, moments, strict=True)
        ]


async def commands_per_second(
    installed: Installation, batches: Sequence[Rows], commands: int
) -> float:
    """Write the rows to an installation's empty database, a transaction a batch."""
    async with installed.connected() as connection:
        began = time.perf_counter()
        for batch in batches:
            async with connection.transaction():
                await _write(connection, batch)
        return commands / (time.perf_counter() - began)


async def _write(connection: asyncpg.Connection, batch: Rows) -> None:
    for table, (columns, records) in batch.inserted.items():
        if records:
            await connection.copy_records_to_table(table, columns=columns, records=records)
    if not batch.changed:
        return
    await connection.execute(
        """
        update sessions s set
            version = c.version, steps = c.steps, last_activity_at = c.last_activity_at,
            current_node_id = c.current_node_id, status = c.status,
            ended_at = c.ended_at, helpful = c.helpful, resolution_notes = c.resolution_notes,
            reason = c.reason, reason_category = c.reason_category
        from unnest(
            $1::uuid[], $2::int[], $3::int[], $4::timestamptz[], $5::text[], $6::text[],
            $7::timestamptz[], $8::boolean[], $9::text[], $10::text[], $11::text[]
        ) as c(
            id, version, steps, last_activity_at, current_node_id, status, ended_at,
            helpful, resolution_notes, reason, reason_category
        )
        where s.id = c.id
        """,
        *zip(*batch.changed, strict=True),
    )


async def _read(
    connection: asyncpg.Connection, table: str
) -> tuple[Sequence[str], list[asyncpg.Record]]:
    drawn = _DRAWN.get(table)
    names = await connection.fetch(
        """
        select attname from pg_attribute
        where attrelid = $1::regclass and attnum > 0 and not attisdropped and attname <> $2
        order by attnum
        """,
        table,
        drawn or "",
    )
    columns = [name for (name,) in names]
    order = f"order by {drawn}" if drawn else ""
    return columns, await connection.fetch(f"select {', '.join(columns)} from {table} {order}")


def _split(
    columns: Sequence[str],
    records: Sequence[asyncpg.Record],
    moment: str | None,
    moments: Sequence[object],
) -> Iterable[Sequence[Sequence[Any]]]:
    """The records by batch: by their moment, or in even parts where they have none."""
    if moment is None:
        size = -(-len(records) // len(moments))
        return [
            [tuple(record) for record in records[place * size : (place + 1) * size]]
            for place in range(len(moments))
        ]
    where = columns.index(moment)
    batches: dict[object, list[Sequence[Any]]] = defaultdict(list)
    for record in records:
        batches[record[where]].append(tuple(record))
    return [batches[one] for one in moments]


async def _changed(connection: asyncpg.Connection) -> dict[object, list[Sequence[Any]]]:
    """The sessions that each batch changed, by its moment: as they were after it, or nearly so."""
    records = await connection.fetch(
        """
        with touched as (
            select distinct i.recorded_at, i.session_id from inbox i
        )
        select t.recorded_at, s.id, s.version, s.steps, s.last_activity_at, s.current_node_id,
            case when s.ended_at = t.recorded_at then s.status else 'active' end,
            case when s.ended_at = t.recorded_at then s.ended_at end,
            case when s.ended_at = t.recorded_at then s.helpful end,
            case when s.ended_at = t.recorded_at then s.resolution_notes end,
            case when s.ended_at = t.recorded_at then s.reason end,
            case when s.ended_at = t.recorded_at then s.reason_category end
        from touched t join sessions s on s.id = t.session_id and s.started_at < t.recorded_at
        order by t.recorded_at, s.id
        """
    )
    changed: dict[object, list[Sequence[Any]]] = defaultdict(list)
    for moment, *session in records:
        changed[moment].append(session)
    return changed
