"""What is kept for a time only, and deleting it when that is over, a slice at a time.

A slice is one short transaction. The oldest go first, found by an index, so that a slice costs the
same however large the table. Who finds another at work on a table leaves it to that one.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from storage.database import Transaction
from storage.lease import lock_key


@dataclass(frozen=True, slots=True)
class Retention:
    """How long each kind of row is kept; None keeps it for good.

    ``commands`` is how long a command id, an event's id or a sweep's question is remembered, and
    exceeds the time for which Kafka may deliver them again.
    """

    commands: timedelta | None = None
    walks: timedelta | None = None
    audit: timedelta | None = None
    dead_letters: timedelta | None = None


def stores(kept: Retention) -> Iterator[tuple[str, timedelta]]:
    """What is deleted by age, by name, and how long it is kept."""
    for name, time in (
        ("inbox", kept.commands),
        ("ticket_events_heard", kept.commands),
        ("sweeps", kept.commands),
        ("dead_letters", kept.dead_letters),
        ("walks", kept.walks),
        ("audit_log", kept.audit),
        ("account_audit", kept.audit),
    ):
        if time is not None:
            yield name, time


async def forbidden(tx: Transaction) -> set[str]:
    """The stores from which this role may not delete."""
    rows = await tx.fetch(
        """
        select s.store from unnest($1::text[], $2::text[]) as s(store, deleted_from)
        where not has_table_privilege(s.deleted_from, 'delete')
        """,
        [store for store, tables in _TABLES.items() for _ in tables],
        [table for tables in _TABLES.values() for table in tables],
    )
    return {store for (store,) in rows}


async def now(tx: Transaction, clock: datetime) -> datetime:
    """The time to count from: the database's, or that of ``clock`` where it is earlier.

    A machine whose clock jumps ahead would forget at once what is to be kept for days.
    """
    ((theirs,),) = await tx.fetch("select now()")
    earlier: datetime = min(theirs, clock)
    return earlier


async def prune(tx: Transaction, store: str, before: datetime, most: int) -> int | None:
    """Delete at most so much of what is older; return how much that was.

    None where another transaction is at it.
    """
    ((mine,),) = await tx.fetch("select pg_try_advisory_xact_lock($1)", lock_key(f"prune {store}"))
    if not mine:
        return None
    ((count,),) = await tx.fetch(_SLICES[store], before, most)
    return int(count)


_TABLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "inbox": ("inbox",),
        "ticket_events_heard": ("ticket_events_heard",),
        "sweeps": ("sweeps",),
        "dead_letters": ("dead_letters",),
        "walks": ("walk_steps", "session_notes"),
        "audit_log": ("audit_log",),
        "account_audit": ("account_audit",),
    }
)


def _counted(delete: str) -> str:
    """The statement, returning how many rows it deleted."""
    return f"with gone as ({delete} returning 1) select count(*) from gone"  # noqa: S608 - ours


def _first_by_id(table: str) -> str:
    return _counted(
        f"""
        delete from {table}
        where recorded_at < $1 and id = any(array(
            select id from {table} where recorded_at <= now() order by id limit $2
        ))
        """  # noqa: S608 - a table's name, from below
    )


# By ctid: with the key, a planner that knows too little reads all of the table to join the slice.
_SLICES: Mapping[str, str] = MappingProxyType(
    {
        # Without an answer, a command is parked: it is remembered until it has one.
        "inbox": _counted(
            """
            delete from inbox where ctid = any(array(
                select ctid from inbox where recorded_at < $1 and reply is not null
                order by recorded_at limit $2
            ))
            """
        ),
        "ticket_events_heard": _counted(
            """
            delete from ticket_events_heard where ctid = any(array(
                select ctid from ticket_events_heard where recorded_at < $1
                order by recorded_at limit $2
            ))
            """
        ),
        # What is due to this day is asked for once more, under the same command id.
        "sweeps": _counted(
            """
            delete from sweeps where ctid = any(array(
                select ctid from sweeps where swept_at < $1 order by swept_at limit $2
            ))
            """
        ),
        # Neither what waits, nor what something may still wait behind.
        "dead_letters": _counted(
            """
            delete from dead_letters where ctid = any(array(
                select d.ctid from dead_letters d
                where d.recorded_at < $1 and (d.status <> 'open' or d.command_id is null)
                    and not exists (
                        select from parked_sessions p
                        where p.account_id = d.account_id and p.session_id = d.session_id
                    )
                order by d.recorded_at limit $2
            ))
            """
        ),
        # Steps and notes of sessions over for so long, and their escalations, too: an engineer
        # is shown the walk until then. The sessions stay, with the number of their steps. A walk
        # has up to 500 steps, hence fewer of them. One that a batch holds waits for another time.
        "walks": """
            with due as (
                select s.id from sessions s
                where s.ended_at < $1 and s.walk_pruned_at is null
                    and not exists (
                        select from escalations e
                        where e.session_id = s.id
                            and (e.status in ('open', 'claimed') or e.ended_at >= $1)
                    )
                order by s.ended_at limit greatest($2 / 10, 1)
                for no key update of s skip locked
            ),
            steps as (
                delete from walk_steps where session_id = any(array(select id from due))
            ),
            notes as (
                delete from session_notes where session_id = any(array(select id from due))
            ),
            pruned as (
                update sessions set walk_pruned_at = now()
                where id = any(array(select id from due))
                returning 1
            )
            select count(*) from pruned
        """,
        # Ids are drawn in the order of time, nearly: the first by id are the oldest. Those of a
        # clock that was ahead are passed over.
        "audit_log": _first_by_id("audit_log"),
        "account_audit": _first_by_id("account_audit"),
    }
)
