"""Pruning once and to the end, for `firstline prune`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from consumers.upkeep import prune_round
from storage import retention
from storage.database import begin, connect
from storage.retention import Retention


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much went from where, and from where this role may not delete."""

    went: Mapping[str, int]
    forbidden: Sequence[str]


async def prune_all(database_url: str, kept: Retention) -> Pruned:
    """Delete all that was kept for long enough, slice by slice."""
    engine = connect(database_url, application_name="firstline-prune")
    try:
        async with begin(engine) as tx:
            forbidden = await retention.forbidden(tx)
            now = await retention.now(tx, datetime.now(UTC))
        went: Counter[str] = Counter()
        while round_ := await prune_round(engine, kept, now):
            went += round_
        asked = {store for store, _ in retention.stores(kept)}
        return Pruned(went, sorted(forbidden & asked))
    finally:
        await engine.dispose()
