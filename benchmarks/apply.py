"""How many commands a second one worker process applies, from Kafka to committed."""

import asyncio
import time

import asyncpg

from benchmarks.installation import Installation, installation
from benchmarks.workload import commands


async def applied_per_second(installed: Installation, count: int) -> float:
    """Commands a second over the middle of ``count`` commands that wait in the topic.

    The clock runs from a tenth to the whole, so that starting up does not count.
    """
    await installed.append("commands.chat", list(commands(count)))
    connection = await asyncpg.connect(installed.servers.database_url)
    try:
        with installed.worker("--no-relay"):
            first = await _wait_for(connection, count // 10)
            began = time.perf_counter()
            await _wait_for(connection, count)
            seconds = time.perf_counter() - began
        replies = await connection.fetchval("select count(*) from outbox where topic = 'replies'")
        assert replies == count, f"{replies} replies to {count} commands"
        return (count - first) / seconds
    finally:
        await connection.close()


async def _wait_for(connection: asyncpg.Connection, count: int) -> int:
    while True:
        applied = await connection.fetchval("select coalesce(sum(next_offset), 0) from positions")
        if applied >= count:
            return int(applied)
        await asyncio.sleep(0.01)


def main(count: int = 100_000) -> None:
    """Print the figure."""
    with installation() as installed:
        rate = asyncio.run(applied_per_second(installed, count))
    print(f"{count:,} commands applied by one worker at {rate:,.0f} commands/s")
