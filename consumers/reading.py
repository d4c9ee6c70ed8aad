"""Where to read on: the database's positions, not Kafka's committed offsets."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TypeVar

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from consumers.raw_consumer import RawConsumer
from consumers.seeking import Seeking
from storage import positions
from storage.backoff import growing_pauses
from storage.blockers import watched
from storage.database import begin
from storage.faults import Fault, classify, describe
from storage.positions import Partition

_log = structlog.get_logger()
Done = TypeVar("Done")

_DRAIN_SECONDS = 20.0
_PASSING = frozenset({Fault.AGAIN, Fault.WAIT})
_OR_ANOTHER = (
    "or this is another Kafka cluster. Check FIRSTLINE_KAFKA_BOOTSTRAP and FIRSTLINE_TOPIC_PREFIX."
    " If the topic really is new or cut, delete its rows from the table positions, and the worker"
    " starts at its beginning: what was applied before is answered again, and not done again."
)


class PositionBeyondEnd(Exception):
    """A position lay past its partition's end: its log was cut, or is another cluster's."""

    def __init__(self, partition: Partition, position: int, end: int) -> None:
        super().__init__(
            f"{partition.topic}/{partition.number} ended at {end}, but {position} was the next"
            f" offset to apply: its log was cut, {_OR_ANOTHER}"
        )


class AnotherTopic(Exception):
    """A position is of a topic of this name that is another one, by Kafka's own id."""

    def __init__(self, partition: Partition) -> None:
        super().__init__(
            f"{partition.topic} is not the topic that partition {partition.number} was read of: it"
            f" was created anew, {_OR_ANOTHER}"
        )


async def seek_to_positions(
    engine: AsyncEngine, consumer: RawConsumer, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Read on at what the database says, and return it.

    A partition without a position starts at its beginning. Ends are asked for last: the worker
    that the partitions come from may go on applying meanwhile, and its positions would seem to be
    beyond ends that were read before.

    Raises `AnotherTopic` and `PositionBeyondEnd`, and does so until somebody has deleted the
    position: the end moves past it as soon as enough was sent.
    """
    partitions = list(partitions)
    if not partitions:
        return {}
    oldest = await consumer.beginning_offsets(partitions)
    topic_ids = await consumer.topic_ids({partition.topic for partition in partitions})
    async with begin(engine) as tx:
        known = await positions.read(tx, [_ours(partition) for partition in partitions])
        for ours, end in (await positions.cut(tx, list(known))).items():
            raise PositionBeyondEnd(ours, known[ours], end)
        opened = await positions.open_at(
            tx, {_ours(partition): oldest[partition] for partition in partitions}
        )
        for ours in await positions.of_other_topics(tx, list(opened), topic_ids):
            raise AnotherTopic(ours)
    ends = await consumer.end_offsets(partitions)
    for partition in partitions:
        ours = _ours(partition)
        position = opened[ours]
        if position > ends[partition]:
            end = await consumer.surely_ends_at(partition)
            if position > end:
                raise await _cut(engine, ours, position, end)
        # Not where it stands now: it may have moved since, by what another worker applied.
        if known.get(ours, position) < oldest[partition]:
            _log.error(
                "Kafka deleted commands before they were applied: retention is too short",
                topic=ours.topic,
                partition=ours.number,
                lost=oldest[partition] - known[ours],
            )
        consumer.seek(partition, position)
    return {partition: opened[_ours(partition)] for partition in partitions}


class Rebalances(Seeking):
    """Seeks on assignment, and waits until what is at hand is ``done`` before partitions go.

    Tells the positions that it ``sought``.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        database_url: str,
        failed: asyncio.Future[None],
        done: Callable[[], Awaitable[None]],
        sought: Callable[[Mapping[TopicPartition, int]], None],
    ) -> None:
        super().__init__(failed)
        self._engine = engine
        self._database_url = database_url
        self._done = done
        self._sought = sought

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Wait for the batches at hand, within bounds: the positions hold even without it."""
        try:
            async with asyncio.timeout(_DRAIN_SECONDS if revoked else 0):
                await self._done()
        except TimeoutError:
            _log.warning("partitions go while a batch is applied", partitions=len(revoked))

    async def on_cut(self, partition: TopicPartition, position: int) -> None:
        """Fail: what is sent from now on would be taken for applied."""

        async def note() -> PositionBeyondEnd:
            end = (await self.at_work().end_offsets([partition]))[partition]
            return await _cut(self._engine, _ours(partition), position, min(end, position))

        try:
            self.fail(await self._however_long("a cut log not noted yet", note))
        except Exception as error:  # noqa: BLE001 - handed on
            self.fail(error)

    async def seek(self, consumer: RawConsumer, assigned: set[TopicPartition]) -> None:
        """Seek to the positions of those that are still assigned, however long servers are away."""

        async def seek() -> dict[TopicPartition, int]:
            return await seek_to_positions(self._engine, consumer, assigned & consumer.assignment())

        self._sought(await self._however_long("positions not read yet", seek))

    async def _however_long(self, waits: str, work: Callable[[], Awaitable[Done]]) -> Done:
        """Do it, and again while servers are away.

        No batch runs meanwhile that would end a stopped process which holds a lock: this does it.
        """
        pauses = growing_pauses()
        while True:
            try:
                async with watched(self._database_url):
                    return await work()
            except Exception as error:
                if not isinstance(error, KafkaError) and classify(error) not in _PASSING:
                    raise
                pause = next(pauses)
                _log.warning(waits, error=describe(error), seconds=pause)
                await asyncio.sleep(pause)


async def _cut(
    engine: AsyncEngine, partition: Partition, position: int, end: int
) -> PositionBeyondEnd:
    """Remember it, for whoever starts next, and say it."""
    async with begin(engine) as tx:
        await positions.note_cut(tx, partition, end)
    return PositionBeyondEnd(partition, position, end)


def _ours(partition: TopicPartition) -> Partition:
    return Partition(partition.topic, partition.partition)
