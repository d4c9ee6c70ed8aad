"""A straightforward worker: FastStream, a model, an ORM session, a commit and an ack a message.

It is written as a good engineer would, and keeps the promises of a good service: a command sent
twice takes effect once, its session is locked, answer and events are written with their cause,
and an offset is committed after its command. ``python -m benchmarks.naive`` consumes until it is
told to stop.
"""

import asyncio
from datetime import UTC, datetime

from faststream import AckPolicy, FastStream
from faststream.kafka import KafkaBroker
from faststream.kafka.annotations import KafkaMessage
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

from benchmarks import one_by_one
from benchmarks.installation import Installation
from benchmarks.rate import later_rate
from benchmarks.workload import commands
from consumers.decode import decode
from consumers.records import Delivery, Source
from firstline.settings import Settings
from producers.topics import CHAT_COMMANDS
from storage.database import DIALECT, dialling


async def applied_per_second(installed: Installation, count: int) -> float:
    """Commands a second of one such worker, over the later nine tenths of ``count``."""
    await installed.append(CHAT_COMMANDS, list(commands(count)))
    async with installed.connected() as connection:
        with installed.process("-m", "benchmarks.naive"):
            return await later_rate(
                lambda: connection.fetchval("select count(*) from inbox"), count
            )


async def consume() -> None:
    """Apply what arrives, one command after the other."""
    settings = Settings()
    assert settings.kafka_bootstrap is not None
    assert settings.database_url is not None
    kafka = settings.kafka(settings.kafka_bootstrap)
    engine = create_async_engine(DIALECT, async_creator=dialling(settings.database_url))
    sessions = async_sessionmaker(engine, expire_on_commit=False)
    broker = KafkaBroker(kafka.bootstrap, logger=None)

    @broker.subscriber(
        kafka.topic(CHAT_COMMANDS),
        group_id=f"{kafka.prefix}naive",
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
    )
    async def handle(message: KafkaMessage) -> None:
        assert not isinstance(message.raw_message, tuple)
        delivery = decode(message.raw_message, Source.CHAT)
        assert isinstance(delivery, Delivery)
        async with sessions() as db:
            await one_by_one.apply(db, delivery, datetime.now(UTC))

    await FastStream(broker, logger=None).run()
    await engine.dispose()


if __name__ == "__main__":
    asyncio.run(consume())
