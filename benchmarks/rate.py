"""How fast a count grows."""

import asyncio
import time
from collections.abc import Awaitable, Callable

# What takes longer stands still.
_LONGEST_SECONDS = 300


async def later_rate(count: Callable[[], Awaitable[int]], target: int) -> float:
    """A second's growth of the count, from a tenth of the target to the target.

    The first tenth is for starting up.
    """
    first = await until(count, target // 10)
    began = time.perf_counter()
    last = await until(count, target)
    return (last - first) / (time.perf_counter() - began)


async def until(count: Callable[[], Awaitable[int]], target: int) -> int:
    """Wait until the count has reached the target; return it. Raises TimeoutError."""
    async with asyncio.timeout(_LONGEST_SECONDS):
        while (counted := await count()) < target:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    return counted
