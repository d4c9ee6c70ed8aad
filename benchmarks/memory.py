"""How much memory a worker takes after many commands."""

import psutil

from benchmarks.apply import applied
from benchmarks.installation import Installation
from benchmarks.rate import until
from benchmarks.workload import commands
from producers.topics import CHAT_COMMANDS

_AT_A_TIME = 100_000


async def megabytes(installed: Installation, count: int) -> list[float]:
    """The worker's resident memory at each tenth of ``count`` commands, relay included."""
    async with installed.connected() as connection:
        taken: list[float] = []
        appended = 0
        with installed.worker() as worker:
            process = psutil.Process(worker.pid)
            for tenth in range(1, 11):
                target = count * tenth // 10
                for start in range(appended, target, _AT_A_TIME):
                    size = min(_AT_A_TIME, target - start)
                    # Sessions of one part are not those of another: each part has its own seed.
                    await installed.append(CHAT_COMMANDS, list(commands(size, seed=start + 1)))
                    appended = start + size
                await until(lambda: applied(connection), target)
                taken.append(process.memory_info().rss / 1e6)
        return taken
