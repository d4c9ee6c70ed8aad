"""Running a transaction again that Postgres ended because of another one."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from storage.faults import Fault, classify

T = TypeVar("T")

_TRIES = 3
_PAUSE_SECONDS = 0.05, 0.15


async def again(work: Callable[[], Awaitable[T]]) -> T:
    """Do the work, three times at most where the moment was bad.

    Its locks may have crossed those of a batch, which is tried again as well.
    """
    for _ in range(_TRIES - 1):
        try:
            return await work()
        except Exception as error:
            if classify(error) is not Fault.AGAIN:
                raise
        await asyncio.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311
    return await work()
