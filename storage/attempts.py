"""What a worker was about to apply when it may have died of it: noted before, in its own commit."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Transaction
from storage.positions import Partition


@dataclass(frozen=True, slots=True)
class Attempt:
    """How often a stretch of offsets was begun without being finished.

    ``decoded`` where at least one attempt got as far as having decoded the records.
    """

    first_offset: int
    last_offset: int
    attempts: int
    decoded: bool


async def read(tx: Transaction, partitions: Sequence[Partition]) -> dict[Partition, Attempt]:
    """The unfinished attempts on these partitions."""
    rows = await tx.fetch(
        """
        select a.topic, a.partition, a.first_offset, a.last_offset, a.attempts, a.decoded
        from attempts a
        join unnest($1::text[], $2::int[]) as s(topic, number)
            on a.topic = s.topic and a.partition = s.number
        """,
        [partition.topic for partition in partitions],
        [partition.number for partition in partitions],
    )
    return {Partition(row[0], row[1]): Attempt(*row[2:]) for row in rows}


async def note(tx: Transaction, partition: Partition, first: int, last: int) -> None:
    """Count an attempt on a stretch; another stretch of the partition begins at one."""
    await tx.execute(
        """
        insert into attempts as a (topic, partition, first_offset, last_offset, attempts)
        values ($1, $2, $3, $4, 1)
        on conflict (topic, partition) do update set
            attempts = case
                when a.first_offset = $3 and a.last_offset = $4 then a.attempts + 1 else 1
            end,
            decoded = a.decoded and a.first_offset = $3 and a.last_offset = $4,
            first_offset = $3, last_offset = $4
        """,
        partition.topic,
        partition.number,
        first,
        last,
    )


async def note_decoded(tx: Transaction, partition: Partition) -> None:
    """The attempt at hand got past decoding."""
    await tx.execute(
        "update attempts set decoded = true where topic = $1 and partition = $2",
        partition.topic,
        partition.number,
    )


async def clear(tx: Transaction, partitions: Sequence[Partition]) -> None:
    """Whatever was begun on these partitions is finished."""
    await tx.execute(
        """
        delete from attempts a using unnest($1::text[], $2::int[]) as s(topic, number)
        where a.topic = s.topic and a.partition = s.number
        """,
        [partition.topic for partition in partitions],
        [partition.number for partition in partitions],
    )
