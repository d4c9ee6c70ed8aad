"""A Kafka consumer that gets past every record and knows exactly what it has read.

Two things that the client leaves open:

- A header key that is not UTF-8 makes reading raise, every time, below any parser; the partition
  would stand still. Such a record is read by another client, header keys replaced.
- Which stretch of offsets a fetch covers, including those that hold no record.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Consumer as SecondReader
from confluent_kafka import Message
from confluent_kafka import TopicPartition as SecondPartition

from storage.positions import Partition

_log = structlog.get_logger()

_SECOND_READER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class SavedRecord:
    """A record that only the second reader could read; header keys have replacement characters."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


class RawConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """Reads every record as raw bytes. ``spans`` tells what the last fetch covered."""

    def __init__(self, *topics: str, second_reader: Mapping[str, str], **settings: Any) -> None:  # noqa: ANN401
        super().__init__(*topics, **settings)
        self._second_reader = second_reader
        self._read_up_to: dict[TopicPartition, int] = {}
        self.spans: dict[Partition, range] = {}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on reading at ``offset``."""
        super().seek(partition, offset)
        self._read_up_to[partition] = offset

    async def getmany(
        self,
        *partitions: TopicPartition,
        timeout_ms: int = 0,
        max_records: int | None = None,
    ) -> dict[TopicPartition, list[Any]]:
        """Fetch as the client does, past records that it cannot decode."""
        fetched: dict[TopicPartition, list[Any]]
        try:
            fetched = await super().getmany(
                *partitions, timeout_ms=timeout_ms, max_records=max_records
            )
        except UnicodeDecodeError:
            fetched = await self._get_past_the_undecodable()
        # From here to the return nothing awaits, so no seek can come between.
        self.spans = {}
        for partition, records in fetched.items():
            end = records[-1].offset + 1
            start = self._read_up_to.get(partition, records[0].offset)
            self._read_up_to[partition] = end
            self.spans[Partition(partition.topic, partition.partition)] = range(start, end)
        return fetched

    async def poll_paused(self) -> None:
        """Poll while every partition is paused: nothing is read, and the group keeps us."""
        await super().getmany(timeout_ms=0)

    async def _get_past_the_undecodable(self) -> dict[TopicPartition, list[Any]]:
        """One record, from the first partition that has one, by whichever reader can read it."""
        for partition in sorted(self.assignment()):
            try:
                fetched = await super().getmany(partition, timeout_ms=500, max_records=1)
            except UnicodeDecodeError:
                saved = await self._save(partition)
                super().seek(partition, saved.offset + 1)
                return {partition: [saved]}
            if fetched:
                return dict(fetched)
        return {}

    async def _save(self, partition: TopicPartition) -> SavedRecord:
        """Read the record at the partition's position with librdkafka."""
        offset = await self.position(partition)
        saved: SavedRecord = await self._loop.run_in_executor(
            None, _read_one, self._second_reader, partition.topic, partition.partition, offset
        )
        _log.warning(
            "a header key is not UTF-8",
            topic=saved.topic,
            partition=saved.partition,
            offset=saved.offset,
        )
        return saved


def _read_one(settings: Mapping[str, str], topic: str, partition: int, offset: int) -> SavedRecord:
    reader = SecondReader(
        {
            **settings,
            "group.id": "unused",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
        }
    )
    try:
        reader.assign([SecondPartition(topic, partition, offset)])
        message = reader.poll(_SECOND_READER_SECONDS)
        if message is None or message.error():
            msg = f"{topic}/{partition} could not be read at {offset}"
            raise OSError(msg)
        return _saved(message)
    finally:
        reader.close()


def _saved(message: Message) -> SavedRecord:
    headers: Any = message.headers() or ()
    place: tuple[Any, Any, Any] = (message.topic(), message.partition(), message.offset())
    return SavedRecord(
        *place,
        message.key(),
        message.value(),
        tuple((_text(name), value) for name, value in headers),
    )


def _text(name: str | bytes) -> str:
    return name if isinstance(name, str) else name.decode("utf-8", "replace")
