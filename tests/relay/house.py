"""An outbox, topics of its own, and a reader who says what became of the messages."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from producers.kafka import Kafka
from producers.relay import Relay, RelaySettings, open_relay
from storage import intents, outbox
from storage.database import begin
from storage.intents import Bounds, ShardState
from storage.outbox import Message

Open = Callable[[AsyncExitStack, AsyncEngine, Kafka, int, RelaySettings], Awaitable[Relay]]

LOST, TWICE, DISORDERED = "lost", "twice", "disordered"
FENCED = (KafkaError, IllegalOperation)
"""How the client of a relay that was replaced puts it, by the request that is refused first."""

PARTITIONS = 2
SMALL_INTENTS = RelaySettings(Bounds(rows=8), idle_seconds=0.005)
TOPICS = ("session-events", "ticketing")
_KEYS = 5

Ends = dict[TopicPartition, int]
Seen = tuple[str, bytes | None, bytes | None]
"""A message as readers see it: topic without its prefix, key, value."""


@dataclass(slots=True)
class House:
    """One database and one prefix, both empty at first."""

    kafka: Kafka
    database_url: str
    engine: AsyncEngine
    staged: list[Message] = field(default_factory=list)

    async def stage(self, count: int) -> None:
        """Put numbered messages of several keys into the outbox."""
        numbers = range(len(self.staged), len(self.staged) + count)
        await self.stage_these(
            [
                Message(TOPICS[number % 2], b"key-%d" % (number % _KEYS), b"%d" % number)
                for number in numbers
            ]
        )

    async def stage_these(self, messages: Sequence[Message]) -> None:
        """Put messages into the outbox, in this order."""
        async with begin(self.engine) as tx:
            await outbox.stage(tx, messages, most_bytes=2_000_000)
        self.staged += messages

    @asynccontextmanager
    async def relay(
        self, open_: Open = open_relay, settings: RelaySettings = SMALL_INTENTS
    ) -> AsyncIterator[Relay]:
        """A relay; in the end its producer is thrown away, whatever it was at."""
        async with AsyncExitStack() as stack:
            yield await open_(stack, self.engine, self.kafka, 0, settings)

    async def relay_all(
        self, open_: Open = open_relay, settings: RelaySettings = SMALL_INTENTS
    ) -> None:
        """Have a new relay recover, and bring out all that waits."""
        async with self.relay(open_, settings) as relay:
            while await relay.relay_once():
                pass

    async def waiting(self) -> int:
        """How many messages are in the outbox."""
        async with begin(self.engine) as tx:
            ((count,),) = await tx.fetch("select count(*) from outbox")
        return int(count)

    async def state(self) -> ShardState:
        """What the database knows of the relay."""
        async with begin(self.engine) as tx:
            return await intents.state(tx, 0)

    async def clear(self) -> None:
        """Leave nothing in the database that a relay looks at."""
        async with begin(self.engine) as tx:
            await tx.execute("truncate outbox, outbox_set_aside, relay_shards")

    async def forget_the_relay(self) -> None:
        """Have the database know nothing of the relay, as where an old backup was restored."""
        async with begin(self.engine) as tx:
            await tx.execute("delete from relay_shards")

    async def visible(self) -> int:
        """How many messages readers see by now."""
        return len(await read(self.kafka, TOPICS, to_the_end=False))

    async def faults(self, *topics: str) -> set[str]:
        """What is wrong with what readers see: nothing, where it is all there, once, in order."""
        there = _by_queue(await read(self.kafka, topics or TOPICS))
        wanted = _by_queue((one.topic, one.key, one.value) for one in self.staged)
        found = set()
        for queue, values in wanted.items():
            seen = there.get(queue, [])
            first_seen = list(dict.fromkeys(seen))
            if len(seen) > len(first_seen):
                found.add(TWICE)
            if set(values) > set(first_seen):
                found.add(LOST)
            if first_seen != [value for value in values if value in first_seen]:
                found.add(DISORDERED)
        return found


async def read(kafka: Kafka, topics: Sequence[str], *, to_the_end: bool = True) -> list[Seen]:
    """Every committed record, in order within each partition.

    To the end, or up to the first record of a transaction that is still open.
    """
    committed, everything = _reader(kafka, "read_committed"), _reader(kafka, "read_uncommitted")
    seen: list[Seen] = []
    try:
        await committed.start()
        await everything.start()
        partitions = [
            TopicPartition(kafka.topic(topic), number)
            for topic in topics
            for number in range(PARTITIONS)
        ]
        for reader in (committed, everything):
            reader.assign(partitions)
        async with asyncio.timeout(20):
            stable: Ends = await committed.end_offsets(partitions)
            while to_the_end and stable != await everything.end_offsets(partitions):
                stable = await committed.end_offsets(partitions)
            for partition, end in stable.items():
                while await committed.position(partition) < end:
                    fetched = await committed.getmany(partition, timeout_ms=100)
                    for record in fetched.get(partition, []):
                        topic = record.topic.removeprefix(kafka.prefix)
                        seen.append((topic, record.key, record.value))
    finally:
        await everything.stop()
        await committed.stop()
    return seen


def _reader(kafka: Kafka, isolation_level: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap,
        isolation_level=isolation_level,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )


def _by_queue(messages: Iterable[Seen]) -> dict[tuple[str, bytes | None], list[bytes | None]]:
    queues: dict[tuple[str, bytes | None], list[bytes | None]] = {}
    for topic, key, value in messages:
        queues.setdefault((topic, key), []).append(value)
    return queues
