"""How long a sender waits for the answer, at a rate that one service desk never reaches."""

import asyncio
import json
import time
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.installation import PARTITIONS, Installation
from benchmarks.workload import commands
from producers.kafka import partition_of
from producers.topics import CHAT_COMMANDS, REPLIES

_COMMAND_ID = slice(len('{"command_id":"'), len('{"command_id":"') + 36)
_WARM_UP_SECONDS = 2


async def milliseconds(installed: Installation, per_second: int, seconds: int) -> list[float]:
    """The time from appending a command to reading its committed reply, sorted.

    The clock of a command starts when its sender hands it over, so that the way to the broker
    counts, too. A command is due at a fixed time, whatever became of those before it.
    """
    count = per_second * (seconds + _WARM_UP_SECONDS)
    due = list(commands(count))
    sent: dict[str, float] = {}
    waited: dict[str, float] = {}
    producer = AIOKafkaProducer(**installed.kafka.connection(), acks="all")
    replies = AIOKafkaConsumer(
        **installed.kafka.connection(), isolation_level="read_committed", fetch_max_wait_ms=100
    )
    topic = installed.kafka.topic(REPLIES)
    await producer.start()
    await replies.start()
    replies.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
    await replies.seek_to_beginning()

    async def send() -> None:
        began = time.perf_counter()
        for number, command in enumerate(due):
            await asyncio.sleep(began + number / per_second - time.perf_counter())
            sent[json.loads(command.value)["command_id"]] = time.perf_counter()
            await producer.send(
                installed.kafka.topic(CHAT_COMMANDS),
                key=command.key,
                value=command.value,
                partition=partition_of(command.key, PARTITIONS),
            )

    async def read() -> None:
        while len(waited) < count:
            for records in (await replies.getmany(timeout_ms=1_000)).values():
                now = time.perf_counter()
                for record in records:
                    command_id = record.value[_COMMAND_ID].decode()
                    waited[command_id] = now - sent[command_id]

    try:
        with installed.worker() as worker:
            assert worker.stdout is not None
            assert await asyncio.to_thread(worker.stdout.readline) == "ready\n"
            async with asyncio.timeout(seconds + 60):
                await asyncio.gather(send(), read())
    finally:
        await producer.stop()
        await replies.stop()
    warm = list(sent)[per_second * _WARM_UP_SECONDS :]
    return sorted(waited[command_id] * 1_000 for command_id in warm)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that this share of the values does not exceed."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
