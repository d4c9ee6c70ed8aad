"""Records as batches: within bounds, decoded, and with what they cover of their partitions."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from consumers.apply import Batch
from consumers.caution import TOOK_THE_PROCESS_DOWN, Condemned, Slice
from consumers.decode import decode_record
from consumers.reasons import Reason
from consumers.records import DeadLetter, Delivery, Heard, Item, Poison, Record
from producers import topics
from storage.positions import Partition

CONSUMED = tuple(topic.name for topic in topics.ALL if topic.incoming)
"""The topics whose records a worker applies, without the prefix."""

# The longest that decoding keeps everything else from going on. Eight MiB made to be slow take
# almost five seconds, after which the slot's lease would be lost.
_DECODE_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Batching:
    """How records become batches: the most that one holds. A single record may have more bytes."""

    most_records: int
    most_bytes: int

    def split(self, records: Sequence[Record]) -> Iterator[Sequence[Record]]:
        """The records of each batch, in order."""
        begin, size = 0, 0
        for index, record in enumerate(records):
            length = len(record.value or b"")
            full = index - begin == self.most_records or size + length > self.most_bytes
            if full and index > begin:
                yield records[begin:index]
                begin, size = index, 0
            size += length
        yield records[begin:]

    async def decoded(self, records: Sequence[Record], spans: dict[Partition, range]) -> Batch:
        """One batch, each record decoded by itself; what it covers is taken off ``spans``."""
        items: list[Item] = []
        began = time.perf_counter()
        until = began + _DECODE_SECONDS
        for record in records:
            items.append(decode_record(record))
            if time.perf_counter() > until:
                await asyncio.sleep(0)
                until = time.perf_counter() + _DECODE_SECONDS
        return Batch(items, _take_off(spans, records), time.perf_counter() - began)

    def condemned(self, piece: Slice, spans: dict[Partition, range]) -> Batch:
        """The batch of one record that took the process down before, to be kept unapplied."""
        (record,) = piece.records
        if piece.condemned is Condemned.UNDECODED:
            item: Item = DeadLetter(record, Reason.UNREADABLE, TOOK_THE_PROCESS_DOWN)
        else:
            item = decode_record(record)
            if isinstance(item, Delivery):
                item = Poison(item, TOOK_THE_PROCESS_DOWN)
            elif isinstance(item, Heard):  # news are no command, which could be applied later
                item = DeadLetter(record, Reason.UNREADABLE, TOOK_THE_PROCESS_DOWN)
        return Batch([item], _take_off(spans, piece.records))


def _take_off(spans: dict[Partition, range], records: Sequence[Record]) -> dict[Partition, range]:
    """What the records cover of the spans; the spans begin after it from now on."""
    ends = {(record.topic, record.partition): record.offset + 1 for record in records}
    covered: dict[Partition, range] = {}
    for (topic, number), end in ends.items():
        partition = Partition(topic, number)
        covered[partition] = range(spans[partition].start, end)
        spans[partition] = range(end, spans[partition].stop)
    return covered
