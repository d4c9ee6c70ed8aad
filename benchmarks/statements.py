"""What a batch asks of Postgres: counted on the wire, so that no clock has a say."""

import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate

from benchmarks.batches import batch_of
from benchmarks.wire import Wire, tapped
from benchmarks.workload import Sent, commands, start, step
from consumers.apply import apply_batch
from domain.context import Limits
from storage.database import connect_by_key


async def steps(database_url: str, sizes: Sequence[int]) -> list[Wire]:
    """What batches of so many steps take, each of a session of its own, once they came before."""
    ids = [str(uuid.UUID(int=number, version=4)) for number in range(sum(sizes))]
    parts = [ids[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True)]
    steps_of_parts = [[step(one, number) for one in part] for number in (1, 2) for part in parts]
    counted = await _counted(database_url, [[start(one) for one in ids], *steps_of_parts])
    return counted[-len(sizes) :]


async def mixed(database_url: str, sizes: Sequence[int]) -> list[Wire]:
    """What batches of so many commands of a service desk take."""
    warm_up = (2_000, 2_000)
    sent = list(commands(sum(warm_up) + sum(sizes)))
    parts, begun = [], 0
    for size in (*warm_up, *sizes):
        parts.append(sent[begun : begun + size])
        begun += size
    return (await _counted(database_url, parts))[len(warm_up) :]


async def _counted(database_url: str, batches: Sequence[Sequence[Sent]]) -> list[Wire]:
    """What each of the batches takes; the first ones have statements prepared besides."""
    counted: list[Wire] = []
    async with tapped(database_url) as (through, wire):
        engine = connect_by_key(through, pool_size=1)
        try:
            offset = 0
            for sent in batches:
                wire.reset()
                batch = batch_of(sent, offset)
                applied = await apply_batch(engine, batch, datetime.now(UTC), Limits())
                assert applied.records == len(sent)
                counted.append(replace(wire))
                offset += len(sent)
        finally:
            await engine.dispose()
    return counted
