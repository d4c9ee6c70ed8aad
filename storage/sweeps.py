"""What is due by itself: sessions that idle, escalations that nobody moves, or can move.

Policies are the accounts' own (``accounts.policy``): ``idle_hours`` by kind of session, 24 where
nothing is said; ``escalation``, steps with ``after_minutes`` since the last move; and
``silent_minutes``, after which a claimed escalation on which nothing happens is told of again.
A claim of somebody who is no engineer any more is due at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.database import Transaction

IDLE_HOURS = 24
"""How long a session may idle where its account says nothing."""

GENERATING_HOURS = 48
"""How long a session may wait for a node: an outage of what generates them ends before."""


@dataclass(frozen=True, slots=True)
class Due:
    """Something that is due at a session, at the version at which it became so."""

    account_id: str
    session_id: str
    version: int
    at: datetime
    step: int = 0


async def idle_sessions(
    tx: Transaction, now: datetime, most: int, past: Due | None = None
) -> list[Due]:
    """Active sessions without activity for too long, but for those whose node is being generated.

    A node asked for longer ago than ``GENERATING_HOURS`` will not come any more.
    The longest due first, and those only that come after ``past``.
    """
    return await _due(
        tx,
        """
        select s.account_id::text, s.id::text, s.version,
            s.last_activity_at + make_interval(hours => h.hours) as due
        from sessions s
        join accounts a on a.id = s.account_id and a.ended_at is null
        cross join lateral (
            select coalesce((a.policy->'idle_hours'->>s.kind)::int, $5) as hours
        ) h
        where s.status = 'active'
            -- asking for a node is activity: no request is newer than that
            and not (
                s.node_requested
                and s.last_activity_at > $1::timestamptz - make_interval(hours => $6::int)
            )
            and s.last_activity_at + make_interval(hours => h.hours) <= $1
            and (
                $3::timestamptz is null
                or (s.last_activity_at + make_interval(hours => h.hours), s.id) > ($3, $4::uuid)
            )
        order by due, s.id
        limit $2
        """,
        now,
        most,
        past,
        IDLE_HOURS,
        GENERATING_HOURS,
    )


async def silent_escalations(
    tx: Transaction, now: datetime, most: int, past: Due | None = None
) -> list[Due]:
    """Escalations whose next step is due: nobody claimed them, or who did is silent.

    The longest due first, and those only that come after ``past``.
    """
    return await _due(
        tx,
        """
        select e.account_id::text, e.session_id::text, s.version,
            e.moved_at + make_interval(mins => m.minutes) as due, e.notified + 1
        from escalations e
        join sessions s on s.id = e.session_id
        join accounts a on a.id = e.account_id and a.ended_at is null
        cross join lateral (
            select case e.status
                when 'open' then (a.policy->'escalation'->e.notified->>'after_minutes')::int
                else (a.policy->>'silent_minutes')::int
            end as minutes
        ) m
        where e.status in ('open', 'claimed')
            and e.moved_at + make_interval(mins => m.minutes) <= $1
            and (
                $3::timestamptz is null
                or (e.moved_at + make_interval(mins => m.minutes), e.session_id) > ($3, $4::uuid)
            )
        order by due, e.session_id
        limit $2
        """,
        now,
        most,
        past,
    )


async def lost_claims(
    tx: Transaction, now: datetime, most: int, past: Due | None = None
) -> list[Due]:
    """Escalations claimed by somebody who is deleted, or no engineer any more.

    Those that moved first come first, and those only that come after ``past``.
    """
    return await _due(
        tx,
        """
        select e.account_id::text, e.session_id::text, s.version, e.moved_at
        from escalations e
        join sessions s on s.id = e.session_id
        join accounts a on a.id = e.account_id and a.ended_at is null
        join users u on u.account_id = e.account_id and u.id = e.claimed_by
        where e.status = 'claimed'
            and e.moved_at <= $1
            and (u.deleted_at is not null or u.role <> 'engineer')
            and ($3::timestamptz is null or (e.moved_at, e.session_id) > ($3, $4::uuid))
        order by e.moved_at, e.session_id
        limit $2
        """,
        now,
        most,
        past,
    )


async def _due(
    tx: Transaction, sql: str, now: datetime, most: int, past: Due | None, *more: object
) -> list[Due]:
    """What a question finds that is told the time, the most, after what, and ``more``."""
    after = (past and past.at, past and past.session_id)
    return [Due(*row) for row in await tx.fetch(sql, now, most, *after, *more)]


async def claim(tx: Transaction, command_ids: Sequence[str], now: datetime) -> set[str]:
    """Note commands as asked for; return those that were not before."""
    rows = await tx.fetch(
        """
        insert into sweeps (command_id, swept_at)
        select id, $2 from unnest($1::uuid[]) as s(id) order by id
        on conflict do nothing
        returning command_id::text
        """,
        list(command_ids),
        now,
    )
    return {row[0] for row in rows}
