"""The next offset to apply of each partition: what makes a redelivered record harmless.

A position moves in the transaction that holds the effects of the records below it.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from storage.database import Transaction


class Partition(NamedTuple):
    """A partition of a topic, by the topic's full name."""

    topic: str
    number: int


class PositionBehind(Exception):
    """The database has applied less than the batch builds on.

    It went back in time, as after a restore: records in between would be lost. The worker has to
    read again from the position.
    """


async def move(tx: Transaction, spans: Mapping[Partition, range]) -> dict[Partition, int]:
    """Lock the positions, in order, and move each to its span's end; return where each stood.

    A span is from where reading went on to past the last record read. Records below the returned
    offset were applied before. A position that stands beyond its span's end stays.

    Raises `PositionBehind` where a position stands before its span.
    """
    columns = (
        [partition.topic for partition in spans],
        [partition.number for partition in spans],
        [span.stop for span in spans.values()],
    )
    rows = await tx.fetch(
        """
        with locked as (
            select p.topic, p.partition, p.next_offset, s.stop
            from positions p
            join unnest($1::text[], $2::int[], $3::bigint[]) as s(topic, number, stop)
                on p.topic = s.topic and p.partition = s.number
            order by p.topic, p.partition
            for no key update of p
        )
        update positions p set next_offset = greatest(l.next_offset, l.stop)
        from locked l
        where p.topic = l.topic and p.partition = l.partition
        returning l.topic, l.partition, l.next_offset
        """,
        *columns,
    )
    tx.has_id |= bool(rows)
    before = {Partition(topic, number): offset for topic, number, offset in rows}
    if missing := spans.keys() - before.keys():
        await open_at(tx, dict.fromkeys(sorted(missing), 0))
        before |= await move(tx, {partition: spans[partition] for partition in missing})
    for partition, span in spans.items():
        if before[partition] < span.start:
            msg = f"{partition.topic}/{partition.number} was applied up to {before[partition]} only"
            raise PositionBehind(msg)
    return before


async def read(tx: Transaction, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """The positions that exist among ``partitions``."""
    return await _column(tx, "next_offset", partitions)


async def _column(
    tx: Transaction, name: str, partitions: Sequence[Partition]
) -> dict[Partition, int]:
    """What stands in a column, for those of the partitions for which anything does."""
    rows = await tx.fetch(
        f"""
        select p.topic, p.partition, p.{name}
        from positions p
        join unnest($1::text[], $2::int[]) as s(topic, number)
            on p.topic = s.topic and p.partition = s.number
        where p.{name} is not null
        """,  # noqa: S608 - our own names
        [partition.topic for partition in partitions],
        [partition.number for partition in partitions],
    )
    return {Partition(topic, number): told for topic, number, told in rows}


async def open_at(tx: Transaction, offsets: Mapping[Partition, int]) -> dict[Partition, int]:
    """Give each partition a position, at the offset named where it has none; return them all.

    A position below the offset named, the oldest that Kafka still has, is moved up to it. One that
    needs nothing is not waited for: a stopped process may hold it.
    """
    columns = (
        [partition.topic for partition in offsets],
        [partition.number for partition in offsets],
        list(offsets.values()),
    )
    await tx.execute(
        """
        insert into positions (topic, partition, next_offset)
        select * from unnest($1::text[], $2::int[], $3::bigint[]) as s(topic, number, oldest)
        -- A row that somebody is about to change would be waited for as a conflict.
        where not exists (
            select from positions p where p.topic = s.topic and p.partition = s.number
        )
        order by s.topic, s.number
        on conflict (topic, partition) do nothing
        """,
        *columns,
    )
    await tx.execute(
        """
        update positions p set next_offset = s.oldest
        from unnest($1::text[], $2::int[], $3::bigint[]) as s(topic, number, oldest)
        where p.topic = s.topic and p.partition = s.number and p.next_offset < s.oldest
        """,
        *columns,
    )
    return await read(tx, list(offsets))


async def of_other_topics(
    tx: Transaction, partitions: Sequence[Partition], topic_ids: Mapping[str, str]
) -> list[Partition]:
    """Those of the partitions whose position is of another topic than the one of this id.

    ``topic_ids`` are Kafka's, by full name. A position without one is of this topic from now on.
    """
    told = [partition for partition in partitions if partition.topic in topic_ids]
    columns = (
        [partition.topic for partition in told],
        [partition.number for partition in told],
        [topic_ids[partition.topic] for partition in told],
    )
    await tx.execute(
        """
        with free as (
            select p.topic, p.partition, s.id
            from positions p
            join unnest($1::text[], $2::int[], $3::uuid[]) as s(topic, number, id)
                on p.topic = s.topic and p.partition = s.number
            where p.topic_id is null
            order by p.topic, p.partition
            -- Who holds one may be a stopped process: whoever reads next notes it.
            for no key update of p skip locked
        )
        update positions p set topic_id = free.id
        from free where p.topic = free.topic and p.partition = free.partition
        """,
        *columns,
    )
    rows = await tx.fetch(
        """
        select p.topic, p.partition
        from positions p
        join unnest($1::text[], $2::int[], $3::uuid[]) as s(topic, number, id)
            on p.topic = s.topic and p.partition = s.number
        where p.topic_id <> s.id
        order by p.topic, p.partition
        """,
        *columns,
    )
    return [Partition(*row) for row in rows]


async def note_cut(tx: Transaction, partition: Partition, end: int) -> None:
    """Remember that the partition was found to end before what was read of it.

    What was applied of it may end before that.
    """
    await tx.execute(
        """
        update positions set cut_to = least($3, next_offset)
        where topic = $1 and partition = $2 and cut_to is null
        """,
        partition.topic,
        partition.number,
        end,
    )


async def cut(tx: Transaction, partitions: Sequence[Partition]) -> dict[Partition, int]:
    """Where those of the partitions ended that were found to end before their positions."""
    return await _column(tx, "cut_to", partitions)
