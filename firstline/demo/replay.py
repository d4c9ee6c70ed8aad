"""Sending the story at a steady rate, while somebody else reads the answers as they come."""

import asyncio
import json
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from firstline.demo.story import Sent
from producers import topics
from producers.kafka import Kafka

_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, and when a reader saw it (seconds since 1970)."""

    reply: dict[str, Any]
    seen: float


@dataclass(frozen=True, slots=True)
class Wait:
    """How long one record waited for its answer, in seconds.

    From `appended`, the broker's own timestamp (it stamps a record of a command topic when it
    appends it), to the moment when a consumer that reads only what is committed had the answer.
    """

    appended: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay took and brought.

    `seconds` is how long sending took.
    """

    sent: int
    seconds: float
    answers: list[Answer]
    waits: list[Wait]


async def replay(
    story: Sequence[Sent],
    *,
    kafka: Kafka,
    rate: float,
    watch: Callable[[int, int], None],
) -> Replayed:
    """Send every record, `rate` a second, and wait for as many answers.

    Returns early, with fewer answers, where none has come for half a minute. `watch` is called
    with the numbers sent and answered so far, and may raise to stop.
    """
    async with _reading(kafka) as reading, _producer(kafka) as producer:
        began = time.monotonic()
        futures: list[asyncio.Future[Any]] = []
        for place, sent in enumerate(story):
            await asyncio.sleep(began + place / rate - time.monotonic())
            if sent.after is not None:
                await reading.answer_to(sent.after)
            topic = kafka.topic(f"commands.{sent.source}")
            futures.append(await producer.send(topic, value=sent.value, key=sent.key))
            watch(len(futures), len(reading.answers))
        appended = await asyncio.gather(*futures)
        seconds = time.monotonic() - began
        await reading.wait_for(len(story), lambda: watch(len(story), len(reading.answers)))
    stamps = [record.timestamp / 1000 for record in appended]
    pairs = zip((sent.command_id for sent in story), stamps, strict=True)
    return Replayed(len(story), seconds, reading.answers, waits(pairs, reading.answers))


def waits(appended: Iterable[tuple[str, float]], answers: Iterable[Answer]) -> list[Wait]:
    """Pair records with answers, the first sent with the first answered for each command id."""
    stamps: defaultdict[str, deque[float]] = defaultdict(deque)
    for command_id, stamp in appended:
        stamps[command_id].append(stamp)
    paired = (
        (queue.popleft(), answer.seen)
        for answer in answers
        if (queue := stamps[answer.reply["command_id"]])
    )
    return [Wait(stamp, seen - stamp) for stamp, seen in paired]


class _Reading:
    """A consumer of replies at work in the background, and what it has seen so far."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self.answers: list[Answer] = []
        self._consumer = consumer

    async def read(self) -> None:
        while True:
            batches = await self._consumer.getmany(timeout_ms=1000)
            seen = time.time()
            for records in batches.values():
                self.answers += [Answer(json.loads(record.value), seen) for record in records]

    async def answer_to(self, command_id: str) -> None:
        """Return when the command's answer has come, or half a minute later."""
        since = time.monotonic()
        while time.monotonic() - since < _PATIENCE:
            if any(answer.reply["command_id"] == command_id for answer in self.answers):
                return
            await asyncio.sleep(0.01)

    async def wait_for(self, expected: int, watch: Callable[[], None]) -> None:
        """Return when that many have come, or when none has come for half a minute."""
        count, since = len(self.answers), time.monotonic()
        while count < expected and time.monotonic() - since < _PATIENCE:
            await asyncio.sleep(0.05)
            watch()
            if len(self.answers) > count:
                count, since = len(self.answers), time.monotonic()


@asynccontextmanager
async def _reading(kafka: Kafka) -> AsyncIterator[_Reading]:
    consumer = AIOKafkaConsumer(
        kafka.topic(topics.REPLIES),
        **kafka.connection(),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    reading = _Reading(consumer)
    task = asyncio.create_task(reading.read())
    try:
        yield reading
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await consumer.stop()


@asynccontextmanager
async def _producer(kafka: Kafka) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(**kafka.connection(), acks="all", enable_idempotence=True)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
