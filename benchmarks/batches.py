"""Batches that never were in Kafka, for what is measured inside of one process."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.workload import Sent
from consumers.apply import Batch
from consumers.decode import decode
from consumers.records import Source
from producers.topics import CHAT_COMMANDS
from storage.positions import Partition


@dataclass(frozen=True, slots=True)
class Record:
    """A record as `consumers.decode` wants it."""

    key: bytes
    value: bytes
    offset: int = 0
    topic: str = CHAT_COMMANDS
    partition: int = 0
    timestamp: int = 0
    headers: tuple[()] = ()


def batch_of(commands: Sequence[Sent], offset: int = 0) -> Batch:
    """The commands as one batch of one partition, decoded."""
    records = [
        Record(command.key, command.value, offset + place) for place, command in enumerate(commands)
    ]
    return Batch(
        [decode(record, Source.CHAT) for record in records],
        {Partition(CHAT_COMMANDS, 0): range(offset, offset + len(records))},
    )
