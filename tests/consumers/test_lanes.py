"""Lanes keep the order of their partitions, and none of them waits for another; few gather."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from consumers.lanes import Lanes, Read
from storage.positions import Partition
from tests.consumers.wire import ARecord

MANY, FEW = 200, 199


@dataclass
class Bench:
    """Two lanes whose work goes on as the test lets it."""

    lanes: Lanes = field(init=False)
    begun: list[tuple[int, int]] = field(default_factory=list)
    gates: defaultdict[int, asyncio.Event] = field(
        default_factory=lambda: defaultdict(asyncio.Event)
    )

    def __post_init__(self) -> None:
        self.lanes = Lanes(2, self._work)

    async def _work(self, part: Read) -> None:
        partitions = {record.partition % 2 for record in part.records}
        self.begun.append((part.course, min(partitions) if len(partitions) == 1 else -1))
        await self.gates[min(partitions)].wait()

    async def take_up(self, number: int, records: int = MANY, *, whole: bool = False) -> None:
        """Hand over so many records, evenly of both lanes."""
        await self.lanes.take_up(a_read(number, records), whole=whole)

    def open(self) -> None:
        """Let all work end."""
        for lane in (0, 1):
            self.gates[lane].set()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.open()
    await bench.lanes.done()


def a_read(course: int, records: int, value: bytes = b"") -> Read:
    """So many records, evenly of both lanes."""
    return Read([ARecord(value, partition=place % 2) for place in range(records)], {}, course)


async def settled() -> None:
    """Let everything go on that can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_slow_lane_does_not_keep_the_other_from_its_next_part(bench: Bench) -> None:
    bench.gates[1].set()
    await bench.take_up(1)
    await bench.take_up(2)
    await settled()
    assert bench.begun == [(1, 0), (1, 1), (2, 1)]


async def test_a_lane_takes_its_parts_in_order(bench: Bench) -> None:
    for number in (1, 2):
        await bench.take_up(number)
    third = asyncio.create_task(bench.take_up(3))
    bench.open()
    await third
    await bench.lanes.done()
    for lane in (0, 1):
        assert [number for number, of in bench.begun if of == lane] == [1, 2, 3]


async def test_no_more_is_taken_than_one_part_a_lane_ahead(bench: Bench) -> None:
    for number in (1, 2):
        await bench.take_up(number)
    third = asyncio.create_task(bench.take_up(3))
    await settled()
    assert not third.done()
    assert len(bench.lanes.at_hand) == 2 * MANY
    bench.open()
    await third


async def test_a_whole_waits_for_all_before_it_and_is_waited_for(bench: Bench) -> None:
    await bench.take_up(1)
    whole = asyncio.ensure_future(bench.take_up(2, whole=True))
    await settled()
    bench.gates[1].set()
    await settled()
    assert bench.begun == [(1, 0), (1, 1)]
    bench.gates[0].set()
    await whole
    assert bench.begun == [(1, 0), (1, 1), (2, -1)]
    assert not bench.lanes.at_hand


async def test_a_few_gather_while_others_are_worked_on(bench: Bench) -> None:
    for _ in range(3):
        await bench.take_up(1, 2)
    await settled()
    assert bench.begun == [(1, -1)]
    assert len(bench.lanes.at_hand) == 6
    bench.gates[0].set()
    await bench.lanes.done()
    assert bench.begun == [(1, -1), (1, -1)]
    assert not bench.lanes.at_hand


async def test_many_that_gathered_are_parted_once_the_whole_before_them_is_done(
    bench: Bench,
) -> None:
    await bench.take_up(1, 2)
    await bench.take_up(1, FEW)
    more = asyncio.ensure_future(bench.take_up(1, FEW))
    await settled()
    assert bench.begun == [(1, -1)]
    assert not more.done()
    bench.open()
    await more
    await bench.lanes.done()
    assert bench.begun == [(1, -1), (1, 0), (1, 1)]


async def test_no_more_bytes_gather_than_a_mebibyte_and_a_read(bench: Bench) -> None:
    await bench.take_up(1, 2)
    large = asyncio.ensure_future(bench.lanes.take_up(a_read(1, 2, b" " * 1024 * 1024)))
    await settled()
    assert not large.done()
    bench.gates[0].set()
    await large
    assert bench.begun == [(1, -1), (1, -1)]


async def test_what_was_read_one_after_the_other_is_one_stretch() -> None:
    reads: list[Read] = []
    gate = asyncio.Event()

    async def work(read: Read) -> None:
        reads.append(read)
        await gate.wait()

    lanes = Lanes(2, work)
    a, b, c = (Partition("t", number) for number in range(3))
    await lanes.take_up(Read([ARecord(b"0")], {}, 1))
    await lanes.take_up(Read([ARecord(b"1")], {a: range(3, 5), b: range(7, 8)}, 1))
    await lanes.take_up(Read([ARecord(b"2")], {a: range(5, 6), c: range(1)}, 1))
    gate.set()
    await lanes.done()
    joined = reads[-1]
    assert [record.value for record in joined.records] == [b"1", b"2"]
    assert joined.spans == {a: range(3, 6), b: range(7, 8), c: range(1)}


async def test_what_was_read_before_reading_started_elsewhere_does_not_gather(
    bench: Bench,
) -> None:
    for course in (1, 2, 3):
        await bench.take_up(course, 2)
    assert len(bench.lanes.at_hand) == 4
    bench.open()
    await bench.lanes.done()
    assert bench.begun == [(1, -1), (3, -1)]


async def test_done_waits_for_what_is_at_hand_and_for_no_more(bench: Bench) -> None:
    for number in (1, 2):
        await bench.take_up(number, 2)
    done = asyncio.ensure_future(bench.lanes.done())
    for _ in (1, 2):
        await settled()
        assert not done.done()
        bench.gates[0].set()
        await asyncio.sleep(0)
        bench.gates[0] = asyncio.Event()
        await bench.take_up(3, 2)
    await settled()
    assert done.done()
    assert len(bench.lanes.at_hand) == 2


async def test_what_is_given_up_ends_where_it_stands(bench: Bench) -> None:
    for number in (1, 2):
        await bench.take_up(number)
    await settled()
    await bench.lanes.give_up()
    assert bench.begun == [(1, 0), (1, 1)]
    assert not bench.lanes.at_hand


async def test_what_gathered_is_given_up_as_well(bench: Bench) -> None:
    for number in (1, 2):
        await bench.take_up(number, FEW)
    await settled()
    await bench.lanes.give_up()
    await settled()
    assert bench.begun == [(1, -1)]
    assert not bench.lanes.at_hand
