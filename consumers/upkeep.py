"""Upkeep: deleting what was kept for long enough, at a pace that nobody notices."""

import asyncio
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from consumers.intervals import at_intervals
from storage import retention
from storage.database import begin
from storage.retention import Retention

_log = structlog.get_logger()

SLICE = 1_000
"""The most rows that one transaction deletes; of walks, those of a tenth as many sessions."""

_MOST_SLICES = 100
_PAUSE = 0.02


async def prune_once(
    engine: AsyncEngine, kept: Retention, now: datetime, *, but: Collection[str] = ()
) -> Counter[str]:
    """Delete a slice of each store of which there is one, but for some; return what went."""
    went: Counter[str] = Counter()
    for store, time in retention.stores(kept):
        if store in but:
            continue
        async with begin(engine) as tx:
            count = await retention.prune(tx, store, now - time, SLICE)
        if count:
            went[store] = count
            await asyncio.sleep(_PAUSE)
    return went


async def prune_round(engine: AsyncEngine, kept: Retention, now: datetime) -> Counter[str]:
    """Delete slice by slice until nothing is left, in bounds; return what went."""
    async with begin(engine) as tx:
        forbidden = await retention.forbidden(tx)
    went: Counter[str] = Counter()
    for _ in range(_MOST_SLICES):
        slices = await prune_once(engine, kept, now, but=forbidden)
        if not slices:
            break
        went += slices
    return went


async def prune_forever(
    engine: AsyncEngine, stop: asyncio.Event, every_seconds: float, kept: Retention
) -> None:
    """Prune at intervals until told to stop; what fails is tried again at the next."""

    async def prune() -> None:
        async with begin(engine) as tx:
            now = await retention.now(tx, datetime.now(UTC))
        if went := await prune_round(engine, kept, now):
            _log.info("pruned", **went)

    await at_intervals(prune, stop, every_seconds, "pruning failed")
