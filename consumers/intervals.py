"""Work that is done again and again, until told to stop."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from storage.faults import describe

_log = structlog.get_logger()

_PAUSE_AFTER_ERROR = 5.0


async def at_intervals(
    work: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
    every_seconds: float,
    complaint: str,
) -> None:
    """Work at intervals; what fails is logged as the ``complaint``, and done at the next."""
    while not stop.is_set():
        pause = every_seconds
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - the next time finds the same
            _log.warning(complaint, error=describe(error))
            pause = min(every_seconds, _PAUSE_AFTER_ERROR)
        try:
            async with asyncio.timeout(pause):
                await stop.wait()
        except TimeoutError:
            continue
