"""Records whose header keys are not UTF-8, which Kafka's client cannot parse."""

from itertools import islice
from typing import Any

from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint

REPLACED = "\ufffd"
"""What stands in a header key for bytes that are no text."""


class LenientRecords:
    """The committed records of a partition, from an offset on, as a broker sent them.

    ``next_offset`` is where to read on, once those that are wanted were taken. What comes there
    is ``damaged`` where its checksum is wrong.
    """

    def __init__(
        self, partition: TopicPartition, data: bytes, aborted: list[tuple[int, int]], offset: int
    ) -> None:
        self.damaged = False
        self._reading = PartitionRecords(
            partition,
            _Batches(data),
            aborted,
            offset,
            key_deserializer=None,
            value_deserializer=None,
            check_crcs=True,
            isolation_level=READ_COMMITTED,
        )

    def take(self, most: int | None) -> list[Any]:
        """The next records, at most so many; ``damaged`` tells why there may be no more."""
        records: list[Any] = []
        try:
            records.extend(islice(self._reading, most))
        except CorruptRecordException:
            self.damaged = True
        return records

    @property
    def next_offset(self) -> int:
        """The offset after what was taken so far, and after what it skipped."""
        offset: int = self._reading.next_fetch_offset
        return offset


class _Batches(_MemoryRecordsPy):  # type: ignore[misc]
    """The record batches of a partition, as a broker sends them."""

    def next_batch(self) -> "_Batch":
        data = self._next_slice
        self._cache_next()
        return _Batch(data)


class _Batch(_DefaultRecordBatchPy):  # type: ignore[misc]
    """A record batch whose header keys may be any bytes."""

    _pos: int

    def _read_msg(self) -> _DefaultRecordPy:
        """Parse a record as the client does, in the record format of Kafka 0.11 and later."""

        def number() -> int:
            found: int
            found, self._pos = decode_varint(self._buffer, self._pos)
            return found

        def data() -> bytes | None:
            size = number()
            if size < 0:
                return None
            self._pos += size
            return bytes(self._buffer[self._pos - size : self._pos])

        number()  # the record's length
        number()  # its attributes, of which there are none
        timestamp = self.first_timestamp + number()
        offset = self.base_offset + number()
        key, value = data(), data()
        headers = [((data() or b"").decode(errors="replace"), data()) for _ in range(number())]
        return _DefaultRecordPy(offset, timestamp, self.timestamp_type, key, value, headers)
