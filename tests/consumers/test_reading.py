"""Where a worker reads on when it is given partitions that another may still be at work on."""

import asyncio
from collections.abc import Collection, Iterable

import pytest
from aiokafka import TopicPartition
from structlog.testing import capture_logs

from consumers.reading import (
    AnotherTopic,
    PositionBeyondEnd,
    Rebalances,
    seek_to_positions,
)
from storage import positions
from storage.database import Transaction, begin
from storage.positions import Partition
from tests.builders import an_id
from tests.consumers.desk import Desk

TOPIC = "commands.chat"
PARTITION = TopicPartition(TOPIC, 0)


class Reader:
    """A consumer of one partition, which holds the records from ``oldest`` to before ``end``."""

    def __init__(self, oldest: int, end: int, topic_id: str = an_id(1)) -> None:
        self.topic_id = topic_id
        self.surely_ends: int | None = None
        self.oldest = oldest
        self.end = end
        self.reads_on_at: int | None = None
        self.has = {PARTITION}

    def assignment(self) -> set[TopicPartition]:
        return self.has

    async def beginning_offsets(self, _: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {PARTITION: self.oldest}

    async def end_offsets(self, _: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {PARTITION: self.end}

    async def surely_ends_at(self, _: TopicPartition) -> int:
        return self.surely_ends or self.end

    async def topic_ids(self, names: Collection[str]) -> dict[str, str]:
        return dict.fromkeys(names, self.topic_id)

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


async def test_a_log_that_was_cut_is_not_read_before_somebody_has_seen_to_it(desk: Desk) -> None:
    """It grows past the position: what was sent since would be taken for applied."""
    await apply_up_to(desk, 10)
    for end in (9, 10, 99):
        with pytest.raises(PositionBeyondEnd, match="ended at 9, but 10 was the next"):
            await seek_to_positions(desk.engine, Reader(oldest=2, end=end), [PARTITION])  # type: ignore[arg-type]
    await desk.connection.execute("delete from positions")
    reader = Reader(oldest=2, end=99)
    await seek_to_positions(desk.engine, reader, [PARTITION])  # type: ignore[arg-type]
    assert reader.reads_on_at == 2


async def test_what_went_to_another_meanwhile_is_not_sought(desk: Desk, database_url: str) -> None:
    """Servers may have been away for long, and the client refuses to seek there."""
    await apply_up_to(desk, 7)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def done() -> None:
        """Nothing is at hand."""

    sought: dict[TopicPartition, int] = {}
    rebalances = Rebalances(desk.engine, database_url, failed, done, sought.update)
    reader = Reader(oldest=2, end=9)
    for has in (set[TopicPartition](), {PARTITION}):
        reader.has = has
        await rebalances.seek(reader, {PARTITION})  # type: ignore[arg-type]
        assert (reader.reads_on_at, sought) == ((7, {PARTITION: 7}) if has else (None, {}))


async def test_an_end_that_was_told_wrong_is_asked_for_again(desk: Desk) -> None:
    await apply_up_to(desk, 10)
    reader = Reader(oldest=2, end=9)
    reader.surely_ends = 10
    for _ in range(2):
        await seek_to_positions(desk.engine, reader, [PARTITION])  # type: ignore[arg-type]
        assert reader.reads_on_at == 10


async def test_a_topic_that_was_made_anew_is_not_taken_for_the_old_one(desk: Desk) -> None:
    """However long it is by now. The old one is read on, as where the address was wrong."""
    old, new = (Reader(oldest=0, end=99, topic_id=an_id(n)) for n in (1, 2))
    await apply_up_to(desk, 10)
    await seek_to_positions(desk.engine, old, [PARTITION])  # type: ignore[arg-type]
    with pytest.raises(AnotherTopic, match=r"commands\.chat is not the topic that partition 0 was"):
        await seek_to_positions(desk.engine, new, [PARTITION])  # type: ignore[arg-type]
    assert new.reads_on_at is None
    await seek_to_positions(desk.engine, old, [PARTITION])  # type: ignore[arg-type]
    assert old.reads_on_at == 10


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


async def test_the_first_end_that_was_found_is_told(desk: Desk) -> None:
    """What is there by now says nothing of where the log was cut."""
    await apply_up_to(desk, 10)
    for end in (4, 7):
        async with begin(desk.engine) as tx:
            await positions.note_cut(tx, Partition(TOPIC, 0), end)
    async with begin(desk.engine) as tx:
        assert await positions.cut(tx, [Partition(TOPIC, 0)]) == {Partition(TOPIC, 0): 4}


@pytest.mark.parametrize(("applied", "end", "told"), [(10, 4, 4), (8, 4, 4), (8, 99, 8)])
async def test_a_log_that_is_cut_while_it_is_read_stops_the_worker(
    desk: Desk, database_url: str, applied: int, end: int, told: int
) -> None:
    """Whoever is started next does not read on either, though less was applied than read."""
    await apply_up_to(desk, applied)
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def done() -> None:
        """Nothing is at hand."""

    rebalances = Rebalances(desk.engine, database_url, failed, done, lambda _: None)
    rebalances.consumer = Reader(oldest=0, end=end)  # type: ignore[assignment]
    await rebalances.on_cut(PARTITION, 10)
    assert isinstance(failed.exception(), PositionBeyondEnd)
    with pytest.raises(PositionBeyondEnd, match=f"ended at {told}, but {applied} was the next"):
        await seek_to_positions(desk.engine, Reader(oldest=0, end=99), [PARTITION])  # type: ignore[arg-type]
