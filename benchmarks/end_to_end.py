"""From the command topic to readers of committed events, one worker and its relay."""

import asyncio

from confluent_kafka import Consumer, TopicPartition

from benchmarks.installation import PARTITIONS, Installation
from benchmarks.rate import later_rate
from benchmarks.workload import commands
from producers.topics import CHAT_COMMANDS, SESSION_EVENTS


async def events_per_second(installed: Installation, count: int) -> float:
    """Events a second as a reader of committed records sees them; each command has one."""
    await installed.append(CHAT_COMMANDS, list(commands(count)))
    reader = Consumer(
        {
            "bootstrap.servers": installed.kafka.bootstrap,
            "group.id": f"{installed.kafka.prefix}reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
        }
    )
    topic = installed.kafka.topic(SESSION_EVENTS)
    reader.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])
    seen = 0

    async def read() -> int:
        nonlocal seen
        records = await asyncio.to_thread(reader.consume, 100_000, 0.02)
        seen += sum(record.error() is None for record in records)
        return seen

    try:
        with installed.worker():
            return await later_rate(read, count)
    finally:
        reader.close()
