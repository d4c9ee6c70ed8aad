"""Writes records as no Kafka client lets one: header keys may be any bytes.

The client's own record builder, in the version written in Python, with names that encode to what
they are asked to.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy

BATCH_BYTES = 1_048_000
CODECS = {"none": 0, "gzip": 1, "snappy": 2, "lz4": 3, "zstd": 4}


@dataclass(frozen=True, slots=True)
class Raw:
    """A record to be written. Without a ``timestamp`` it is from now; it is in milliseconds."""

    value: bytes | None
    key: bytes | None = b"k"
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    timestamp: int | None = None


class _Name(str):
    """A header's name that becomes any bytes."""

    __slots__ = ("raw",)
    raw: bytes

    @classmethod
    def of(cls, raw: bytes) -> Self:
        name = cls(raw.decode("latin-1"))
        name.raw = raw
        return name

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        del encoding, errors
        return self.raw


class _Batch(BatchBuilder):  # type: ignore[misc]
    """A batch that the client's builder in Python makes."""

    def __init__(self, codec: str, *, transactional: bool) -> None:
        super().__init__(BATCH_BYTES, 0, is_transactional=int(transactional))
        self._builder = _DefaultRecordBatchBuilderPy(
            2, CODECS[codec], int(transactional), -1, -1, 0, BATCH_BYTES
        )

    def _set_producer_state(self, *state: int) -> None:
        self._builder.set_producer_state(*state)


async def send(
    producer: AIOKafkaProducer,
    topic: str,
    partition: int,
    records: Sequence[Raw],
    *,
    codec: str = "none",
    transactional: bool = False,
) -> int:
    """Append the records as one batch; return the offset of the first."""
    batch = _Batch(codec, transactional=transactional)
    for record in records:
        headers: Any = [(_Name.of(name), value) for name, value in record.headers]
        timestamp = int(time.time() * 1000) if record.timestamp is None else record.timestamp
        appended = batch.append(
            timestamp=timestamp, key=record.key, value=record.value, headers=headers
        )
        assert appended is not None, "too much for one batch"
    acknowledged = await producer.send_batch(batch, topic, partition=partition)
    offset: int = (await acknowledged).offset
    return offset
