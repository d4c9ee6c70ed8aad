"""Reading from the real Kafka: past every record, and with no offset unaccounted for."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import CorruptRecordException
from structlog.testing import capture_logs

from consumers.raw_consumer import RawConsumer
from firstline.servers import Servers
from storage.positions import Partition
from tests.consumers.raw_records import CODECS, Raw, send

HOSTILE = [(b"\xff\xfe", b"1"), (b"plain", b"2"), (b"\x80", None), (b"", b"\xff")]
REPLACED = (("\ufffd\ufffd", b"1"), ("plain", b"2"), ("\ufffd", None), ("", b"\xff"))


class Reader:
    """A consumer of every partition of a topic, and what it has read."""

    def __init__(self, consumer: RawConsumer, partitions: list[TopicPartition]) -> None:
        self.consumer = consumer
        self.values: dict[int, list[bytes]] = {partition.partition: [] for partition in partitions}
        self.records: list[Any] = []
        self.spans: dict[Partition, list[range]] = {
            Partition(*partition): [range(0)] for partition in partitions
        }

    async def read_once(self, max_records: int = 1_000) -> None:
        fetched = await self.consumer.getmany(timeout_ms=500, max_records=max_records)
        for partition, records in fetched.items():
            self.records += records
            self.values[partition.partition] += [record.value for record in records]
        for partition, span in self.consumer.covered.spans.items():
            self.spans[partition].append(span)

    async def read(self, count: int, max_records: int = 1_000) -> None:
        """Read until there are so many records, and check that the spans leave no gap."""
        while len(self.records) < count:
            await self.read_once(max_records)
        assert len(self.records) == count
        for spans in self.spans.values():
            assert all(one.stop == other.start for one, other in pairwise(spans))


@pytest.fixture
async def topic(servers: Servers) -> str:
    name = f"raw-{secrets.token_hex(4)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(name, 3, 1)])
    await admin.close()
    return name


@pytest.fixture
async def producer(servers: Servers) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=servers.kafka_bootstrap) as producer:
        yield producer


StartReading = Callable[[], Awaitable[Reader]]


@pytest.fixture
async def start_reading(servers: Servers, topic: str) -> AsyncIterator[StartReading]:
    """Begins to read, at the beginning: what is there by then comes in one fetch."""
    async with AsyncExitStack() as stack:

        async def start() -> Reader:
            consumer = await stack.enter_async_context(
                RawConsumer(
                    bootstrap_servers=servers.kafka_bootstrap,
                    group_id=None,
                    isolation_level="read_committed",
                    enable_auto_commit=False,
                )
            )
            partitions = [TopicPartition(topic, number) for number in range(3)]
            consumer.assign(partitions)
            for partition in partitions:
                consumer.seek(partition, 0)
            return Reader(consumer, partitions)

        yield start


def marks(*numbers: int) -> list[bytes]:
    return [str(number).encode() for number in numbers]


@pytest.mark.parametrize("codec", CODECS)
async def test_a_header_key_that_is_not_utf_8_is_replaced_and_nothing_else(
    producer: AIOKafkaProducer, topic: str, start_reading: StartReading, codec: str
) -> None:
    records = [
        Raw(b"0" * 200, b"key", HOSTILE),
        Raw(None, None, HOSTILE),
        Raw(b"", b"", [(b"plain", b"1")]),
    ]
    await send(producer, topic, 1, records, codec=codec)

    reader = await start_reading()
    await reader.read(3)

    assert [(one.offset, one.key, one.value, one.headers) for one in reader.records] == [
        (0, b"key", b"0" * 200, REPLACED),
        (1, None, None, REPLACED),
        (2, b"", b"", (("plain", b"1"),)),
    ]
    assert {(one.topic, one.partition) for one in reader.records} == {(topic, 1)}


@pytest.mark.parametrize("hostile", [{0}, {2}, {4}, {0, 4}, {1, 2}, {0, 1, 2, 3, 4}])
@pytest.mark.parametrize("together", [True, False])
async def test_wherever_such_records_lie_all_are_read_once_and_in_order(
    producer: AIOKafkaProducer,
    topic: str,
    start_reading: StartReading,
    hostile: set[int],
    together: bool,  # noqa: FBT001 - an example
) -> None:
    records = [
        Raw(mark, headers=HOSTILE if number in hostile else [])
        for number, mark in enumerate(marks(*range(5)))
    ]
    for batch in [records] if together else [[record] for record in records]:
        await send(producer, topic, 0, batch)

    reader = await start_reading()
    await reader.read(5)
    await send(producer, topic, 0, [Raw(b"later")])
    await reader.read(6)

    assert reader.values[0] == [*marks(*range(5)), b"later"]


async def test_what_lies_in_other_partitions_is_not_lost_with_it(
    producer: AIOKafkaProducer, topic: str, start_reading: StartReading
) -> None:
    """The call that meets the record has taken theirs already, and raises."""
    for partition in (0, 2):
        await send(producer, topic, partition, [Raw(mark) for mark in marks(*range(50))])
    await send(producer, topic, 1, [Raw(b"good"), Raw(b"bad", headers=HOSTILE), Raw(b"good")])

    reader = await start_reading()
    await reader.read(103)

    assert reader.values[0] == reader.values[2] == marks(*range(50))
    assert reader.values[1] == [b"good", b"bad", b"good"]


async def test_a_fetch_is_shared_by_the_partitions_and_stays_within_bounds(
    producer: AIOKafkaProducer, topic: str, start_reading: StartReading
) -> None:
    for partition in range(3):
        records = [Raw(mark, headers=HOSTILE) for mark in marks(*range(40))]
        await send(producer, topic, partition, records)

    reader = await start_reading()
    before = 0
    while before < 120:
        await reader.read_once(max_records=12)
        assert len(reader.records) - before <= 12
        before = len(reader.records)

    assert all(values == marks(*range(40)) for values in reader.values.values())


async def test_what_was_aborted_is_covered_and_never_read(
    servers: Servers, producer: AIOKafkaProducer, topic: str, start_reading: StartReading
) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=servers.kafka_bootstrap, transactional_id=f"{topic}-sender"
    ) as sender:
        for number, mark in enumerate(marks(*range(6))):
            await sender.begin_transaction()
            headers = HOSTILE if number in {0, 1, 3, 4} else []
            await send(sender, topic, 0, [Raw(mark, headers=headers)], transactional=True)
            if number % 2:
                await sender.commit_transaction()
            else:
                await sender.abort_transaction()
    last = await send(producer, topic, 0, [Raw(b"last", headers=HOSTILE)])

    reader = await start_reading()
    await reader.read(4)

    assert reader.values[0] == [*marks(1, 3, 5), b"last"]
    assert reader.spans[Partition(topic, 0)][-1].stop == last + 1


@pytest.mark.parametrize("headers", [HOSTILE, ()], ids=["one raises", "none raises"])
async def test_polling_while_paused_loses_nothing_of_a_partition_that_is_not(
    producer: AIOKafkaProducer, topic: str, start_reading: StartReading, headers: Sequence[Any]
) -> None:
    """As one that a rebalance has just brought. Going back for one that raises brings back all."""
    await send(producer, topic, 0, [Raw(mark) for mark in marks(0, 1, 2)])
    await send(producer, topic, 1, [Raw(b"last", headers=headers)])

    reader = await start_reading()
    await reader.read_once(max_records=1)
    for _ in range(20):
        await reader.consumer.poll_paused()
    async with asyncio.timeout(20):
        await reader.read(4)

    assert reader.values == {0: marks(0, 1, 2), 1: [b"last"], 2: []}


async def test_reading_starts_where_it_is_told_to(
    producer: AIOKafkaProducer, topic: str, start_reading: StartReading
) -> None:
    await send(producer, topic, 0, [Raw(mark, headers=HOSTILE) for mark in marks(*range(5))])

    reader = await start_reading()
    reader.consumer.seek(TopicPartition(topic, 0), 3)
    await reader.read_once()

    assert reader.values[0] == marks(3, 4)
    assert reader.spans[Partition(topic, 0)][-1] == range(3, 5)


async def test_nothing_is_read_before_it_is_known_where_to_read(
    producer: AIOKafkaProducer, topic: str, start_reading: StartReading
) -> None:
    """Whoever has paused and resumed everything meanwhile."""
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    reader = await start_reading()
    reader.consumer.await_seek([first])
    await send(producer, topic, 0, [Raw(mark) for mark in marks(0, 1, 2)])
    await send(producer, topic, 1, [Raw(mark) for mark in marks(3)])

    reader.consumer.resume(first, second)
    await reader.read_once()
    await reader.read_once()
    assert reader.values == {0: [], 1: marks(3), 2: []}

    reader.consumer.seek(first, 1)
    await reader.read_once()
    assert reader.values == {0: marks(1, 2), 1: marks(3), 2: []}


async def test_a_broker_answers_that_has_nothing_to_read(
    topic: str, start_reading: StartReading
) -> None:
    reader = await start_reading()
    consumer = reader.consumer
    assert consumer.answered_seconds_ago() == 0
    await reader.read_once()
    an_hour_ago = (time.time() - 3_600) * 1_000
    for number in range(3):
        state = consumer._subscription.subscription.assignment.state_value(
            TopicPartition(topic, number)
        )
        state.timestamp = an_hour_ago
    assert 3_600 <= consumer.answered_seconds_ago() < 3_660
    async with asyncio.timeout(60):
        while consumer.answered_seconds_ago() > 60:
            await reader.read_once()


async def test_who_never_came_to_a_place_has_none_to_give_up() -> None:
    """As a worker that is told to stop while it waits for Kafka to be there."""
    consumer = RawConsumer("topic", bootstrap_servers="127.0.0.1:1", group_id="group")
    consumer.give_place_up()
    await consumer.stop()


@pytest.mark.parametrize("taken", ["before it", "after it"])
async def test_a_seek_during_a_fetch_loses_nothing(
    producer: AIOKafkaProducer,
    topic: str,
    start_reading: StartReading,
    monkeypatch: pytest.MonkeyPatch,
    taken: str,
) -> None:
    """As where a lane finds that it has to read again while the next records are fetched."""
    for partition in range(3):
        await send(producer, topic, partition, [Raw(value) for value in marks(*range(9))])
    reader = await start_reading()
    reader.consumer._lanes = 3
    await reader.read(27)
    fetch = AIOKafkaConsumer.getmany
    sought = False

    def seek_once(consumer: RawConsumer) -> None:
        nonlocal sought
        if not sought:
            sought = True
            for partition in consumer.assignment():
                consumer.seek(partition, 4)

    async def seeking(
        consumer: RawConsumer, *partitions: TopicPartition, **how: int | None
    ) -> dict[Any, Any]:
        if taken == "after it":
            seek_once(consumer)
        fetched: dict[Any, Any] = await fetch(consumer, *partitions, **how)
        if fetched:
            seek_once(consumer)
        return fetched

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", seeking)
    for partition in range(3):
        await send(producer, topic, partition, [Raw(value) for value in marks(9)])
    again = Reader(reader.consumer, [TopicPartition(topic, number) for number in range(3)])
    again.spans = {partition: [range(4)] for partition in again.spans}
    async with asyncio.timeout(20):
        await again.read(18)
    assert sought
    assert again.values == {number: marks(*range(4, 10)) for number in range(3)}


# -- logs that are damaged or cut --------------------------------------------------------------


@asynccontextmanager
async def beginning_anew(
    servers: Servers, on_cut: Callable[[TopicPartition, int], Awaitable[None]]
) -> AsyncIterator[RawConsumer]:
    """A consumer that begins anew, as the client does it, where its offset is beyond the end."""
    async with RawConsumer(
        bootstrap_servers=servers.kafka_bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        enable_auto_commit=False,
    ) as consumer:
        consumer.on_cut = on_cut
        yield consumer


async def test_a_damaged_log_keeps_no_other_partition_from_being_read(
    producer: AIOKafkaProducer,
    topic: str,
    start_reading: StartReading,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is read up to the damage, and looked at again in a while."""
    damaged = TopicPartition(topic, 0)
    reader = await start_reading()
    consumer = reader.consumer
    fetch, getmany = RawConsumer._fetch, AIOKafkaConsumer.getmany

    async def rotten(self: RawConsumer, offsets: dict[TopicPartition, int]) -> list[Any]:
        answers = await fetch(self, offsets)
        return [
            (one, [*answer[:-1], answer[-1][:-1] + b"?"] if one == damaged else answer)
            for one, answer in answers
        ]

    async def refusing(
        self: AIOKafkaConsumer, *partitions: TopicPartition, **bounds: int | None
    ) -> object:
        if damaged not in self.paused() and (not partitions or damaged in partitions):
            raise CorruptRecordException
        return await getmany(self, *partitions, **bounds)

    monkeypatch.setattr(RawConsumer, "_fetch", rotten)
    monkeypatch.setattr(AIOKafkaConsumer, "getmany", refusing)
    await send(producer, topic, 0, [Raw(b"whole")])
    await send(producer, topic, 0, [Raw(b"damaged")])
    await send(producer, topic, 1, [Raw(b"other")])
    with capture_logs() as logs:
        await reader.read(2)
    assert sorted(one.value for one in reader.records) == [b"other", b"whole"]
    assert [(line["event"], line["offset"]) for line in logs] == [("the log is damaged", 1)]

    await send(producer, topic, 1, [Raw(b"later")])
    await reader.read(3)
    monkeypatch.undo()
    consumer._damaged[damaged] = 0
    await reader.read(4)
    assert [one.value for one in reader.records[2:]] == [b"later", b"damaged"]


async def test_a_log_that_ends_before_where_reading_went_on_is_not_read(
    producer: AIOKafkaProducer, topic: str, servers: Servers
) -> None:
    """The client would begin anew, and what it reads would be taken for applied."""
    partition = TopicPartition(topic, 0)
    await send(producer, topic, 0, [Raw(mark) for mark in marks(*range(20))])
    told = []

    async def on_cut(cut: TopicPartition, position: int) -> None:
        told.append((cut, position))

    async with beginning_anew(servers, on_cut) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, 50)
        async with asyncio.timeout(20):
            while not told:
                assert await consumer.getmany(timeout_ms=100) == {}
        assert told == [(partition, 50)]
        assert await consumer.getmany(timeout_ms=500) == {}
        consumer.seek(partition, 18)
        async with asyncio.timeout(20):
            while not (fetched := await consumer.getmany(timeout_ms=100)):
                pass
    assert [one.offset for one in fetched[partition]] == [18, 19]


async def test_a_log_that_could_not_be_told_of_takes_nothing_from_the_others(
    producer: AIOKafkaProducer, topic: str, servers: Servers
) -> None:
    """It is told of again, and what was fetched of the others comes again."""
    cut, other = TopicPartition(topic, 0), TopicPartition(topic, 1)
    await send(producer, topic, 0, [Raw(b"cut")])
    await send(producer, topic, 1, [Raw(mark) for mark in marks(*range(3))])
    tries: list[TopicPartition] = []

    async def on_cut(partition: TopicPartition, _: int) -> None:
        tries.append(partition)
        if len(tries) == 1:
            raise TimeoutError

    async with beginning_anew(servers, on_cut) as consumer:
        consumer.assign([cut, other])
        consumer.seek(cut, 50)
        consumer.seek(other, 0)
        read: list[Any] = []
        async with asyncio.timeout(20):
            while len(tries) < 2 or len(read) < 3:
                with suppress(TimeoutError):
                    read += (await consumer.getmany(timeout_ms=100)).get(other, [])
    assert tries == [cut, cut]
    assert [one.value for one in read] == marks(*range(3))
