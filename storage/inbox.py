"""Which commands were answered, and how: what makes a command sent twice harmless.

Claiming is optimistic. Known ids are read first; new ones are written with their answers at the
end, and the primary key decides: where another transaction was first, ours fails as a whole and
runs again, now with that id known. Inserting the ids first and their answers later would write
every row twice.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from storage.database import Transaction


class Claim(NamedTuple):
    """A command id with the SHA-256 of its value, and its answer's JSON; parked without one."""

    command_id: str
    account_id: str
    session_id: str
    digest: bytes
    reply: bytes | None


async def known(tx: Transaction, command_ids: Sequence[str]) -> dict[str, Claim]:
    """The claims that exist among ``command_ids``."""
    rows = await tx.fetch(
        """
        select command_id::text, account_id::text, session_id::text, digest, reply
        from inbox where command_id = any($1::uuid[])
        """,
        command_ids,
    )
    return {row["command_id"]: Claim(*row) for row in rows}


async def save(tx: Transaction, claims: Iterable[Claim], now: datetime) -> None:
    """Write new claims. Fails with a unique violation where one exists by now."""
    await tx.append(
        "inbox",
        ("command_id", "account_id", "session_id", "digest", "reply", "recorded_at"),
        # In one order everywhere, so that two transactions with the same ids meet at the first.
        [(*claim, now) for claim in sorted(claims)],
    )


async def answer(tx: Transaction, claims: Iterable[Claim], now: datetime) -> None:
    """Give parked claims their answers. They are remembered from ``now`` on."""
    claims = sorted(claims)
    if not claims:
        return
    await tx.execute(
        """
        update inbox i set reply = s.reply, recorded_at = $3
        from unnest($1::uuid[], $2::bytea[]) as s(command_id, reply)
        where i.command_id = s.command_id and i.reply is null
        """,
        [claim.command_id for claim in claims],
        [claim.reply for claim in claims],
        now,
    )
