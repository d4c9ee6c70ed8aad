"""Command topics as Kafka keeps them, and what a consumer makes of a part of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat

from consumers.apply import Batch
from consumers.decode import decode
from consumers.records import Source
from domain.commands import Command, SystemCommand
from domain.decisions import Code
from storage.positions import Partition
from tests.builders import an_id
from tests.model.wire import CHAT, INTERNAL, PARTITIONS, PSA, Place, Sent

SOURCES = {CHAT: Source.CHAT, PSA: Source.PSA, INTERNAL: Source.INTERNAL}
PLACES = [(topic, number) for topic in SOURCES for number in range(PARTITIONS)]


@dataclass(frozen=True, slots=True)
class Delivered:
    """Records as they come in one batch, and the stretches of partitions that they come from."""

    records: Sequence[Sent]
    spans: Mapping[Place, range]

    def batch(self) -> Batch:
        """The batch as the worker would make it."""
        items = [decode(sent, SOURCES[sent.topic]) for sent in self.records]
        return Batch(items, {Partition(*place): span for place, span in self.spans.items()})


@dataclass(slots=True)
class Logs:
    """The records of every partition, in order; some offsets hold none."""

    records: dict[Place, list[Sent]] = field(
        default_factory=lambda: {place: [] for place in PLACES}
    )
    ids: int = 0

    def new_id(self) -> str:
        """A command id that nobody has used."""
        self.ids += 1
        return an_id(0x1000 + self.ids)

    def append(self, sent: Sent, topic: str, gap: int) -> Sent:
        """Write a record to the end of its key's partition, after a gap; return it as written."""
        place = (topic, sent.key[-1] % PARTITIONS)
        offset = self.end(place) + gap
        refused = None
        if sent.meant is not None and _is_internal(sent.meant) and topic != INTERNAL:
            refused = Code.INVALID
        elif sent.meant is not None and sent.meant.session_id.encode() != sent.key:
            refused = Code.KEY_MISMATCH
        written = replace(sent, topic=topic, partition=place[1], offset=offset, refused=refused)
        self.records[place].append(written)
        return written

    def end(self, place: Place) -> int:
        """The offset after the last record."""
        log = self.records[place]
        return log[-1].offset + 1 if log else 0

    def readable(self) -> list[Sent]:
        """Every record that means something."""
        return [sent for log in self.records.values() for sent in log if sent.meant is not None]

    def since(self, place: Place, offset: int) -> list[Sent]:
        """The records from this offset on."""
        return [sent for sent in self.records[place] if sent.offset >= offset]

    def draw_up(self, spans: Mapping[Place, range], turns: Iterable[int]) -> Delivered:
        """The records of several stretches, which take turns; each keeps its order."""
        queues = [
            [sent for sent in self.since(place, span.start) if sent.offset < span.stop]
            for place, span in spans.items()
        ]
        return Delivered(list(_interleaved(queues, turns)), spans)


def _is_internal(command: Command) -> bool:
    """Whether the internal topic alone may carry the command."""
    return command.actor_id is None or isinstance(command, SystemCommand)


def _interleaved(queues: Iterable[list[Sent]], turns: Iterable[int]) -> Iterator[Sent]:
    queues = [queue for queue in queues if queue]
    for turn in chain(turns, repeat(0)):
        if not queues:
            return
        queue = queues[turn % len(queues)]
        yield queue.pop(0)
        queues = [queue for queue in queues if queue]
