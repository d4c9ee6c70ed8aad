"""Accounts as a whole: their categories, the trail of who changed what, and their end."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from domain.people import Actor
from storage.database import Transaction

_SESSIONS_AT_ONCE = 1_000
"""How many sessions a transaction deletes: who is to tell of one of them waits for that long."""


class NoAccount(Exception):
    """There is no such account."""

    def __init__(self, account_id: str) -> None:
        super().__init__(f"there is no account {account_id}")


async def lock(tx: Transaction, account_id: str) -> None:
    """Lock the account against whoever else would change it, where it is there."""
    await tx.execute("select from accounts where id = $1 for no key update", account_id)


async def categories(tx: Transaction, account_id: str) -> list[str]:
    """What the account's first line takes. Raises `NoAccount`."""
    rows = await tx.fetch("select categories from accounts where id = $1", account_id)
    if not rows:
        raise NoAccount(account_id)
    return list(rows[0]["categories"])


async def set_categories(tx: Transaction, account_id: str, names: Sequence[str]) -> None:
    """Replace the categories of an account that is locked."""
    await tx.execute(
        "update accounts set categories = $2::text[] where id = $1", account_id, list(names)
    )


async def add_audit(  # noqa: PLR0913, PLR0917 - who did what to which account, and when
    tx: Transaction,
    account_id: str,
    actor: Actor,
    action: str,
    details: Mapping[str, object],
    now: datetime,
) -> None:
    """Note who changed the account."""
    await tx.execute(
        """
        insert into account_audit (account_id, actor_id, actor_name, action, details, recorded_at)
        values ($1, $2, $3, $4, $5, $6)
        """,
        account_id,
        actor.id,
        actor.name,
        action,
        json.dumps(details),
        now,
    )


async def name(tx: Transaction, account_id: str) -> str:
    """What the account is called. Raises `NoAccount`."""
    rows = await tx.fetch("select name from accounts where id = $1", account_id)
    if not rows:
        raise NoAccount(account_id)
    return str(rows[0]["name"])


async def count(tx: Transaction, account_id: str) -> dict[str, int]:
    """How much the account has of what people know it by."""
    (row,) = await tx.fetch(
        """
        select
            (select count(*) from users where account_id = $1) as users,
            (select count(*) from flows where account_id = $1) as flows,
            (select count(*) from tickets where account_id = $1) as tickets,
            (select count(*) from sessions where account_id = $1) as sessions
        """,
        account_id,
    )
    return dict(row)


async def end(tx: Transaction, account_id: str) -> None:
    """Have the account be nobody's from this transaction's commit on. Raises `NoAccount`.

    Parked sessions are locked first and then the account, as batches do. Whoever started a session
    has committed by now, and whoever would start one waits, and finds no account.
    """
    parked = "from parked_sessions where account_id = $1"
    await tx.execute(f"select {parked} order by session_id for update", account_id)
    await lock_for_deletion(tx, account_id)
    # Nothing is to wait behind them any more: what is not there yet is forbidden.
    await tx.execute(f"delete {parked}", account_id)
    await tx.execute(
        "update accounts set ended_at = now() where id = $1 and ended_at is null", account_id
    )


async def lock_for_deletion(tx: Transaction, account_id: str) -> None:
    """Lock the account against others who would delete it, too. Raises `NoAccount`."""
    await tx.execute("set local statement_timeout = 0")
    if not await tx.fetch("select from accounts where id = $1 for update", account_id):
        raise NoAccount(account_id)


async def sessions(tx: Transaction, account_id: str) -> list[str]:
    """The ids of some of the sessions of an account that has ended, locked in order."""
    rows = await tx.fetch(
        """
        select id::text from sessions
        where id = any(array(select id from sessions where account_id = $1 limit $2))
        order by id for update
        """,
        account_id,
        _SESSIONS_AT_ONCE,
    )
    return [row[0] for row in rows]


async def delete_sessions(tx: Transaction, session_ids: Sequence[str]) -> None:
    """Delete sessions with their walks, notes and escalations, and what Kafka refused of them."""
    await tx.execute(
        "delete from outbox_set_aside where key = any($1::bytea[])",
        [one.encode() for one in session_ids],
    )
    await tx.execute("delete from sessions where id = any($1::uuid[])", list(session_ids))


async def delete(tx: Transaction, account_id: str) -> None:
    """Delete an account that has no sessions any more, with everything that names it.

    What refers to the account goes with it; the rest is kept by other keys and named here.
    """
    # What sweeps asked for is known by the commands that came of it.
    await tx.execute(
        """
        delete from sweeps
        where command_id in (select command_id from inbox where account_id = $1)
        """,
        account_id,
    )
    for table in ("inbox", "dead_letters", "parked_sessions"):
        await tx.execute(f"delete from {table} where account_id = $1", account_id)  # noqa: S608
    await tx.execute("delete from accounts where id = $1", account_id)
