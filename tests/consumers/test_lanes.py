"""Lanes keep the order of their partitions, and none of them waits for another."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from consumers.lanes import Lanes, Read
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
        read = Read([ARecord(b"", partition=place % 2) for place in range(records)], {}, number)
        await self.lanes.take_up(read, whole=whole)

    def open(self) -> None:
        """Let all work end."""
        for lane in (0, 1):
            self.gates[lane].set()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    bench.open()
    await bench.lanes.idle.wait()


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
    await bench.lanes.idle.wait()
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


@pytest.mark.parametrize("few", [lambda b: b.take_up(2, FEW), lambda b: b.take_up(2, whole=True)])
async def test_what_is_a_whole_waits_for_all_before_it_and_is_waited_for(
    bench: Bench, few: Callable[[Bench], "asyncio.Future[None]"]
) -> None:
    await bench.take_up(1)
    whole = asyncio.ensure_future(few(bench))
    await settled()
    assert bench.begun == [(1, 0), (1, 1)]
    bench.gates[1].set()
    await settled()
    assert bench.begun == [(1, 0), (1, 1)]
    bench.gates[0].set()
    await whole
    assert bench.begun == [(1, 0), (1, 1), (2, -1)]
    assert bench.lanes.idle.is_set()
    assert not bench.lanes.at_hand


async def test_what_is_given_up_ends_where_it_stands(bench: Bench) -> None:
    for number in (1, 2):
        await bench.take_up(number)
    await settled()
    await bench.lanes.give_up()
    assert bench.begun == [(1, 0), (1, 1)]
    assert bench.lanes.idle.is_set()
