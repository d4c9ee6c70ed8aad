"""Doing a transaction again that the database ended for another one's sake."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from storage.faults import Fault, classify

T = TypeVar("T")

_TRIES = 3
_PAUSE_SECONDS = 0.1


async def again(work: Callable[[], Awaitable[T]]) -> T:
    """Do the work, three times at most where its locks crossed those of a batch."""
    for _ in range(_TRIES - 1):
        try:
            return await work()
        except Exception as error:
            # The batch tries again as well.
            if classify(error) is not Fault.AGAIN:
                raise
        await asyncio.sleep(_PAUSE_SECONDS)
    return await work()
