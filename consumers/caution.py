"""Getting past a record that takes the whole process down.

No exception tells of it, so attempts are counted in the database before they are made. After an
unclean exit the first records go in small slices; a slice that was begun and never finished goes
record by record; a record that took the process down twice by itself is not tried again.

A process may also be killed by others, again and again, and then there is always a record at hand.
So a record by itself is tried a second time only once the process has lived for a while: what is
killed whatever it does is killed before that, and no record is blamed for it.
"""

import asyncio
import time
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
_SETTLED_SECONDS = 3.0


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
    """Slices of the records, in order. Each counts as finished once the next is asked for.

    To be called once, as soon as the process reads: it takes this for the beginning of its life.
    """
    settled_at = time.monotonic() + _SETTLED_SECONDS
    partitions = sorted({_partition(record) for record in records})
    async with begin(engine) as tx:
        unfinished = await attempts.read(tx, partitions)
    for partition, of_partition in groupby(records, key=_partition):
        suspect = unfinished.get(partition)
        for piece in _pieces(list(of_partition), suspect):
            condemned = _condemned(piece, suspect)
            if condemned is None:
                if _is_blamed(piece, suspect):
                    await asyncio.sleep(settled_at - time.monotonic())
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
    if suspect is None or suspect.attempts < _ENOUGH or not _is_blamed(piece, suspect):
        return None
    return Condemned.DECODED if suspect.decoded else Condemned.UNDECODED


def _is_blamed(piece: Sequence[Record], suspect: Attempt | None) -> bool:
    """Whether the process died while it had this one record at hand, and nothing else."""
    return suspect is not None and (
        suspect.first_offset == suspect.last_offset == piece[0].offset == piece[-1].offset
    )


def _partition(record: Record) -> Partition:
    return Partition(record.topic, record.partition)
