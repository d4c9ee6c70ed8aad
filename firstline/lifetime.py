"""What a process lives for, and how it leaves: in the reverse order of how it began."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from storage.slots import Slot

Done = TypeVar("Done")

# More than a batch at work holds, so that none is walked through to find nothing: reference counts
# free all of a batch. With the defaults, a quarter of the worker's time went there.
_OBJECTS_BETWEEN_COLLECTIONS = 200_000


@dataclass(frozen=True, slots=True)
class Lifetime:
    """What a process lives for. ``stop`` is set by SIGTERM and SIGINT.

    What is put on ``leaving`` is done at the end, the last first.
    """

    stop: asyncio.Event
    leaving: AsyncExitStack
    _ends: list[Coroutine[Any, Any, object]]

    def until(self, end: Coroutine[Any, Any, object]) -> None:
        """Have the process end when this does."""
        self._ends.append(end)

    def with_engine(self, engine: AsyncEngine) -> AsyncEngine:
        """The engine, whose connections are closed at the end."""
        self.leaving.push_async_callback(engine.dispose)
        return engine

    def in_slot(self, slot: Slot) -> None:
        """Hold the slot until all that begins from here on has ended, then leave it.

        The process ends where the slot is lost before, with `storage.slots.SlotLost`.
        """
        holding = asyncio.ensure_future(slot.hold())

        async def leave() -> None:
            holding.cancel()
            await asyncio.gather(holding, return_exceptions=True)
            await slot.leave()

        self.leaving.push_async_callback(leave)
        self.until(lasting(holding))

    async def unless_stopped(self, work: Coroutine[Any, Any, Done]) -> Done:
        """What the work returns. Where the process is told to stop before, its life ends here."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(self.stop.wait())
        await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            raise _Stopped
        return working.result()

    async def first_end(self) -> None:
        """Wait for the first of what the process lives for to end, and raise what it raised."""
        tasks = [asyncio.ensure_future(end) for end in self._ends]
        self._ends.clear()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


class _Stopped(Exception):
    """The process was told to stop while it was starting."""


def tell_ready() -> None:
    """Print ``ready``, which others wait for, unless whoever read it has gone."""
    try:
        print("ready", flush=True)  # noqa: T201 - this is the line
    except OSError:
        # Else the end of the process would try once more to flush it.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


@asynccontextmanager
async def lifetime() -> AsyncIterator[Lifetime]:
    """This process's life: signals set ``stop``, and garbage is looked for rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with suppress(_Stopped):
        async with AsyncExitStack() as leaving:
            ends: list[Coroutine[Any, Any, object]] = []
            try:
                yield Lifetime(stop, leaving, ends)
            finally:
                for end in ends:  # what nobody came to wait for
                    end.close()


async def lasting(future: "asyncio.Future[None]") -> None:
    """Wait for what goes on where this wait is cancelled."""
    await asyncio.shield(future)
