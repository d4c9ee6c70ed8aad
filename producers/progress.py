"""How far a shard of the relay has come, as Kafka itself knows it.

Each Kafka transaction of the relay also writes its intent's number to the progress topic, one
partition a shard. Whether an intent was committed is so a question that Kafka answers.
"""

import asyncio

from aiokafka import AIOKafkaConsumer, TopicPartition

from producers import topics
from producers.disconnect import disconnect
from producers.kafka import Kafka

_TIMEOUT_SECONDS = 30
_FIRST_LOOK_BACK = 16
# Where the broker is slow to say goodbye, a connection by TLS waits for it for half a minute, and
# what was read would be given up.
_LEAVE_SECONDS = 0.5


class ProgressUnreadable(Exception):
    """The progress topic could not be read to its end. Never taken for an empty one."""


async def read_progress(kafka: Kafka, shard: int) -> int:
    """The newest committed number of the shard, 0 where it never committed one.

    Call it only after the transactional producer was started, which ends the predecessor's
    transaction. Raises `ProgressUnreadable`, and what the client raises.
    """
    partition = TopicPartition(kafka.topic(topics.RELAY_PROGRESS), shard)
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            end = await _settled_end(kafka, partition)
            return await _newest_below(kafka, partition, end)
    except TimeoutError:
        msg = f"{partition.topic}/{shard} could not be read in {_TIMEOUT_SECONDS} s"
        raise ProgressUnreadable(msg) from None


async def _settled_end(kafka: Kafka, partition: TopicPartition) -> int:
    """The partition's end, once no transaction is open on it.

    The marker that ends the predecessor's transaction may be written a moment later.
    """
    committed = _consumer(kafka, "read_committed")
    everything = _consumer(kafka, "read_uncommitted")
    try:
        await committed.start()
        await everything.start()
        while True:
            stable = (await committed.end_offsets([partition]))[partition]
            end: int = (await everything.end_offsets([partition]))[partition]
            if stable == end:
                return end
            await asyncio.sleep(0.02)  # between two questions to the broker, not for luck
    finally:
        await asyncio.gather(*(disconnect(one, _LEAVE_SECONDS) for one in (everything, committed)))


async def _newest_below(kafka: Kafka, partition: TopicPartition, end: int) -> int:
    """The number in the last committed record before ``end``; markers take offsets too."""
    consumer = _consumer(kafka, "read_committed")
    try:
        await consumer.start()
        consumer.assign([partition])
        beginning = (await consumer.beginning_offsets([partition]))[partition]
        look_back = _FIRST_LOOK_BACK
        while True:
            start = max(beginning, end - look_back)
            newest = await _last_number(consumer, partition, start, end)
            if newest is not None:
                return newest
            if start == beginning:
                return 0
            look_back *= 4
    finally:
        await disconnect(consumer, _LEAVE_SECONDS)


async def _last_number(
    consumer: AIOKafkaConsumer, partition: TopicPartition, start: int, end: int
) -> int | None:
    consumer.seek(partition, start)
    newest = None
    while await consumer.position(partition) < end:
        for records in (await consumer.getmany(partition, timeout_ms=100)).values():
            for record in records:
                newest = int(record.value)
    return newest


def _consumer(kafka: Kafka, isolation_level: str) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **kafka.connection(),
        group_id=None,
        isolation_level=isolation_level,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
