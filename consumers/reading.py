"""Where to read on: the database's positions, not Kafka's committed offsets."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from consumers.raw_consumer import RawConsumer, Seeking
from storage import positions
from storage.blockers import watched
from storage.database import begin
from storage.faults import Fault, classify, describe
from storage.positions import Partition

_log = structlog.get_logger()

_DRAIN_SECONDS = 20.0
_SHORTEST_PAUSE = 0.05
_LONGEST_PAUSE = 5.0
_PASSING = frozenset({Fault.AGAIN, Fault.WAIT})


class PositionBeyondEnd(Exception):
    """A position lies past its partition's end: the topic is new, or another cluster's."""

    def __init__(self, partition: Partition, position: int, end: int) -> None:
        super().__init__(
            f"{partition.topic}/{partition.number} ends at {end}, but {position} is the next offset"
            " to apply: the topic was created anew, or this is another Kafka cluster. Check"
            " FIRSTLINE_KAFKA_BOOTSTRAP and FIRSTLINE_TOPIC_PREFIX. If the topic really is new,"
            " delete its rows from the table positions, and the worker starts at its beginning."
        )


async def seek_to_positions(
    engine: AsyncEngine, consumer: RawConsumer, partitions: Iterable[TopicPartition]
) -> dict[TopicPartition, int]:
    """Read on at what the database says, and return it.

    A partition without a position starts at its beginning. Ends are asked for last: the worker
    that the partitions come from may go on applying meanwhile, and its positions would seem to be
    beyond ends that were read before. Raises `PositionBeyondEnd`.
    """
    partitions = list(partitions)
    if not partitions:
        return {}
    oldest = await consumer.beginning_offsets(partitions)
    async with begin(engine) as tx:
        known = await positions.read(tx, [_ours(partition) for partition in partitions])
        opened = await positions.open_at(
            tx, {_ours(partition): oldest[partition] for partition in partitions}
        )
    ends = await consumer.end_offsets(partitions)
    for partition in partitions:
        ours = _ours(partition)
        position = opened[ours]
        if position > ends[partition]:
            raise PositionBeyondEnd(ours, position, ends[partition])
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

    async def seek(self, consumer: RawConsumer, assigned: set[TopicPartition]) -> None:
        """Seek to the positions of those that are still assigned, however long servers are away.

        Nobody applies meanwhile who would end a stopped process that is in the way.
        """
        pause = _SHORTEST_PAUSE
        while True:
            try:
                async with watched(self._database_url):
                    sought = await seek_to_positions(
                        self._engine, consumer, assigned & consumer.assignment()
                    )
            except PositionBeyondEnd:
                raise
            except Exception as error:
                if not isinstance(error, KafkaError) and classify(error) not in _PASSING:
                    raise
                _log.warning("positions not read yet", error=describe(error), seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                self._sought(sought)
                return


def _ours(partition: TopicPartition) -> Partition:
    return Partition(partition.topic, partition.partition)
