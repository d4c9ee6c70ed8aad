"""Where the relay publishes to: a list that behaves as Kafka's transactions do, or Kafka itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import ProducerFenced

from firstline.topics import create_topics
from producers import relay
from producers.kafka import Kafka
from producers.publish import publish
from producers.topics import ALL, RELAY_PROGRESS
from storage.intents import Intent
from tests.model.bench import AnswerLost, Death, Fuse, Killed
from tests.model.expected import Queue
from tests.model.wire import PARTITIONS, gist

Published = tuple[Queue, object]
"""A message by its queue and its gist."""

Publish = Callable[..., Awaitable[None]]


@dataclass(slots=True)
class Outlet:
    """What the relay publishes to, with a process in front of it that can be killed.

    ``ids`` are of the outbox rows that were committed, in that order, and ``rows`` what they hold.
    """

    kafka: Kafka
    at_publish: Fuse | None = None
    ids: list[int] = field(default_factory=list)
    rows: list[Published] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Have the relay publish to this outlet."""
        raise NotImplementedError

    async def read_back(self) -> list[Published]:
        """Everything that readers see of what was published since the last `clear`."""
        raise NotImplementedError

    async def clear(self) -> None:
        """Have nothing published."""
        self.at_publish = None
        self.ids.clear()
        self.rows.clear()

    def fused(self, publish: Publish) -> Publish:
        """The function that publishes an intent, but for the death that it may meet."""

        async def fused(
            producer: object, kafka: Kafka, shard: int, intent: Intent, **how: object
        ) -> None:
            death = self.at_publish and self.at_publish.burn()
            if death is Death.BEFORE:
                raise Killed
            await publish(producer, kafka, shard, intent, **how)
            for row in intent.rows:
                topic, key = row.message.topic, row.message.key
                assert key is not None
                self.ids.append(row.id)
                self.rows.append(((topic, key), gist(topic, row.message.value)))
            if death is Death.AFTER:
                raise Killed
            if death is Death.ANSWER_LOST:
                raise AnswerLost

        return fused


@dataclass(slots=True)
class Recorder(Outlet):
    """A commit shows an intent's rows and its number at once, and only to the newest producer."""

    epoch: int = 0
    progress: int = 0

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(relay, "transactional_producer", self._producer)
        monkeypatch.setattr(relay, "read_progress", self._read_progress)
        monkeypatch.setattr(relay, "publish", self.fused(self._commit))
        monkeypatch.setattr(relay, "encode", self._encode)

    async def read_back(self) -> list[Published]:
        return self.rows

    async def clear(self) -> None:
        await Outlet.clear(self)
        self.progress = 0

    @asynccontextmanager
    async def _producer(self, _kafka: Kafka, _shard: int, **_: bool) -> AsyncIterator[int]:
        self.epoch += 1
        yield self.epoch

    async def _read_progress(self, _kafka: Kafka, _shard: int) -> int:
        return self.progress

    async def _encode(self, _producer: int, _kafka: Kafka, rows: object) -> object:
        return rows

    async def _commit(
        self, producer: int, _kafka: Kafka, _shard: int, intent: Intent, **how: object
    ) -> None:
        assert not how["one_by_one"]
        if producer != self.epoch:
            raise ProducerFenced
        self.progress = intent.number


@dataclass(slots=True)
class Cluster(Outlet):
    """Kafka itself, read back by consumers of our own."""

    partitions: list[TopicPartition] = field(default_factory=list)
    consumers: list[AIOKafkaConsumer] = field(default_factory=list)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(relay, "publish", self.fused(publish))

    async def open(self) -> None:
        """Create the topics, and begin to read all but the relay's own."""
        await create_topics(self.kafka, partitions=PARTITIONS, replication=1, retention_days=1)
        self.partitions = [
            TopicPartition(self.kafka.topic(topic.name), number)
            for topic in ALL
            if not topic.incoming and topic.name != RELAY_PROGRESS
            for number in range(PARTITIONS)
        ]
        for isolation in ("read_committed", "read_uncommitted"):
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self.kafka.bootstrap,
                isolation_level=isolation,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
            )
            self.consumers.append(consumer)
            await consumer.start()
            consumer.assign(self.partitions)

    async def close(self) -> None:
        for consumer in self.consumers:
            await consumer.stop()

    async def read_back(self) -> list[Published]:
        consumer, _ = self.consumers
        found: list[Published] = []
        async with asyncio.timeout(30):
            for partition, end in (await self._ends()).items():
                while await consumer.position(partition) < end:
                    fetched = await consumer.getmany(partition, timeout_ms=100)
                    for record in fetched.get(partition, []):
                        topic = record.topic.removeprefix(self.kafka.prefix)
                        found.append(((topic, record.key), gist(topic, record.value)))
        return found

    async def clear(self) -> None:
        await Outlet.clear(self)
        consumer, _ = self.consumers
        for partition, end in (await self._ends()).items():
            consumer.seek(partition, end)

    async def _ends(self) -> dict[TopicPartition, int]:
        """The ends of the partitions, once no transaction is open on any of them."""
        while True:
            stable, ends = [await one.end_offsets(self.partitions) for one in self.consumers]
            if stable == ends:
                return dict(ends)
