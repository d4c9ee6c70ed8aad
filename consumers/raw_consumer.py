"""A Kafka consumer that gets past every record and knows exactly what it has read.

Six things that the client leaves open:

- A header key that is not UTF-8 makes reading raise, every time, below any parser; the partition
  would stand still. Such records are fetched once more and parsed leniently, header keys replaced.
- A batch that was damaged on the broker's disk makes reading raise, every time, too, and all other
  partitions would wait. Its partition alone is left, and looked at again now and then.
- A call that raises has taken records of other partitions, and loses them: they are read again.
- Which stretch of offsets a fetch covers, including those that hold no record.
- After an assignment it starts at the committed offset, before the position was looked up. Nothing
  is handed out until it was.
- Where it finds its offset beyond the end of a log, it begins to read at the beginning, as if all
  that is there were old: whoever counts offsets would take new records for applied.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED
from aiokafka.errors import CorruptRecordException
from aiokafka.protocol.fetch import FetchRequest

from consumers.lenient_records import REPLACED, LenientRecords
from consumers.topic_ids import topic_ids
from storage.positions import Partition

_log = structlog.get_logger()

# Without its C extension the client says the second.
_UNDECODABLE = (UnicodeDecodeError, CorruptRecordException)
# More than the largest record of a partition, and all that one answer of a broker may hold.
_PARTITION_BYTES = 2 * 1024 * 1024
_FETCH_BYTES = 32 * 1024 * 1024
_DAMAGED_SECONDS = 30.0
_LEADERLESS_SECONDS = 0.1
_SECOND_LOOK_SECONDS = 1.0


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

    Where a log begins anew below what was read of it, ``on_cut`` is told of the partition and of
    where reading would have gone on. No more is read of it until it is sought.
    """

    def __init__(
        self,
        *topics: str,
        lanes: int = 1,
        patience_ms: int = 0,
        **settings: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(*topics, **settings)
        self.on_cut: Callable[[TopicPartition, int], Awaitable[None]] | None = None
        self._lanes = lanes
        self._patience_ms = patience_ms
        self._read_up_to: dict[TopicPartition, int] = {}
        self._unsought: set[TopicPartition] = set()
        self._damaged: dict[TopicPartition, float] = {}
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
        """Read on, except where it is not known yet at what offset, or the log is damaged."""
        held = self._unsought | self._damaged.keys()
        super().resume(*(one for one in partitions if one not in held))

    async def getmany(
        self,
        *partitions: TopicPartition,
        timeout_ms: int = 0,
        max_records: int | None = None,
    ) -> dict[TopicPartition, list[Any]]:
        """Fetch as the client does, past records that it cannot decode."""
        self.polled_at = time.monotonic()
        self._look_at_damaged_again()
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
        if course == self.course:
            await self._leave_what_was_cut(fetched)
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

    async def surely_ends_at(self, partition: TopicPartition) -> int:
        """Where the partition ends, asked once more of whoever leads it after a moment.

        A leader that was deposed while it stood still does not know so at first.
        """
        self._client.force_metadata_update()
        await asyncio.sleep(_SECOND_LOOK_SECONDS)
        end: int = (await self.end_offsets([partition]))[partition]
        return end

    async def topic_ids(self, names: Collection[str]) -> dict[str, str]:
        """Kafka's own ids of the topics, as far as it tells them: `consumers.topic_ids`."""
        return await topic_ids(self._client, names)

    def give_place_up(self) -> None:
        """Have stopping tell the group, so that others have the partitions at once.

        The client tells nothing of a static member, whose place is kept for it. The broker takes
        the request of either kind.
        """
        if self._coordinator is not None:  # it was started
            self._coordinator._group_instance_id = None  # noqa: SLF001 - there is no other way

    def behind(self) -> dict[TopicPartition, int]:
        """How many offsets each partition has past what was read, as of the last answers.

        What a transaction wrote that is still open does not count, nobody may read it; markers of
        transactions count until they are read over, a moment later.
        """
        return {
            partition: max(0, state.lso - state.position)
            for partition, state in self._states().items()
            if state.lso is not None and state.has_valid_position
        }

    def damaged(self) -> Collection[TopicPartition]:
        """The partitions of which nobody can read more, as their logs are damaged."""
        return self._damaged.keys()

    def answered_seconds_ago(self) -> float:
        """How long ago a broker last answered what is to be read; 0 where none was asked yet."""
        told = [state.timestamp for state in self._states().values() if state.timestamp is not None]
        return max(0.0, time.time() - max(told) / 1_000) if told else 0.0

    def _states(self) -> dict[TopicPartition, Any]:
        """What the client knows of each partition that is assigned."""
        return {
            partition: self._subscription.subscription.assignment.state_value(partition)
            for partition in self.assignment()
        }

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

    async def _leave_what_was_cut(self, fetched: dict[TopicPartition, list[Any]]) -> None:
        """Take out partitions whose records lie before where reading went on.

        Their log was cut, or is a new one, and the client has begun to read it from its beginning.
        """
        for partition, records in list(fetched.items()):
            offset = self._read_up_to.get(partition, 0)
            if records[0].offset < offset:
                del fetched[partition]
                self._unsought.add(partition)
                self.pause(partition)
                try:
                    if self.on_cut is not None:
                        await self.on_cut(partition, offset)
                except Exception:
                    self._unsought.discard(partition)
                    self.resume(*({partition} & self.assignment()))
                    self._go_back()
                    raise

    def _look_at_damaged_again(self) -> None:
        """Read on where the log was found to be damaged some time ago: it may be mended."""
        now = time.monotonic()
        due = [partition for partition, until in self._damaged.items() if until <= now]
        for partition in due:
            del self._damaged[partition]
        if due:
            self.resume(*(self.assignment() & set(due)))

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
            reading = LenientRecords(partition, data, aborted, offset)
            records = reading.take(share)
            super().seek(partition, reading.next_offset)
            if reading.damaged:
                _log.error(
                    "the log is damaged", topic=partition.topic, partition=partition.partition,
                    offset=reading.next_offset, looked_at_again_in_seconds=_DAMAGED_SECONDS,
                )  # fmt: skip
                self._damaged[partition] = time.monotonic() + _DAMAGED_SECONDS
                self.pause(partition)
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
        if not by_leader:  # whoever comes back at once would keep them from being known
            self._client.force_metadata_update()
            await asyncio.sleep(_LEADERLESS_SECONDS)
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


def _warn(records: list[Any]) -> None:
    replaced = [one for one in records if any(REPLACED in name for name, _ in one.headers)]
    if replaced:
        _log.warning(
            "header keys that are not UTF-8 were replaced",
            topic=replaced[0].topic,
            partition=replaced[0].partition,
            first_offset=replaced[0].offset,
            records=len(replaced),
        )
