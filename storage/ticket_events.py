"""Which ticket events were heard: sources repeat."""

from collections.abc import Collection, Iterable
from datetime import datetime

from storage import tables
from storage.database import Transaction

EventKey = tuple[str, str, str]
"""Account, provider, and the provider's id of the event."""


async def heard(tx: Transaction, events: Collection[EventKey]) -> set[EventKey]:
    """Those of the events that were heard before."""
    if not events:
        return set()
    rows = await tx.fetch(
        """
        select s.account_id::text, s.provider, s.event_id
        from unnest($1::uuid[], $2::text[], $3::text[]) as s(account_id, provider, event_id)
        cross join lateral (
            select from ticket_events_heard h
            where h.account_id = s.account_id and h.provider = s.provider
                and h.event_id = s.event_id
            limit 1
        ) h
        """,
        *zip(*events, strict=True),
    )
    return {(row[0], row[1], row[2]) for row in rows}


async def save(tx: Transaction, events: Iterable[EventKey], now: datetime) -> None:
    """Remember events. Fails with a unique violation where another transaction was first."""
    await tx.append(
        tables.ticket_events_heard,
        ("account_id", "provider", "event_id", "recorded_at"),
        [(*event, now) for event in sorted(set(events))],
    )
