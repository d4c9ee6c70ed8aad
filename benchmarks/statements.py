"""What a batch asks of Postgres: counted on the wire, so that no clock has a say."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from benchmarks.batches import batch_of
from benchmarks.installation import Installation
from benchmarks.wire import Wire, tapped
from benchmarks.workload import commands
from consumers.apply import apply_batch
from domain.context import Limits
from storage.database import connect

# A batch of one command must do all that a batch of a thousand does: so its command is a step,
# and what else there is comes along in both.
_WARM_UP = 3_000


async def a_batch(installed: Installation, sizes: Sequence[int]) -> dict[int, Wire]:
    """What batches of these sizes take, once the connection has prepared its statements."""
    counted: dict[int, Wire] = {}
    sent = list(commands(_WARM_UP + sum(sizes)))
    async with tapped(installed.database_url) as (database_url, wire):
        engine = connect(database_url, pool_size=1)
        try:
            offset = 0
            for size in (_WARM_UP, *sizes):
                wire.reset()
                batch = batch_of(sent[offset : offset + size], offset)
                await apply_batch(engine, batch, datetime.now(UTC), Limits())
                counted[size] = replace(wire)
                offset += size
        finally:
            await engine.dispose()
    return {size: counted[size] for size in sizes}
