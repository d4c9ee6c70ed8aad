"""Whether reading, relaying and parked sessions are where they should be."""

from collections.abc import Iterator, Mapping, Sequence

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition

from consumers.topic_ids import topic_ids
from firstline.check.findings import Finding, note, ok, warning, wrong
from producers.kafka import Kafka
from producers.topics import ALL
from storage.lease import lock_key

Offsets = dict[TopicPartition, int]

# Counting a long queue takes longer than knowing that it is long is worth.
_COUNT_UP_TO = 100_000


async def positions(
    connection: asyncpg.Connection, kafka: Kafka, partitions: Mapping[str, int]
) -> list[Finding]:
    """Compare the database's positions with what Kafka has; ``partitions`` is a count a topic."""
    known, oldest, ends, ids = await _with_bounds(connection, kafka, partitions)
    findings = [_cut(*row) for row in await _cuts(connection, kafka.prefix)]
    findings += [_another(topic) for topic in await _others(connection, ids)]
    findings += [
        finding
        for partition, offset in known.items()
        if (finding := _position(partition, offset, oldest.get(partition), ends.get(partition)))
    ]
    if findings:
        return findings
    lag = sum(ends[partition] - offset for partition, offset in known.items())
    told = f"{len(known)} partitions, {lag:,} records or marks of transactions wait"
    return [ok("positions", told)]


async def waiting(connection: asyncpg.Connection, prefix: str) -> list[Finding]:
    """Messages that nobody relays, and what waits for a person."""
    return [
        finding
        for finding in [
            *await _outbox(connection, prefix),
            await _set_aside(connection),
            await _dead_letters(connection),
        ]
        if finding is not None
    ]


def _position(
    partition: TopicPartition, offset: int, oldest: int | None, end: int | None
) -> Finding | None:
    about = f"position of {partition.topic}/{partition.partition}"
    if oldest is None or end is None:
        return wrong(
            about,
            f"is {offset}, and Kafka has no such partition",
            "look at FIRSTLINE_KAFKA_BOOTSTRAP: this may be another cluster",
        )
    if offset > end:
        return wrong(
            about,
            f"is {offset}, and the partition ends at {end}: the topic was created anew, or this is"
            " another cluster",
            "look at FIRSTLINE_KAFKA_BOOTSTRAP and FIRSTLINE_TOPIC_PREFIX; where the topic really"
            " is new, delete its rows from the table positions",
        )
    if offset < oldest:
        return wrong(
            about,
            f"is {offset}, and the partition begins at {oldest}: Kafka deleted {oldest - offset}"
            " commands before they were applied",
            "have the senders send them again, and lengthen retention.ms",
        )
    return None


async def _with_bounds(
    connection: asyncpg.Connection, kafka: Kafka, partitions: Mapping[str, int]
) -> tuple[Offsets, Offsets, Offsets, dict[str, str]]:
    """The positions, where the partitions begin and end that have any, and the topics' ids.

    Positions are read between the two, and none of the three ever goes back. So a position below a
    beginning that was read before it has missed records, whatever retention deletes meanwhile; and
    a position above an end that was read after it is no position of this partition, whatever a
    worker applies meanwhile.
    """
    applied = [kafka.topic(topic.name) for topic in ALL if topic.incoming]
    there = [
        TopicPartition(topic, number)
        for topic in applied
        for number in range(partitions.get(topic, 0))
    ]
    consumer = AIOKafkaConsumer(
        **kafka.connection(), group_id=None, enable_auto_commit=False, request_timeout_ms=5_000
    )
    try:
        await consumer.start()
        oldest = await consumer.beginning_offsets(there)
        known = await _positions(connection, kafka, partitions)
        ends = await consumer.end_offsets(there)
        return known, oldest, ends, await topic_ids(consumer._client, applied)  # noqa: SLF001
    finally:
        await consumer.stop()


async def _positions(
    connection: asyncpg.Connection, kafka: Kafka, partitions: Mapping[str, int]
) -> Offsets:
    rows = await connection.fetch(
        """
        select topic, partition, next_offset from positions
        where starts_with(topic, $1) order by topic, partition
        """,
        kafka.prefix,
    )
    return {
        TopicPartition(topic, number): offset
        for topic, number, offset in rows
        if topic in partitions
    }


async def _cuts(connection: asyncpg.Connection, prefix: str) -> Sequence[tuple[str, int, int]]:
    """Partitions that a worker found to end before their positions, and where."""
    rows: Sequence[tuple[str, int, int]] = await connection.fetch(
        """
        select topic, partition, cut_to from positions
        where starts_with(topic, $1) and cut_to is not null order by topic, partition
        """,
        prefix,
    )
    return rows


def _cut(topic: str, number: int, end: int) -> Finding:
    return wrong(
        f"position of {topic}/{number}",
        f"was beyond the end when the partition ended at {end}: no worker reads it",
        "if the topic was created anew, or its log was cut, delete its rows from the table"
        " positions; what was applied before is answered again, and not done again",
    )


async def _others(connection: asyncpg.Connection, topic_ids: Mapping[str, str]) -> Sequence[str]:
    """Topics whose positions are of other ones of the same name."""
    rows = await connection.fetch(
        """
        select distinct p.topic
        from positions p join unnest($1::text[], $2::uuid[]) as s(topic, id) on s.topic = p.topic
        where p.topic_id <> s.id order by p.topic
        """,
        list(topic_ids),
        list(topic_ids.values()),
    )
    return [topic for (topic,) in rows]


def _another(topic: str) -> Finding:
    return wrong(
        f"positions of {topic}",
        "are of another topic of this name: it was created anew, or this is another cluster",
        "look at FIRSTLINE_KAFKA_BOOTSTRAP and FIRSTLINE_TOPIC_PREFIX; where the topic really is"
        " new, delete its rows from the table positions",
    )


async def _outbox(connection: asyncpg.Connection, prefix: str) -> Sequence[Finding]:
    """Ask who holds the relay's lock; trying to take it would keep a relay from it."""
    rows = await connection.fetch(
        """
        select s.shard, (select count(*) from (
            select 1 from outbox o where o.shard = s.shard limit $1
        ) as counted)
        from (select distinct shard from relay_shards union select 0::smallint) as s(shard)
        order by s.shard
        """,
        _COUNT_UP_TO,
    )
    return list(_unrelayed(rows, await _held(connection, prefix, [shard for shard, _ in rows])))


def _unrelayed(rows: Sequence[tuple[int, int]], held: set[int]) -> Iterator[Finding]:
    for shard, count in rows:
        number = f"{count:,}" if count < _COUNT_UP_TO else f"at least {count:,}"
        if count and shard not in held:
            yield warning(
                "outbox",
                f"{number} messages wait, and nobody relays shard {shard}",
                "start `firstline worker` or `firstline relay`",
            )
        else:
            yield ok("outbox", f"{number} messages wait for the relay")


async def _held(connection: asyncpg.Connection, prefix: str, shards: Sequence[int]) -> set[int]:
    """The shards whose lock somebody holds; a 64-bit key is shown as two halves."""
    keys = [lock_key(f"{prefix}relay-{shard}") % 2**64 for shard in shards]
    rows = await connection.fetch(
        """
        select s.shard from pg_locks l
        join unnest($1::int[], $2::bigint[], $3::bigint[]) as s(shard, high, low)
            on l.classid::bigint = s.high and l.objid::bigint = s.low
        where l.locktype = 'advisory' and l.objsubid = 1 and l.granted
            and l.database = (select oid from pg_database where datname = current_database())
        """,
        list(shards),
        [key >> 32 for key in keys],
        [key & 0xFFFFFFFF for key in keys],
    )
    return {shard for (shard,) in rows}


async def _set_aside(connection: asyncpg.Connection) -> Finding | None:
    count = await connection.fetchval("select count(*) from outbox_set_aside")
    if not count:
        return None
    return warning(
        "outbox",
        f"{count:,} messages were set aside, because Kafka refused them",
        "see why in the table outbox_set_aside",
    )


async def _dead_letters(connection: asyncpg.Connection) -> Finding | None:
    parked, letters = await connection.fetchrow(
        """
        select (select count(*) from parked_sessions),
            (select count(*) from dead_letters where status = 'open')
        """
    )
    if not letters and not parked:
        return ok("dead letters", "none open, no session is parked")
    return note("dead letters", f"{letters:,} open, {parked:,} sessions parked")
