"""Dead letters as operators work on them: found, shown, locked in order, settled, written up.

What waits for a session is locked through the row that parks it: see
`storage.dead_letters.lock_parked`.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage import tables
from storage.database import Transaction
from storage.dead_letters import AccountSession
from storage.headers import Headers, unpack

Row = dict[str, Any]

MOST_COMMANDS = 500
"""How many commands of a session one transaction takes: about as long as a worker's batch."""

MOST_BYTES = 8 * 1024 * 1024
"""How many bytes of values and headers one transaction takes, if it is several commands."""


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which dead letters to find; None is any. ``open`` are those that nobody has settled."""

    reason: str | None = None
    account_id: str | None = None
    session_id: str | None = None
    topic: str | None = None
    since: datetime | None = None
    open: bool = True


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A dead letter. ``value`` is as it came, ``edited`` is what a replay applies in its place.

    ``packed`` are its headers as they came, packed.
    """

    number: int
    id: str
    reason: str
    detail: str
    status: str
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    account_id: str | None
    session_id: str | None
    command_id: str | None
    recorded_at: datetime
    packed: bytes
    edited: bytes | None

    @property
    def queue(self) -> AccountSession | None:
        """The parked session that it waits in; None for what is no command."""
        if self.account_id is None or self.session_id is None:
            return None
        return (self.account_id, self.session_id)

    @property
    def headers(self) -> Headers:
        """Its headers as they came."""
        return unpack(self.packed)


@dataclass(frozen=True, slots=True)
class Seen:
    """A letter with what waits behind it, and what was done about it."""

    letter: KeptLetter
    behind: list[Row]
    acts: list[Row]


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did to a dead letter: ``edited``, ``replayed``, ``failed``, ``discarded``."""

    letter: int
    act: str
    actor: str
    because: str
    detail: str | None = None
    value: bytes | None = None


_KEPT = """
    select d.number, d.id::text, d.reason, d.detail, d.status, d.topic, d.partition, d."offset",
        d.key, d.value, d.account_id::text, d.session_id::text, d.command_id::text, d.recorded_at,
        d.headers,
        (select a.value from dead_letter_acts a
         where a.letter = d.number and a.act = 'edited' order by a.id desc limit 1) as edited
    from dead_letters d
"""


def _first(whose: str) -> str:
    """The first commands that wait, one at least, as far as they are $1 with $2 bytes at most."""
    return f"""
        {_KEPT}
        where d.status = 'open' and d.number = any(array(
            select number from (
                select number, row_number() over before as place,
                    sum(coalesce(octet_length(value), 0) + octet_length(headers))
                        over before as bytes
                from dead_letters
                where status = 'open' and command_id is not null and {whose}
                window before as (order by number)
            ) waiting
            where place = 1 or (place <= $1 and bytes <= $2)
        ))
        order by d.number
    """  # noqa: S608 - of our own words


_MATCHING = """
    ($1::text is null or d.reason = $1)
    and ($2::uuid is null or d.account_id = $2)
    and ($3::uuid is null or d.session_id = $3)
    -- with or without the prefix
    and ($4::text is null or right(d.topic, length($4)) = $4)
    and ($5::timestamptz is null or d.recorded_at >= $5)
    and (not $6::boolean or d.status = 'open')
"""


async def find(tx: Transaction, wanted: LetterFilter, most: int) -> list[Row]:
    """The newest letters, newest first, with how many wait behind each, and the last act."""
    rows = await tx.fetch(
        f"""
        select d.id::text, d.reason, d.status, d.detail, d.topic, d.partition, d."offset",
            octet_length(d.value) as bytes, d.account_id::text, d.session_id::text,
            d.command_id::text, d.recorded_at, behind.count as behind,
            a.act as last_act, a.actor as last_actor, a.because as last_because,
            a.acted_at as last_acted_at
        from dead_letters d
        cross join lateral (
            select count(*) from dead_letters b
            where d.status = 'open' and d.command_id is not null
                and b.status = 'open' and b.command_id is not null
                and b.account_id = d.account_id and b.session_id = d.session_id
                and b.number > d.number
        ) behind
        left join lateral (
            select act, actor, because, acted_at from dead_letter_acts
            where letter = d.number order by id desc limit 1
        ) a on true
        where {_MATCHING}
        order by d.number desc limit $7
        """,  # noqa: S608 - of our own words
        *_arguments(wanted),
        most,
    )
    return [dict(row) for row in rows]


async def find_ids(tx: Transaction, wanted: LetterFilter) -> list[str]:
    """The letters to replay, oldest first: of each parked session one, and others by themselves."""
    rows = await tx.fetch(
        f"""
        select (array_agg(d.id::text order by d.number))[1]
        from dead_letters d
        where {_MATCHING}
        group by d.account_id, d.session_id, case when d.command_id is null then d.number end
        order by min(d.number)
        """,  # noqa: S608 - of our own words
        *_arguments(wanted),
    )
    return [letter_id for (letter_id,) in rows]


async def letter(tx: Transaction, letter_id: str) -> KeptLetter | None:
    """One letter, None where there is none."""
    rows = await tx.fetch(f"{_KEPT} where d.id = $1", letter_id)
    return KeptLetter(*rows[0]) if rows else None


async def see(tx: Transaction, letter_id: str) -> Seen | None:
    """One letter with all that belongs to it, None where there is none."""
    found = await letter(tx, letter_id)
    if found is None:
        return None
    return Seen(
        found,
        await _behind(tx, found),
        await _acts(tx, found.number),
    )


async def before(tx: Transaction, letter: KeptLetter) -> list[tuple[str, str]]:
    """What waits before a letter, in order: letter and command, by their ids."""
    rows = await tx.fetch(
        """
        select id::text, command_id::text from dead_letters
        where status = 'open' and command_id is not null
            and account_id = $1 and session_id = $2 and number < $3
        order by number
        """,
        letter.account_id,
        letter.session_id,
        letter.number,
    )
    return [(letter_id, command_id) for letter_id, command_id in rows]


async def lock_letter(tx: Transaction, number: int) -> None:
    """Keep others from working on the letter; what it is now is read in a later statement."""
    await tx.execute("select from dead_letters where number = $1 for no key update", number)


async def first_in_queue(tx: Transaction, queue: AccountSession) -> list[KeptLetter]:
    """What waits for a session, in order: as much as one transaction takes."""
    of_queue = _first("account_id = $3 and session_id = $4")
    rows = await tx.fetch(of_queue, MOST_COMMANDS, MOST_BYTES, *queue)
    return [KeptLetter(*row) for row in rows]


async def first_of_account(tx: Transaction, account_id: str) -> list[KeptLetter]:
    """What waits for sessions of an account, locked, in order: as much as a transaction takes."""
    of_account = f"{_first('account_id = $3')} for no key update of d"
    rows = await tx.fetch(of_account, MOST_COMMANDS, MOST_BYTES, account_id)
    return [KeptLetter(*row) for row in rows]


async def count_of_account(tx: Transaction, account_id: str) -> int:
    """How many commands wait for sessions of an account."""
    return await _count(tx, "account_id = $1", account_id)


async def _count(tx: Transaction, whose: str, *ids: str) -> int:
    """How many commands wait."""
    waiting = f"""
        select count(*) from dead_letters
        where status = 'open' and command_id is not null and {whose}
    """  # noqa: S608 - of our own words
    ((count,),) = await tx.fetch(waiting, *ids)
    return int(count)


async def settle(tx: Transaction, numbers: Sequence[int], status: str) -> None:
    """Take letters off their queue: ``replayed`` or ``discarded``."""
    await tx.execute(
        "update dead_letters set status = $2 where number = any($1::bigint[])", numbers, status
    )


async def fail(tx: Transaction, number: int, detail: str) -> None:
    """Mark a command that failed in a replay as poison: those queued behind it go on waiting."""
    await tx.execute(
        """
        update dead_letters set reason = 'poison', detail = $2
        where number = $1 and command_id is not null
        """,
        number,
        detail,
    )


async def unpark(tx: Transaction, queue: AccountSession) -> int:
    """Let the session's commands through again where nothing waits; return how many wait.

    The row that parks it has to be locked.
    """
    waiting = await _count(tx, "account_id = $1 and session_id = $2", *queue)
    if not waiting:
        await tx.execute(
            "delete from parked_sessions where account_id = $1 and session_id = $2", *queue
        )
    return waiting


async def write_up(tx: Transaction, acts: Collection[Act], now: datetime) -> None:
    """Note who did what, and why."""
    await tx.append(
        tables.dead_letter_acts,
        ("letter", "act", "actor", "because", "detail", "value", "acted_at"),
        [(act.letter, act.act, act.actor, act.because, act.detail, act.value, now) for act in acts],
    )


async def poisoned(tx: Transaction) -> tuple[int, datetime | None]:
    """How many commands became poison in the minute up to the newest one, and when that was.

    Those that an operator has settled do not count.
    """
    rows = await tx.fetch(
        """
        select count(*), max(recorded_at) from dead_letters
        where reason = 'poison' and status = 'open' and recorded_at > (
            select max(recorded_at) - interval '1 minute' from dead_letters
            where reason = 'poison' and status = 'open'
        )
        """
    )
    return rows[0][0], rows[0][1]


async def _behind(tx: Transaction, letter: KeptLetter) -> list[Row]:
    """What waits behind a letter, in order."""
    rows = await tx.fetch(
        """
        select id::text, reason, topic, partition, "offset", command_id::text, recorded_at
        from dead_letters
        where status = 'open' and command_id is not null
            and account_id = $1 and session_id = $2 and number > $3
        order by number
        """,
        letter.account_id,
        letter.session_id,
        letter.number,
    )
    return [dict(row) for row in rows]


async def _acts(tx: Transaction, number: int) -> list[Row]:
    """What was done about a letter, in order."""
    rows = await tx.fetch(
        """
        select act, actor, because, detail, acted_at, value
        from dead_letter_acts where letter = $1 order by id
        """,
        number,
    )
    return [dict(row) for row in rows]


def _arguments(wanted: LetterFilter) -> tuple[object, ...]:
    return (
        wanted.reason,
        wanted.account_id,
        wanted.session_id,
        wanted.topic,
        wanted.since,
        wanted.open,
    )
