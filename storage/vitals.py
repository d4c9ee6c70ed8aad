"""How the database is, by questions that cost it next to nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Transaction

COUNTED = 100_000
"""How far rows are counted; beyond it, it is enough to know that there are that many."""

_STATEMENT, _LOCK = "2s", "200ms"


@dataclass(frozen=True, slots=True)
class Wait:
    """A connection that waits for a lock, and one that holds it or is before it in the queue.

    Connections say by their ``application_name`` who they are. No statement is told: it may hold
    what somebody wrote.
    """

    backend: int
    application: str
    seconds: float
    blocked_by: int
    blocking_application: str | None
    blocking_state: str | None
    blocking_seconds: float | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table's size: rows as Postgres estimates them, bytes with indexes."""

    name: str
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Vitals:
    """The database at a moment. ``first`` and ``last`` are ids of the outbox, None where empty."""

    outbox: int
    first: int | None
    last: int | None
    set_aside: int
    parked_sessions: int
    parked_commands: int
    tables: Sequence[Table]


async def vitals(tx: Transaction) -> Vitals:
    """Count what waits and what grows. Raises rather than wait for a table that is locked."""
    await tx.execute(f"set local statement_timeout = '{_STATEMENT}'")
    await tx.execute(f"set local lock_timeout = '{_LOCK}'")
    (counts,) = await tx.fetch(
        """
        select
            (select count(*) from (select from outbox limit $1) o) as outbox,
            (select min(id) from outbox where shard = 0) as first,
            (select max(id) from outbox where shard = 0) as last,
            (select count(*) from (select from outbox_set_aside limit $1) o) as set_aside,
            (select count(*) from (select from parked_sessions limit $1) p) as parked_sessions,
            (
                select count(*) from (
                    select from dead_letters
                    where status = 'open' and command_id is not null limit $1
                ) d
            ) as parked_commands
        """,
        COUNTED,
    )
    return Vitals(**counts, tables=await _tables(tx))


async def waits(tx: Transaction) -> list[Wait]:
    """Who waits for whom. Touches no table; of other roles' connections only the ids are seen."""
    await tx.execute(f"set local statement_timeout = '{_STATEMENT}'")
    rows = await tx.fetch(
        """
        select w.pid as backend, w.application_name as application,
            extract(epoch from clock_timestamp() - w.query_start)::float8 as seconds,
            h.pid as blocked_by, b.application_name as blocking_application,
            b.state as blocking_state,
            extract(epoch from clock_timestamp() - b.xact_start)::float8 as blocking_seconds
        from pg_stat_activity w
        cross join lateral unnest(pg_blocking_pids(w.pid)) as h(pid)
        left join pg_stat_activity b on b.pid = h.pid
        where w.datname = current_database() and w.wait_event_type = 'Lock'
        order by w.pid, h.pid
        """
    )
    return [Wait(**row) for row in rows]


async def _tables(tx: Transaction) -> list[Table]:
    """The tables that grow with use, as the statistics have them."""
    rows = await tx.fetch(
        """
        select s.relname::text as name, s.n_live_tup as rows,
            pg_total_relation_size(s.relid) as bytes
        from pg_stat_user_tables s
        where s.relid = any (
            select to_regclass(n.name) from unnest($1::text[]) as n(name)
        )
        """,
        [
            "audit_log",
            "dead_letters",
            "inbox",
            "outbox",
            "sessions",
            "ticket_events_heard",
            "walk_steps",
        ],
    )
    return [Table(**row) for row in rows]
