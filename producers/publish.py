"""One intent as one Kafka transaction."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError
from aiokafka.producer import sender

from producers import topics
from producers.disconnect import disconnect, heard
from producers.kafka import Kafka, partition_of
from storage.failpoints import reach
from storage.headers import names_and_values
from storage.intents import Intent
from storage.outbox import Message, Row

TRANSACTION_SECONDS = 15
"""How long an open transaction of a dead relay may hold back those who read committed records."""

CAREFUL_SECONDS = 300
"""The same where rows go one by one: two thousand, each after Kafka's answer to the one before."""

# While the broker still ends the last transaction, it refuses the next one's first request, and
# the client asks again after this long. It takes a few milliseconds; the client's own value of 20
# was most of what a sender waited for an answer.
sender.BACKOFF_OVERRIDE = 0.002
_THROW_AWAY_SECONDS = 1.0
_BATCH_BYTES = 1_000_000
# They take half a millisecond.
_ROWS_AT_ONCE = 200
# Headers that many messages share are short. Those of an event are long, and its own.
_SHARED_BYTES = 100
OWN_FAULT = (MessageSizeTooLargeError, RecordListTooLargeError)
"""What Kafka answers where a message itself is at fault, not the moment or the deployment."""


class RowsRefused(Exception):
    """Kafka refuses these rows for their own sake. Nothing of the transaction was committed."""

    def __init__(self, rows: Sequence[Row], why: str) -> None:
        super().__init__(f"{len(rows)} messages refused: {why}")
        self.rows = rows
        self.why = why


@asynccontextmanager
async def transactional_producer(
    kafka: Kafka, shard: int, *, careful: bool = False
) -> AsyncIterator[AIOKafkaProducer]:
    """A producer that has fenced every predecessor of the shard and ended its transaction.

    Nothing is aborted on the way out: an error in a transaction leaves it to the next producer
    of the same id. A late request to end the old transaction could otherwise hit a new one,
    because the client speaks the transaction protocol from before KIP-890. A ``careful`` one is to
    send rows one by one.
    """
    seconds = CAREFUL_SECONDS if careful else TRANSACTION_SECONDS
    producer = AIOKafkaProducer(
        **kafka.connection(),
        transactional_id=f"{kafka.prefix}relay-{shard}",
        transaction_timeout_ms=seconds * 1000,
        request_timeout_ms=TRANSACTION_SECONDS * 1000,
        max_batch_size=_BATCH_BYTES,
        max_request_size=4 * _BATCH_BYTES,
        acks="all",
        enable_idempotence=True,
    )
    try:
        async with asyncio.timeout(2 * TRANSACTION_SECONDS):
            await producer.start()
        yield producer
    finally:
        await disconnect(producer, _THROW_AWAY_SECONDS)


class RecordBatch(NamedTuple):
    """Messages of one partition, in the form in which they go over the wire."""

    topic: str
    partition: int
    builder: Any


async def publish(  # noqa: PLR0913 - what, and how
    producer: AIOKafkaProducer,
    kafka: Kafka,
    shard: int,
    intent: Intent,
    *,
    batches: Sequence[RecordBatch] | None = None,
    one_by_one: bool = False,
) -> None:
    """Send the intent's rows and its number, and commit.

    Any exception but `RowsRefused` leaves the outcome unknown: the producer must be thrown away
    and the progress read again. ``batches`` are the rows where they were encoded already;
    ``one_by_one`` tells the rows apart that Kafka refuses.
    """
    async with asyncio.timeout(CAREFUL_SECONDS if one_by_one else TRANSACTION_SECONDS):
        if batches is None and not one_by_one:
            batches = await encode(producer, kafka, intent.rows)
        await producer.begin_transaction()
        # Nothing is waited for in between, so that the client asks once to have all partitions in
        # the transaction, and sends one request to a broker.
        sent = [
            heard(await producer.send_batch(builder, topic, partition=partition))
            for topic, partition, builder in batches or ()
        ]
        progress = heard(
            await producer.send(
                kafka.topic(topics.RELAY_PROGRESS),
                key=str(shard).encode(),
                value=str(intent.number).encode(),
                partition=shard,
            )
        )
        if one_by_one:
            await _send_one_by_one(producer, kafka, intent.rows)
        # Every send is awaited: one that fails unawaited would not fail the transaction. None is
        # cancelled where another fails: what the client does about it would be for nobody to hear.
        for acknowledged in asyncio.as_completed([*sent, progress]):
            await acknowledged
            reach("relay: sending")
        reach("relay: acked")
        await producer.commit_transaction()
    reach("relay: committed")


async def encode(
    producer: AIOKafkaProducer, kafka: Kafka, rows: Sequence[Row]
) -> list[RecordBatch]:
    """The rows as whole batches, in order in each partition: a third of a send a message.

    It gives way now and then: Kafka may be at work on the intent before meanwhile.
    """
    batches: list[RecordBatch] = []
    newest: dict[tuple[str, int], RecordBatch] = {}
    counts: dict[str, int] = {}
    for place, row in enumerate(rows):
        message = row.message
        if message.topic not in counts:
            counts[message.topic] = await _partitions(producer, kafka, message.topic)
        where = message.topic, _partition(message, counts[message.topic])
        batch = newest.get(where)
        if batch is None or not _append(batch.builder, message):
            batch = RecordBatch(kafka.topic(message.topic), where[1], producer.create_batch())
            _append(batch.builder, message)
            newest[where] = batch
            batches.append(batch)
        if place % _ROWS_AT_ONCE == 0:
            await asyncio.sleep(0)
    return batches


def _append(batch: object, message: Message) -> bool:
    """Add the message, or return False where the batch is full."""
    packed = message.headers
    headers = _shared_headers(packed) if len(packed) <= _SHARED_BYTES else _headers(packed)
    appended = batch.append(  # type: ignore[attr-defined]
        key=message.key, value=message.value, timestamp=None, headers=headers
    )
    return appended is not None


def _headers(packed: bytes) -> Sequence[tuple[str, bytes | None]]:
    """Headers as Kafka's client takes them."""
    names, values = names_and_values(packed)
    return list(zip(map(_name, names), values, strict=True))


_shared_headers = lru_cache(maxsize=1024)(_headers)


@lru_cache(maxsize=1024)
def _name(name: bytes) -> str:
    return name.decode("utf-8", "replace")


async def _send_one_by_one(producer: AIOKafkaProducer, kafka: Kafka, rows: Sequence[Row]) -> None:
    """Each message as a batch of its own, up to the first that Kafka refuses.

    No further: the refused batch has used up a sequence number of its partition, so that whatever
    came after it there would be refused as out of order.
    """
    for row in rows:
        (batch,) = await encode(producer, kafka, [row])
        try:
            await (await producer.send_batch(batch.builder, batch.topic, partition=batch.partition))
        except OWN_FAULT as error:
            raise RowsRefused([row], type(error).__name__) from error


async def _partitions(producer: AIOKafkaProducer, kafka: Kafka, topic: str) -> int:
    return len(await producer.partitions_for(kafka.topic(topic)))


def _partition(message: Message, partitions: int) -> int:
    return 0 if message.key is None else partition_of(message.key, partitions)
