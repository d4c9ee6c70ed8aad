"""Lanes: parts of what was read that are applied at the same time, each lane in order.

While Postgres works for one lane, another computes. A lane that is busy has its next part ready,
so that none of them stands still until the others are done and more was fetched. A few records are
not parted; what comes while they are worked on gathers, and is worked on next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from consumers.records import Record
from storage.positions import Partition

# So many records are applied in about the time that the statements of a transaction take.
_WORTH_LANES = 200
# What is larger is worked on before more is read: it and what waits beside it are in memory.
_MOST_BYTES = 1024 * 1024
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
    """Does ``work`` on what was read.

    A lane has the same partitions of all topics, always, so that lanes share no session.
    """

    def __init__(self, count: int, work: Callable[[Read], Awaitable[None]]) -> None:
        self._work = work
        self._turns = [asyncio.Lock() for _ in range(count)]
        self._rooms = [asyncio.Semaphore(_PARTS_A_LANE) for _ in range(count)]
        self._parts: dict[Read, asyncio.Task[None]] = {}
        self._whole: Read | None = None
        self._gathered: Read | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def at_hand(self) -> Sequence[Record]:
        """The records that are worked on or wait."""
        reads = [*self._parts, *([self._gathered] if self._gathered else [])]
        return [record for read in reads for record in read.records]

    async def take_up(self, read: Read, *, whole: bool = False) -> None:
        """Have it worked on, and return as soon as there is room for more.

        A few records are worked on as a whole, after all that came before and before anything that
        comes after: a transaction for each lane costs more than lanes would gain. Where ``whole``
        is said, so are many, and they are done when this returns.
        """
        if self._gathered is not None:
            read, self._gathered = _joined(self._gathered, read), None
        if whole or len(read.records) < _WORTH_LANES:
            self._gathered = read
            if not self._parts:
                self._begin_gathered()
            if whole or _bytes(read) > _MOST_BYTES:
                await self._idle.wait()
            return
        if self._whole is not None:
            await self._idle.wait()
        for lane, part in enumerate(self._parts_of(read)):
            if part.records:
                await self._rooms[lane].acquire()
                self._begin(part, self._do(lane, part))

    async def done(self) -> None:
        """Return once what is at hand now was worked on, whatever comes meanwhile."""
        for _ in ("begun", "gathered"):
            if self._parts:
                await asyncio.wait(list(self._parts.values()))

    async def give_up(self) -> None:
        """Leave what is at hand as it is: it was not applied, and comes again."""
        self._gathered = None
        parts = list(self._parts.values())
        for part in parts:
            part.cancel()
        await asyncio.gather(*parts, return_exceptions=True)

    def _begin_gathered(self) -> None:
        self._whole, self._gathered = self._gathered, None
        if self._whole is not None:
            self._begin(self._whole, self._work(self._whole))

    def _begin(self, part: Read, work: Awaitable[None]) -> None:
        self._idle.clear()
        self._parts[part] = task = asyncio.ensure_future(work)
        task.add_done_callback(lambda _: self._end(part))

    def _end(self, part: Read) -> None:
        del self._parts[part]
        if part is self._whole:
            self._whole = None
        if not self._parts:
            self._begin_gathered()
        if not self._parts:
            self._idle.set()

    async def _do(self, lane: int, part: Read) -> None:
        try:
            async with self._turns[lane]:
                await self._work(part)
        finally:
            self._rooms[lane].release()

    def _parts_of(self, read: Read) -> list[Read]:
        records: list[list[Record]] = [[] for _ in self._turns]
        for record in read.records:
            records[record.partition % len(records)].append(record)
        return [Read(part, read.spans, read.course) for part in records]


def _joined(first: Read, second: Read) -> Read:
    """What was read one after the other; the first comes again where the courses differ."""
    if first.course != second.course:
        return second
    spans = first.spans | {
        partition: range(first.spans.get(partition, span).start, span.stop)
        for partition, span in second.spans.items()
    }
    return Read([*first.records, *second.records], spans, second.course)


def _bytes(read: Read) -> int:
    return sum(len(record.value or b"") for record in read.records)
