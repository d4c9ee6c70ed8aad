"""Lanes: parts of what was read that are applied at the same time, each lane in order.

While Postgres works for one lane, another computes. A lane that is busy has its next part ready,
so that none of them stands still until the others are done and more was fetched.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from consumers.records import Record
from storage.positions import Partition

# So many records are applied in about the time that the statements of a transaction take.
_WORTH_LANES = 200
# One part is worked on, and one waits.
_PARTS_A_LANE = 2


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """Records of a fetch, the stretches of offsets that it covers, and its course.

    The course is `consumers.raw_consumer.RawConsumer`'s.
    """

    records: Sequence[Record]
    spans: dict[Partition, range]
    course: int


class Lanes:
    """Does ``work`` on what was read; ``idle`` is set while there is nothing at hand.

    A lane has the same partitions of all topics, always, so that lanes share no session.
    """

    def __init__(self, count: int, work: Callable[[Read], Awaitable[None]]) -> None:
        self._work = work
        self._turns = [asyncio.Lock() for _ in range(count)]
        self._rooms = [asyncio.Semaphore(_PARTS_A_LANE) for _ in range(count)]
        self._parts: dict[Read, asyncio.Task[None]] = {}
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def at_hand(self) -> Sequence[Record]:
        """The records that are worked on or wait."""
        return [record for part in self._parts for record in part.records]

    async def take_up(self, read: Read, *, whole: bool = False) -> None:
        """Have it worked on by its lanes, and return as soon as they have room for it.

        A few records are worked on as a ``whole``, after all that came before and before anything
        that comes after: a transaction for each lane costs more than lanes would gain.
        """
        if whole or len(read.records) < _WORTH_LANES:
            await self.idle.wait()
            await (await self._begin(0, read))
            return
        for lane, part in enumerate(self._parts_of(read)):
            if part.records:
                await self._begin(lane, part)

    async def give_up(self) -> None:
        """Leave what is at hand as it is: it was not applied, and comes again."""
        parts = list(self._parts.values())
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)

    async def _begin(self, lane: int, part: Read) -> "asyncio.Task[None]":
        await self._rooms[lane].acquire()
        self.idle.clear()
        self._parts[part] = task = asyncio.create_task(self._do(lane, part))
        return task

    async def _do(self, lane: int, part: Read) -> None:
        try:
            async with self._turns[lane]:
                await self._work(part)
        finally:
            self._rooms[lane].release()
            del self._parts[part]
            if not self._parts:
                self.idle.set()

    def _parts_of(self, read: Read) -> list[Read]:
        records: list[list[Record]] = [[] for _ in self._turns]
        for record in read.records:
            records[record.partition % len(records)].append(record)
        return [Read(part, read.spans, read.course) for part in records]
