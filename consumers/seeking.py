"""Telling a consumer where to read on: what consumers of commands and of node requests share."""

import asyncio
import time
from abc import abstractmethod
from typing import Any

from aiokafka import ConsumerRebalanceListener, TopicPartition

from consumers.raw_consumer import RawConsumer


class Seeking(ConsumerRebalanceListener):  # type: ignore[misc]
    """Makes a consumer, and tells it where to read on in each partition that it is assigned.

    ``assigned`` is set from the first time on. What keeps it from telling is ``failed``'s.
    """

    def __init__(self, failed: asyncio.Future[None]) -> None:
        self._failed = failed
        self.consumer: RawConsumer | None = None
        self.assigned = asyncio.Event()

    def make(self, *topics: str, **settings: Any) -> RawConsumer:  # noqa: ANN401
        """Make the consumer, for `consumers.raw_messages.connect`."""
        self.consumer = RawConsumer(*topics, **settings)
        self.consumer.on_cut = self.on_cut
        return self.consumer

    def at_work(self) -> RawConsumer:
        """The consumer. Raises RuntimeError where there is none yet."""
        if self.consumer is None:
            msg = "the consumer was not made yet"
            raise RuntimeError(msg)
        return self.consumer

    def polled_seconds_ago(self) -> float:
        """How long ago Kafka was polled last; infinity before the first time."""
        if self.consumer is None:
            return float("inf")
        return time.monotonic() - self.consumer.polled_at

    def fail(self, error: Exception) -> None:
        """Say that reading cannot go on: the client itself swallows what listeners raise."""
        if not self._failed.done():
            self._failed.set_exception(error)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Seek, however long the servers are away; any other error fails."""
        try:
            consumer = self.at_work()
            consumer.await_seek(assigned)
            await self.seek(consumer, assigned)
        except Exception as error:  # noqa: BLE001 - handed on
            self.fail(error)
        self.assigned.set()

    async def on_cut(self, partition: TopicPartition, position: int) -> None:  # noqa: ARG002
        """A log ends below the ``position`` where reading would have gone on: read all of it."""
        consumer = self.at_work()
        (first,) = (await consumer.beginning_offsets([partition])).values()
        consumer.seek(partition, first)

    @abstractmethod
    async def seek(self, consumer: RawConsumer, assigned: set[TopicPartition]) -> None:
        """Seek each of the partitions."""
