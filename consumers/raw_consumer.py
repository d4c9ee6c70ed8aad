"""A Kafka consumer that gets past every record and knows exactly what it has read.

Four things that the client leaves open:

- A header key that is not UTF-8 makes reading raise, every time, below any parser; the partition
  would stand still. Such records are fetched once more and parsed here, header keys replaced.
- A call that raises has taken records of other partitions, and loses them: they are read again.
- Which stretch of offsets a fetch covers, including those that hold no record.
- It reads at the committed offset while whoever was assigned the partition still looks up where to
  read: nothing is handed out before that was told.
"""

import asyncio
import time
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.record.default_records import _DefaultRecordBatchPy, _DefaultRecordPy
from aiokafka.record.memory_records import _MemoryRecordsPy
from aiokafka.record.util import decode_varint

from storage.positions import Partition

_log = structlog.get_logger()

# Without its C extension the client says the second.
_UNDECODABLE = (UnicodeDecodeError, CorruptRecordException)
# More than the largest record of a partition, and all that one answer of a broker may hold.
_PARTITION_BYTES = 2 * 1024 * 1024
_FETCH_BYTES = 32 * 1024 * 1024
_REPLACED = "\ufffd"


class Covered(NamedTuple):
    """The stretches of offsets that a fetch covers, and the course on which it was made."""

    spans: dict[Partition, range]
    course: int


class RawConsumer(AIOKafkaConsumer):  # type: ignore[misc]
    """Reads every record as raw bytes. ``covered`` tells what the last fetch covered.

    ``course`` counts how often reading was told to go on elsewhere: what was read before, and not
    applied by then, is read again.

    A fetch takes from each of the ``lanes`` in turn, partitions of the same number modulo, so
    that there is something to do for every lane. It waits for the first record for at least
    ``patience_ms``: FastStream's own time-out is also how long it is deaf after an empty fetch.
    """

    def __init__(
        self,
        *topics: str,
        lanes: int = 1,
        patience_ms: int = 0,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*topics, **settings)
        self._lanes = lanes
        self._patience_ms = patience_ms
        self._read_up_to: dict[TopicPartition, int] = {}
        self._unsought: set[TopicPartition] = set()
        self.covered = Covered({}, 0)
        self.course = 0
        self.polled_at = time.monotonic()

    def await_seek(self, assigned: Iterable[TopicPartition]) -> None:
        """Read nothing of each partition that was just assigned until it is sought."""
        self._unsought = set(assigned)
        self.pause(*self._unsought)
        self.course += 1

    def sought(self) -> set[TopicPartition]:
        """The assigned partitions of which it is known where to read."""
        return set(self.assignment()) - self._unsought

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Go on reading at ``offset``."""
        super().seek(partition, offset)
        self._read_up_to[partition] = offset
        self.course += 1
        if partition in self._unsought:
            self._unsought.remove(partition)
            super().resume(partition)

    def resume(self, *partitions: TopicPartition) -> None:
        """Read on, except where it is not known yet at what offset."""
        super().resume(*(one for one in partitions if one not in self._unsought))

    async def getmany(
        self,
        *partitions: TopicPartition,
        timeout_ms: int = 0,
        max_records: int | None = None,
    ) -> dict[TopicPartition, list[Any]]:
        """Fetch as the client does, past records that it cannot decode."""
        self.polled_at = time.monotonic()
        course = self.course
        fetched: dict[TopicPartition, list[Any]]
        try:
            fetched = await self._take_of_each_lane(max_records) if not partitions else {}
            if not fetched:
                fetched = await super().getmany(
                    *partitions,
                    timeout_ms=max(timeout_ms, self._patience_ms),
                    max_records=max_records,
                )
        except Exception as error:
            offsets = self._go_back()
            if not isinstance(error, _UNDECODABLE):
                raise
            fetched = await self._fetch_replacing(offsets, max_records)
        # From here to the return nothing awaits, so no seek can come between.
        if course != self.course:
            # One came before: some of the records are from where reading was then.
            self._go_back()
            fetched = {}
        spans: dict[Partition, range] = {}
        for partition, records in fetched.items():
            end = records[-1].offset + 1
            start = self._read_up_to.get(partition, records[0].offset)
            self._read_up_to[partition] = end
            spans[Partition(partition.topic, partition.partition)] = range(start, end)
        self.covered = Covered(spans, self.course)
        return fetched

    def give_place_up(self) -> None:
        """Have stopping tell the group, so that others have the partitions at once.

        The client tells nothing of a static member, whose place is kept for it. The broker takes
        the request of either kind.
        """
        if self._coordinator is not None:  # it was started
            self._coordinator._group_instance_id = None  # noqa: SLF001 - there is no other way

    def behind(self) -> dict[TopicPartition, int]:
        """How many offsets each partition has past what was read, as of the last answers.

        Markers of transactions count until they are read over, a moment later.
        """
        told = {}
        for partition in self.assignment():
            state = self._subscription.subscription.assignment.state_value(partition)
            if state.highwater is not None and state.has_valid_position:
                told[partition] = max(0, state.highwater - state.position)
        return told

    async def poll_paused(self) -> None:
        """Poll while every partition is paused: nothing is read, and the group keeps us.

        A rebalance hands out partitions that are not paused; what is read of them is read again.
        """
        self.polled_at = time.monotonic()
        try:
            fetched = await super().getmany(timeout_ms=0, max_records=1)
        except _UNDECODABLE:
            return
        for partition, records in fetched.items():
            super().seek(partition, self._read_up_to.get(partition, records[0].offset))

    async def _take_of_each_lane(self, max_records: int | None) -> dict[TopicPartition, list[Any]]:
        """What was fetched already, up to ``max_records`` of each lane."""
        fetched: dict[TopicPartition, list[Any]] = {}
        assigned = self.assignment()
        for lane in range(self._lanes):
            of_lane = [one for one in assigned if one.partition % self._lanes == lane]
            if of_lane:
                fetched |= await super().getmany(*of_lane, timeout_ms=0, max_records=max_records)
        return fetched

    def _go_back(self) -> dict[TopicPartition, int]:
        """Take back what a call that raised took; return where reading goes on."""
        offsets = {
            partition: self._read_up_to[partition]
            for partition in self.assignment()
            if partition in self._read_up_to
        }
        for partition, offset in offsets.items():
            super().seek(partition, offset)
        return offsets

    async def _fetch_replacing(
        self, offsets: Mapping[TopicPartition, int], max_records: int | None
    ) -> dict[TopicPartition, list[Any]]:
        """Fetch without the client's parser, a share of each partition that has records."""
        share = None if max_records is None else max(1, max_records // max(1, len(offsets)))
        fetched: dict[TopicPartition, list[Any]] = {}
        for partition, answer in await self._fetch(offsets):
            if partition not in self.assignment() or self._read_up_to[partition] != (
                offset := offsets[partition]
            ):
                continue  # a rebalance came between
            _, _, aborted, *_, data = answer
            reading = PartitionRecords(
                partition,
                _Batches(data),
                aborted,
                offset,
                key_deserializer=None,
                value_deserializer=None,
                check_crcs=True,
                isolation_level=READ_COMMITTED,
            )
            records = list(islice(reading, share))
            super().seek(partition, reading.next_fetch_offset)
            if records:
                fetched[partition] = records
                _warn(records)
        return fetched

    async def _fetch(
        self, offsets: Mapping[TopicPartition, int]
    ) -> list[tuple[TopicPartition, list[Any]]]:
        """What the leaders of the partitions answer, without those that answer with an error."""
        by_leader: dict[int, list[TopicPartition]] = defaultdict(list)
        for partition in offsets:
            leader = self._client.cluster.leader_for_partition(partition)
            if leader is not None and leader >= 0:
                by_leader[leader].append(partition)
        answers = []
        for leader, partitions in by_leader.items():
            wanted = [
                (tp.topic, [(tp.partition, offsets[tp], _PARTITION_BYTES)]) for tp in partitions
            ]
            request = FetchRequest(0, 0, _FETCH_BYTES, READ_COMMITTED, wanted)
            response = await self._client.send(leader, request)
            answers += [
                (TopicPartition(topic, number), answer)
                for topic, answered in response.topics
                for number, error, _, *answer in answered
                if not error
            ]
        return answers


class Seeking(ConsumerRebalanceListener):  # type: ignore[misc]
    """Tells a consumer where to read on in each partition that it is assigned.

    ``assigned`` is set from the first time on. What keeps it from telling is ``failed``'s.
    """

    def __init__(self, failed: asyncio.Future[None]) -> None:
        self._failed = failed
        self.consumer: RawConsumer | None = None
        self.assigned = asyncio.Event()

    def fail(self, error: Exception) -> None:
        """Say that reading cannot go on: the client itself swallows what listeners raise."""
        if not self._failed.done():
            self._failed.set_exception(error)

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Seek, however long the servers are away; any other error fails."""
        try:
            await self._seek(assigned)
        except Exception as error:  # noqa: BLE001 - handed on
            self.fail(error)
        self.assigned.set()

    async def _seek(self, assigned: set[TopicPartition]) -> None:
        if self.consumer is None:
            msg = "partitions were assigned before the consumer was made"
            raise RuntimeError(msg)
        self.consumer.await_seek(assigned)
        await self.seek(self.consumer, assigned)

    @abstractmethod
    async def seek(self, consumer: RawConsumer, assigned: set[TopicPartition]) -> None:
        """Seek each of the partitions."""


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


def _warn(records: list[Any]) -> None:
    replaced = [one for one in records if any(_REPLACED in name for name, _ in one.headers)]
    if replaced:
        _log.warning(
            "header keys that are not UTF-8 were replaced",
            topic=replaced[0].topic,
            partition=replaced[0].partition,
            first_offset=replaced[0].offset,
            records=len(replaced),
        )
