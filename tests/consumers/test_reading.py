"""Where a worker reads on when it is given partitions that another may still be at work on."""

import asyncio
from collections.abc import Iterable

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from consumers.reading import PositionBeyondEnd, seek_to_positions
from storage import positions
from storage.database import Transaction
from storage.positions import Partition
from tests.consumers.desk import Desk

TOPIC = "commands.chat"
PARTITION = TopicPartition(TOPIC, 0)


class Reader:
    """A consumer of one partition, which holds the records from ``oldest`` to before ``end``."""

    def __init__(self, oldest: int, end: int) -> None:
        self.oldest = oldest
        self.end = end
        self.reads_on_at: int | None = None

    async def beginning_offsets(self, _: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {PARTITION: self.oldest}

    async def end_offsets(self, _: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {PARTITION: self.end}

    def seek(self, _: TopicPartition, offset: int) -> None:
        self.reads_on_at = offset


async def apply_up_to(desk: Desk, offset: int) -> None:
    """Move the position, as a worker does that applies what lies below."""
    await desk.connection.execute(
        """
        insert into positions (topic, partition, next_offset) values ($1, 0, $2)
        on conflict (topic, partition) do update set next_offset = excluded.next_offset
        """,
        TOPIC,
        offset,
    )


async def test_reading_goes_on_at_the_position(desk: Desk) -> None:
    await apply_up_to(desk, 7)
    reader = Reader(oldest=2, end=9)
    await seek_to_positions(desk.engine, reader, [PARTITION])  # type: ignore[arg-type]
    assert reader.reads_on_at == 7


async def test_a_position_beyond_the_end_is_an_error(desk: Desk) -> None:
    await apply_up_to(desk, 10)
    with pytest.raises(PositionBeyondEnd):
        await seek_to_positions(desk.engine, Reader(oldest=2, end=9), [PARTITION])  # type: ignore[arg-type]


async def test_commands_that_kafka_deleted_unapplied_are_told_of(desk: Desk) -> None:
    await apply_up_to(desk, 2)
    reader = Reader(oldest=5, end=9)
    with capture_logs() as logs:
        await seek_to_positions(desk.engine, reader, [PARTITION])  # type: ignore[arg-type]
    assert [entry["lost"] for entry in logs] == [3]
    assert reader.reads_on_at == 5


async def test_another_worker_may_apply_what_arrived_since(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two questions; nothing is beyond an end, and nothing was deleted."""
    await apply_up_to(desk, 7)
    reader = Reader(oldest=2, end=7)
    read = positions.read

    async def read_then_apply(tx: Transaction, partitions: list[Partition]) -> dict[Partition, int]:
        known = await read(tx, partitions)
        reader.end = 8
        await apply_up_to(desk, 8)
        return known

    monkeypatch.setattr(positions, "read", read_then_apply)
    with capture_logs() as logs:
        await seek_to_positions(desk.engine, reader, [PARTITION])  # type: ignore[arg-type]
    assert logs == []
    assert reader.reads_on_at == 8


@pytest.mark.parametrize(
    "held", ["select from positions for no key update", "update positions set next_offset = 8"]
)
async def test_a_position_that_a_stopped_worker_holds_is_not_waited_for(
    desk: Desk, held: str
) -> None:
    await apply_up_to(desk, 7)
    reader = Reader(oldest=2, end=9)
    async with desk.connection.transaction(), asyncio.timeout(5):
        await desk.connection.execute(held)
        await seek_to_positions(desk.engine, reader, [PARTITION])  # type: ignore[arg-type]
    assert reader.reads_on_at == 7
