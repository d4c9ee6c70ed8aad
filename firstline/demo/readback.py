"""What is left when all is quiet: committed records of the outcome topics, rows of sessions."""

import asyncio
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer

from firstline.demo.catalogue import account_id
from firstline.demo.program import DemoFailed
from producers.kafka import Kafka

EVENT_TOPICS = ("session-events", "ticketing", "engineer-notifications")
_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Left:
    """What the demo left behind, by topic, the messages of a partition in their order.

    `dead_letters` are the reasons that they name, `sessions` the rows by kind and status.
    """

    events: dict[str, list[dict[str, Any]]]
    replies: list[dict[str, Any]]
    sessions: Counter[tuple[str, str]]
    dead_letters: list[str] = field(default_factory=list)


async def quiet(database_url: str) -> None:
    """Wait until nothing is left to publish; raises `DemoFailed` after a minute."""
    connection = await asyncpg.connect(database_url)
    try:
        deadline = time.monotonic() + _WITHIN
        while left := await connection.fetchval("select count(*) from outbox"):
            if time.monotonic() > deadline:
                message = f"{left} messages were not published within {_WITHIN:.0f} s."
                raise DemoFailed(message)
            await asyncio.sleep(0.05)
    finally:
        await connection.close()


async def read_back(*, kafka: Kafka, database_url: str) -> Left:
    """Read all that was published, and count the sessions in Postgres by kind and status."""
    records = {
        name: await _committed(kafka, kafka.topic(name))
        for name in (*EVENT_TOPICS, "replies", "dead-letters")
    }
    return Left(
        events={
            name: [json.loads(record.value) for record in records[name]] for name in EVENT_TOPICS
        },
        replies=[json.loads(record.value) for record in records["replies"]],
        sessions=await _sessions(database_url),
        dead_letters=[_reason(record) for record in records["dead-letters"]],
    )


async def _committed(kafka: Kafka, topic: str) -> list[Any]:
    """Read a topic from its beginning to its end as it is now, what was aborted left out.

    The end is reached when the position says so: an empty poll proves nothing, and the marks of
    transactions take offsets without being records.
    """
    consumer = AIOKafkaConsumer(
        topic,
        **kafka.connection(),
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        records: list[Any] = []
        deadline = time.monotonic() + _WITHIN
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            if time.monotonic() > deadline:
                message = f"{topic} could not be read to its end within {_WITHIN:.0f} s."
                raise DemoFailed(message)
            batches = await consumer.getmany(timeout_ms=200)
            records += chain.from_iterable(batches.values())
        return records
    finally:
        await consumer.stop()


def _reason(record: Any) -> str:  # noqa: ANN401 -- aiokafka has no types
    return next((value.decode() for name, value in record.headers if name == "fl_reason"), "?")


async def _sessions(database_url: str) -> Counter[tuple[str, str]]:
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            """
            select kind, status, count(*)
              from sessions
             where account_id = $1
             group by kind, status
            """,
            account_id(),
        )
        return Counter({(row["kind"], row["status"]): row["count"] for row in rows})
    finally:
        await connection.close()
