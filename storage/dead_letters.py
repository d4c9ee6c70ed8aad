"""Records that could not be read or applied, kept as they came, and the sessions they park.

A poison command parks its session: later commands of that session queue behind it, in order of
``number``, until somebody replays or discards. Other sessions flow on.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from storage import tables
from storage.database import Transaction
from storage.headers import Headers, pack

AccountSession = tuple[str, str]


@dataclass(frozen=True, slots=True)
class ParkedCommand:
    """Which command a dead letter holds."""

    account_id: str
    session_id: str
    command_id: str


@dataclass(frozen=True, slots=True)
class DeadLetterRow:
    """A record as it came. ``detail`` has no text of the payload."""

    id: str
    reason: str
    detail: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    headers: Headers
    value: bytes | None
    command: ParkedCommand | None = None


async def save(tx: Transaction, letters: Iterable[DeadLetterRow], now: datetime) -> None:
    """Keep dead letters, in order; a session named by one of them is parked from now on.

    Those that are kept already stay as they are: a log that was cut is read from its beginning.
    """
    letters = await _new(tx, list(letters))
    if not letters:
        return
    await tx.append(
        tables.dead_letters,
        (
            "id", "reason", "detail", "topic", "partition", "offset", "key", "headers", "value",
            "account_id", "session_id", "command_id", "recorded_at",
        ),
        [
            (
                letter.id, letter.reason, letter.detail, letter.topic, letter.partition,
                letter.offset, letter.key, pack(letter.headers), letter.value, *_command(letter),
                now,
            )
            for letter in letters
        ],
    )  # fmt: skip
    commands = [letter.command for letter in letters if letter.command is not None]
    await tx.execute(
        """
        insert into parked_sessions (account_id, session_id, parked_at)
        select distinct s.account_id, s.session_id, $3::timestamptz
        from unnest($1::uuid[], $2::uuid[]) as s(account_id, session_id)
        order by s.account_id, s.session_id
        -- Locks the row that is there: a replay which is about to unpark the session goes first,
        -- or sees the new letter.
        on conflict (account_id, session_id)
            do update set parked_at = least(parked_sessions.parked_at, excluded.parked_at)
        """,
        [command.account_id for command in commands],
        [command.session_id for command in commands],
        now,
    )


async def _new(tx: Transaction, letters: Sequence[DeadLetterRow]) -> list[DeadLetterRow]:
    """Those of the letters that are not kept yet."""
    if not letters:
        return []
    rows = await tx.fetch(
        "select id::text from dead_letters where id = any($1::uuid[])",
        [letter.id for letter in letters],
    )
    kept = {letter_id for (letter_id,) in rows}
    return [letter for letter in letters if letter.id not in kept]


PARKED = """
    select p.account_id, p.session_id
    from (
        select * from unnest($1::uuid[], $2::uuid[]) as s(account_id, session_id)
        order by account_id, session_id
    ) s cross join lateral (
        select * from parked_sessions p
        where p.account_id = s.account_id and p.session_id = s.session_id
        for no key update
    ) p
"""
"""Those that are parked among the sessions of accounts that $1 and $2 name, locked."""


async def lock_parked(tx: Transaction, sessions: Collection[AccountSession]) -> set[AccountSession]:
    """Lock and return those of the sessions that are parked; replaying takes the same lock."""
    if not sessions:
        return set()
    rows = await tx.fetch(
        f"select account_id::text, session_id::text from ({PARKED}) parked",  # noqa: S608
        [account_id for account_id, _ in sessions],
        [session_id for _, session_id in sessions],
    )
    return {(account_id, session_id) for account_id, session_id in rows}


def _command(letter: DeadLetterRow) -> tuple[str | None, str | None, str | None]:
    if letter.command is None:
        return (None, None, None)
    return (letter.command.account_id, letter.command.session_id, letter.command.command_id)
