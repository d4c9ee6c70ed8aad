"""The figures of a report, counted by the views that define them.

``since`` is the Monday of the first week that counts, or None for all. Ids come back as text.
"""

from datetime import date

from storage.database import Transaction
from storage.looking import Row


async def accounts(tx: Transaction, account_id: str | None) -> list[Row]:
    """The accounts to report on, by name."""
    return await _all(
        tx,
        """
        select id::text as account_id, name from accounts
        where $1::uuid is null or id = $1 order by name, id
        """,
        account_id,
    )


async def shares(tx: Transaction, account_id: str | None, since: date | None) -> list[Row]:
    """Of each figure that is a share: ``part`` and ``whole`` a week, and a category for some."""
    return await _all(
        tx,
        """
        with shares (figure, account_id, week, category, part, whole) as (
            select 'first_level_resolution', account_id, week, null, resolved_at_first_level,
                sessions
            from weekly_first_level_resolution
            union all
            select 'escalation', account_id, week, category, escalated, sessions
            from weekly_escalation
            union all
            select 'abandonment', account_id, week, null, abandoned, sessions
            from weekly_abandonment
            union all
            select 'reopening', account_id, week, null, reopened, sessions
            from weekly_reopening
            union all
            select 'flow_hits', account_id, week, null, hits, sessions
            from weekly_flow_hits
        )
        select figure, account_id::text, week, category, part, whole from shares
        where ($1::uuid is null or account_id = $1) and ($2::date is null or week >= $2)
        order by account_id, figure, week, category
        """,
        account_id,
        since,
    )


async def weekly_times(tx: Transaction, account_id: str | None, since: date | None) -> list[Row]:
    """Time to outcome by week."""
    return await _all(
        tx,
        """
        select account_id::text, week, outcome, sessions, median_seconds, p90_seconds
        from weekly_time_to_outcome
        where ($1::uuid is null or account_id = $1) and ($2::date is null or week >= $2)
        order by account_id, outcome, week
        """,
        account_id,
        since,
    )


async def paces(tx: Transaction, account_id: str | None, since: date | None) -> list[Row]:
    """Time and steps to outcome over all weeks: medians of weeks cannot be added up."""
    return await _all(
        tx,
        """
        select account_id::text, outcome,
            count(*) as sessions,
            percentile_cont(0.5) within group (order by seconds) filter (where not unwalked)
                as median_seconds,
            percentile_cont(0.9) within group (order by seconds) filter (where not unwalked)
                as p90_seconds,
            percentile_cont(0.5) within group (order by steps) filter (where kind <> 'adhoc')
                as median_steps,
            percentile_cont(0.9) within group (order by steps) filter (where kind <> 'adhoc')
                as p90_steps
        from ended_sessions
        where ($1::uuid is null or account_id = $1) and ($2::date is null or week >= $2)
        group by account_id, outcome
        """,
        account_id,
        since,
    )


async def _all(tx: Transaction, sql: str, *arguments: object) -> list[Row]:
    return [dict(row) for row in await tx.fetch(sql, *arguments)]
