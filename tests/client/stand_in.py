"""In a worker's place: takes the commands from Kafka, and answers as it is told."""

import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from firstline.topics import create_topics
from producers import topics
from producers.kafka import Kafka

Json = dict[str, Any]

PARTITIONS = 3


async def with_topics(bootstrap: str) -> Kafka:
    """Kafka with topics of a prefix that nobody else uses, and no worker."""
    kafka = Kafka(bootstrap, f"client-{secrets.token_hex(4)}.")
    await create_topics(kafka, partitions=PARTITIONS, replication=1, retention_days=1)
    return kafka


class StandIn:
    """Reads every command on the chat topic, in the order of arrival."""

    def __init__(
        self, kafka: Kafka, consumer: AIOKafkaConsumer, producer: AIOKafkaProducer
    ) -> None:
        self._replies = kafka.topic(topics.REPLIES)
        self._consumer = consumer
        self.producer = producer

    async def next(self) -> "ConsumerRecord[bytes, bytes]":
        """The next command's record."""
        return await self._consumer.getone()

    async def answer(self, command: Json, **more: object) -> None:
        """Accept a command, but for what ``more`` says."""
        reply = {
            "command_id": command["command_id"],
            "session_id": command["session_id"],
            "account_id": command["account_id"],
            "outcome": "accepted",
            "duplicate": False,
            "version": 1,
            "session": {"status": "active", "kind": "adhoc"},
            "recorded_at": "2026-03-01T12:00:00.000000Z",
        }
        await self.say(command["session_id"], json.dumps(reply | more).encode())

    async def say(self, session_id: str, value: bytes) -> None:
        """Write to the replies topic."""
        await self.producer.send_and_wait(self._replies, value, session_id.encode())


@asynccontextmanager
async def stand_in(kafka: Kafka, **producing: object) -> AsyncIterator[StandIn]:
    """A stand-in for the commands to come."""
    async with (
        AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, group_id=None) as consumer,
        AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, **producing) as producer,
    ):
        topic = kafka.topic(topics.CHAT_COMMANDS)
        partitions = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(partitions)
        for partition, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(partition, end)
        yield StandIn(kafka, consumer, producer)
