"""How many commands a second workers apply, from Kafka to committed, replies and events staged."""

from contextlib import ExitStack

import asyncpg

from benchmarks.installation import Installation
from benchmarks.rate import later_rate
from benchmarks.workload import commands
from producers.topics import CHAT_COMMANDS


async def applied_per_second(
    installed: Installation, count: int, *, workers: int = 1, seed: int = 1, **environ: str
) -> float:
    """Commands a second of so many workers without a relay; all of ``count`` wait in the topic.

    Every command must have been accepted.
    """
    async with installed.connected() as connection:
        before = await applied(connection)
        await installed.append(CHAT_COMMANDS, list(commands(count, seed)))

        async def since() -> int:
            return await applied(connection) - before

        with ExitStack() as stack:
            for _ in range(workers):
                stack.enter_context(installed.worker("--no-relay", **environ))
            rate = await later_rate(since, count)
        await assert_all_accepted(connection, before + count)
    return rate


async def applied(connection: asyncpg.Connection) -> int:
    """How many commands are applied and committed."""
    return int(await connection.fetchval("select coalesce(sum(next_offset), 0) from positions"))


async def assert_all_accepted(connection: asyncpg.Connection, count: int) -> None:
    """Fail unless so many commands were answered, and every one of them accepted."""
    outcomes = await connection.fetch(
        """
        select convert_from(reply, 'UTF8')::json->>'outcome', count(*) from inbox
        where reply is not null group by 1
        """
    )
    assert dict(outcomes) == {"accepted": count}, f"{dict(outcomes)} of {count}"
