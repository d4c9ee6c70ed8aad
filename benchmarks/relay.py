"""How many messages a second the relay publishes, and what Kafka's client takes from memory."""

import time
from collections import defaultdict
from collections.abc import Awaitable, Mapping, Sequence

from aiokafka import AIOKafkaProducer

from benchmarks.installation import Installation
from benchmarks.rate import later_rate
from producers.kafka import Kafka, partition_of
from producers.publish import transactional_producer
from producers.relay import RelaySettings
from storage.headers import unpack
from storage.outbox import Message

_TRANSACTION = RelaySettings().bounds.rows

Ready = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]
"""Key, value and headers of a message as Kafka's client wants them."""


async def relayed_per_second(installed: Installation) -> float:
    """Messages a second of a relay that finds an outbox full of them."""
    async with installed.connected() as connection:
        first, last = await connection.fetchrow("select min(id), max(id) from outbox")
        await connection.execute("vacuum analyze outbox")
        left = first

        async def gone() -> int:
            nonlocal left
            # From where it was: what is deleted lies in the index, and to step over it takes time
            # that is the relay's.
            found = await connection.fetchval(
                "select id from outbox where shard = 0 and id >= $1 order by id limit 1", left
            )
            left = last + 1 if found is None else found
            return int(left - first)

        with installed.process("-m", "firstline", "relay"):
            return await later_rate(gone, last + 1 - first)


async def staged(installed: Installation) -> list[Message]:
    """The messages that wait in the outbox, in order."""
    async with installed.connected() as connection:
        rows = await connection.fetch("select topic, key, value, headers from outbox order by id")
    return [Message(*row) for row in rows]


async def sent_per_second(kafka: Kafka, messages: Sequence[Message], partitions: int) -> float:
    """Messages a second of the bare client: from memory, in transactions, a batch a partition.

    Everything that can be known beforehand is: partitions, and headers as the client wants them.
    """
    transactions = [
        _by_partition(kafka, messages[start : start + _TRANSACTION], partitions)
        for start in range(0, len(messages), _TRANSACTION)
    ]
    async with transactional_producer(kafka, 0) as producer:
        began = time.perf_counter()
        for transaction in transactions:
            await producer.begin_transaction()
            acknowledged: list[Awaitable[object]] = []
            for (topic, partition), ready in transaction.items():
                acknowledged += await _send(producer, topic, partition, ready)
            for one in acknowledged:
                await one
            await producer.commit_transaction()
        return len(messages) / (time.perf_counter() - began)


def _by_partition(
    kafka: Kafka, messages: Sequence[Message], partitions: int
) -> Mapping[tuple[str, int], Sequence[Ready]]:
    by_partition: dict[tuple[str, int], list[Ready]] = defaultdict(list)
    for message in messages:
        where = kafka.topic(message.topic), partition_of(message.key or b"", partitions)
        headers = [(name.decode(), value) for name, value in unpack(message.headers)]
        by_partition[where].append((message.key, message.value, headers))
    return by_partition


async def _send(
    producer: AIOKafkaProducer, topic: str, partition: int, messages: Sequence[Ready]
) -> list[Awaitable[object]]:
    """Send the messages in as few batches as hold them."""
    sent: list[Awaitable[object]] = []
    batch = producer.create_batch()
    for key, value, headers in messages:
        if batch.append(key=key, value=value, timestamp=None, headers=headers) is None:
            sent.append(await producer.send_batch(batch, topic, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None, headers=headers)
    return [*sent, await producer.send_batch(batch, topic, partition=partition)]
