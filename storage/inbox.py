"""Which commands were answered, and how: what makes a command sent twice harmless.

Claiming is optimistic. Known ids are read first; new ones are written with their answers at the
end, and the primary key decides: where another transaction was first, ours fails as a whole and
runs again, now with that id known. Inserting the ids first and their answers later would write
every row twice.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from storage import tables
from storage.database import Transaction
from storage.dead_letters import PARKED, AccountSession


class Claim(NamedTuple):
    """A command id with the SHA-256 of its value, and its answer's JSON; parked without one."""

    command_id: str
    account_id: str
    session_id: str
    digest: bytes
    reply: bytes | None


_CLAIMS = "select command_id, account_id, session_id, digest, reply from inbox"
_TEXTS = "command_id::text, account_id::text, session_id::text, digest, reply"


async def known(tx: Transaction, command_ids: Sequence[str]) -> dict[str, Claim]:
    """The claims that exist among ``command_ids``."""
    rows = await tx.fetch(
        f"select {_TEXTS} from ({_CLAIMS} where command_id = any($1::uuid[])) claims",  # noqa: S608
        command_ids,
    )
    return {row[0]: Claim(*row) for row in rows}


async def known_and_parked(
    tx: Transaction, command_ids: Sequence[str], sessions: Collection[AccountSession]
) -> tuple[dict[str, Claim], set[AccountSession]]:
    """The claims that exist, and which sessions are parked: those are locked.

    Whoever held a lock before us may have answered commands meanwhile, or deleted their account:
    claims that seemed to have no answer are read once more, with the locks in hand.
    """
    if not command_ids:
        return {}, set()
    rows = await tx.fetch(
        f"""
        with parked as materialized ({PARKED})
        select {_TEXTS} from (
            select null::uuid as command_id, account_id, session_id,
                null::bytea as digest, null::bytea as reply
            from parked
            union all
            {_CLAIMS} where command_id = any($3::uuid[])
        ) claims
        """,  # noqa: S608 - our own texts
        [account_id for account_id, _ in sessions],
        [session_id for _, session_id in sessions],
        command_ids,
    )
    parked = {(row[1], row[2]) for row in rows if row[0] is None}
    claims = [Claim(*row) for row in rows if row[0] is not None]
    found = {claim.command_id: claim for claim in claims if claim.reply is not None}
    if unanswered := [claim.command_id for claim in claims if claim.reply is None]:
        found |= await known(tx, unanswered)
    return found, parked


async def save(tx: Transaction, claims: Iterable[Claim], now: datetime) -> None:
    """Write new claims. Fails with a unique violation where one exists by now."""
    await tx.append(
        tables.inbox,
        ("command_id", "account_id", "session_id", "digest", "reply", "recorded_at"),
        # In one order everywhere, so that two transactions with the same ids meet at the first.
        [(*claim, now) for claim in sorted(claims)],
    )


async def answer(tx: Transaction, claims: Iterable[Claim], now: datetime) -> None:
    """Give parked claims their answers. They are remembered from ``now`` on."""
    claims = sorted(claims)
    if not claims:
        return
    await tx.execute_later(
        tables.inbox,
        """
        update inbox i set reply = s.reply, recorded_at = $3
        from unnest($1::uuid[], $2::bytea[]) as s(command_id, reply)
        where i.command_id = s.command_id and i.reply is null
        """,
        [claim.command_id for claim in claims],
        [claim.reply for claim in claims],
        now,
    )
