"""Getting past a record that takes the whole process down.

No exception tells of it, so attempts are counted in the database before they are made. After an
unclean exit the first records go in small slices; a slice that was begun and never finished goes
record by record; a record that took the process down twice by itself is not tried again.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby

from sqlalchemy.ext.asyncio import AsyncEngine

from consumers.records import Record
from storage import attempts
from storage.attempts import Attempt
from storage.database import begin
from storage.positions import Partition

TOOK_THE_PROCESS_DOWN = "took the process down twice"

_SLICE = 32
_ENOUGH = 2


class Condemned(Enum):
    """A record that is not tried again, by how far it got."""

    UNDECODED = auto()
    DECODED = auto()


@dataclass(frozen=True, slots=True)
class Slice:
    """Records of one partition, whose attempt has been noted."""

    engine: AsyncEngine
    partition: Partition
    records: Sequence[Record]
    condemned: Condemned | None

    async def note_decoded(self) -> None:
        """Decoding did not take the process down."""
        if len(self.records) == 1:
            async with begin(self.engine) as tx:
                await attempts.note_decoded(tx, self.partition)


async def careful_slices(engine: AsyncEngine, records: Sequence[Record]) -> AsyncIterator[Slice]:
    """Slices of the records, in order. Each counts as finished once the next is asked for."""
    partitions = sorted({_partition(record) for record in records})
    async with begin(engine) as tx:
        unfinished = await attempts.read(tx, partitions)
    for partition, of_partition in groupby(records, key=_partition):
        suspect = unfinished.get(partition)
        for piece in _pieces(list(of_partition), suspect):
            condemned = _condemned(piece, suspect)
            if condemned is None:
                async with begin(engine) as tx:
                    await attempts.note(tx, partition, piece[0].offset, piece[-1].offset)
            yield Slice(engine, partition, piece, condemned)
    async with begin(engine) as tx:
        await attempts.clear(tx, partitions)


def _pieces(records: Sequence[Record], suspect: Attempt | None) -> list[Sequence[Record]]:
    """Slices of `_SLICE` records, and single records where an attempt was left unfinished."""
    pieces: list[list[Record]] = []
    room = 0
    for record in records:
        alone = suspect is not None and (
            suspect.first_offset <= record.offset <= suspect.last_offset
        )
        if alone or not room:
            pieces.append([])
            room = 1 if alone else _SLICE
        pieces[-1].append(record)
        room -= 1
    return list(pieces)


def _condemned(piece: Sequence[Record], suspect: Attempt | None) -> Condemned | None:
    if suspect is None or len(piece) > 1 or suspect.attempts < _ENOUGH:
        return None
    if not suspect.first_offset == suspect.last_offset == piece[0].offset:
        return None
    return Condemned.DECODED if suspect.decoded else Condemned.UNDECODED


def _partition(record: Record) -> Partition:
    return Partition(record.topic, record.partition)
