"""The same messages through faststream-outbox: rows of a table to Kafka, at least once.

The topic is the queue's name. It fetches as many rows at once as our relay takes, deletes hundreds
at once, and has enough workers to keep Kafka's client busy; with more than one, messages change
places.
``python -m benchmarks.faststream_relay WORKERS`` relays until it is told to stop.
"""

import asyncio
import json
import sys
from collections.abc import Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from faststream import FastStream
from faststream.kafka import KafkaBroker
from faststream_outbox import OutboxBroker, make_outbox_table
from faststream_outbox.annotations import OutboxMessage
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from benchmarks.installation import PARTITIONS, Installation
from benchmarks.rate import later_rate
from firstline.settings import Settings
from producers import topics
from producers.relay import RelaySettings
from storage.database import DIALECT, dialling
from storage.headers import unpack
from storage.outbox import Message

_METADATA = MetaData()
_TABLE = make_outbox_table(_METADATA, "leased")
_ROWS = RelaySettings().bounds.rows
_DELETED_AT_ONCE = 500

WORKERS = (1, 50)
"""One keeps the order, as our relay does; the other number is for speed."""

_QUEUES = [
    topics.REPLIES,
    topics.SESSION_EVENTS,
    topics.SESSION_STATE,
    topics.TICKETING,
    topics.ENGINEER_NOTIFICATIONS,
]


async def relayed_per_second(
    installed: Installation, messages: Sequence[Message], workers: int
) -> float:
    """Messages a second of such a relay that finds a table full of them, as they reach Kafka.

    Rows are deleted later, and many at once.
    """
    engine = create_async_engine(DIALECT, async_creator=dialling(installed.database_url))
    async with engine.begin() as connection:
        await connection.run_sync(_METADATA.create_all)
    await engine.dispose()
    async with installed.connected() as connection:
        await connection.executemany(
            f"insert into {_TABLE.name} (queue, payload, headers) values ($1, $2, $3::jsonb)",
            [(one.topic, one.value, json.dumps(_headers(one))) for one in messages],
        )
        await connection.execute(f"analyze {_TABLE.name}")

        async with AIOKafkaConsumer(**installed.kafka.connection()) as reader:
            partitions = [
                TopicPartition(installed.kafka.topic(topic), number)
                for topic in _QUEUES
                for number in range(PARTITIONS)
            ]

            async def arrived() -> int:
                return sum((await reader.end_offsets(partitions)).values())

            with installed.process("-m", "benchmarks.faststream_relay", str(workers)):
                return await later_rate(arrived, len(messages))


async def relay(workers: int) -> None:
    """Publish what is in the table."""
    settings = Settings()
    assert settings.kafka_bootstrap is not None
    assert settings.database_url is not None
    ours = settings.kafka(settings.kafka_bootstrap)
    engine = create_async_engine(
        DIALECT, async_creator=dialling(settings.database_url), pool_size=workers + 5
    )
    kafka = KafkaBroker(ours.bootstrap, acks="all", enable_idempotence=True, logger=None)
    rows = OutboxBroker(engine, outbox_table=_TABLE, logger=None)

    @rows.subscriber(
        _QUEUES,
        max_workers=workers,
        fetch_batch_size=_ROWS,
        terminal_flush_batch_size=_DELETED_AT_ONCE,
        min_fetch_interval=0.01,
    )
    async def publish(message: OutboxMessage) -> None:
        row = message.raw_message
        headers = dict(row.headers or {})
        key = headers.pop("key").encode()
        await kafka.publish(row.payload, ours.topic(row.queue), key=key, headers=headers)

    await FastStream(rows, on_startup=[kafka.connect], logger=None).run()


def _headers(message: Message) -> dict[str, str]:
    """The headers, and the key, for which the table has no column."""
    headers = {name.decode(): (value or b"").decode() for name, value in unpack(message.headers)}
    return headers | {"key": (message.key or b"").decode()}


if __name__ == "__main__":
    asyncio.run(relay(int(sys.argv[1])))
