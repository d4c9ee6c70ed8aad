"""The consumer of node requests: its own group, its own pace, no part in applying commands.

Several requests are answered at the same time, in any order. While as many are under way as may
be, the partitions are paused and polled, so that waiting for a generator never costs the group
membership. Offsets are committed once everything before them has a result; a request that comes
again finds it.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from consumers.generating import Generating
from consumers.raw_consumer import RawConsumer
from consumers.raw_messages import Membership, connect, raw_broker, subscribe
from consumers.records import Record
from consumers.seeking import Seeking
from consumers.trace import trace_of
from consumers.window import Window
from producers import topics
from producers.kafka import Kafka
from schemas.states import NodeRequest

_log = structlog.get_logger()

_POLL_SECONDS = 0.5
_DRAIN_SECONDS = 8.0
_LEAVE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class NodesSettings:
    """Who the consumer is in its group, and how many requests it answers at the same time.

    Where it ``leaves``, stopping gives its place up.
    """

    member: str
    concurrency: int = 8
    leaves: bool = False


class Nodes:
    """Consumes node requests until stopped. ``failed`` is done when it cannot go on."""

    def __init__(self, kafka: Kafka, generating: Generating, settings: NodesSettings) -> None:
        self._kafka = kafka
        self._generating = generating
        self._settings = settings
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._window = Window()
        self._rebalances = _Rebalances(self.failed, self._window)
        self._broker = raw_broker(kafka)
        subscribe(
            self._broker,
            [kafka.topic(topics.NODE_REQUESTS)],
            Membership(f"{kafka.prefix}nodes", settings.member),
            self._rebalances,
            self._handle,
            max_records=settings.concurrency,
            batch_timeout_ms=20,
        )
        self._stopping = False
        self._ended = asyncio.Event()
        self._committing = asyncio.Lock()
        self._under_way: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Free what died with a predecessor, join the group, and begin to consume.

        Raises what reading the offsets raised.
        """
        await self._generating.take_place()
        await connect(self._broker, self._kafka, self._rebalances.make)
        await self._broker.start()
        await self._rebalances.assigned.wait()
        if self.failed.done():
            self.failed.result()

    async def stop(self) -> None:
        """Let what is under way end, within bounds; what does not is free for the next.

        To stop once more does nothing: a client that is closed would connect again.
        """
        if self._stopping:
            return
        self._stopping = True
        self._ended.set()
        if self._rebalances.consumer is None:
            return
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_DRAIN_SECONDS)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._commit()
        with suppress(Exception):  # they run out by themselves
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._generating.let_go()
        if self._settings.leaves:
            self._rebalances.at_work().give_place_up()
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await self._broker.stop()

    def polled_seconds_ago(self) -> float:
        """How long ago Kafka was polled last; infinity before the first time."""
        return self._rebalances.polled_seconds_ago()

    def lag(self) -> Mapping[str, int]:
        """How many requests, by topic, it is assigned and has not answered."""
        consumer = self._rebalances.consumer
        lag: Counter[str] = Counter()
        for waiting in (self._window.under_way(), {} if consumer is None else consumer.behind()):
            for partition, requests in waiting.items():
                lag[partition.topic] += requests
        return lag

    @property
    def consuming(self) -> bool:
        """Whether requests are read."""
        return self._rebalances.assigned.is_set() and not self._stopping

    async def _handle(self, records: Sequence[Record]) -> None:
        """Begin to answer the records; return once there is room for more."""
        try:
            for record in records:
                self._window.begin(TopicPartition(record.topic, record.partition), record.offset)
            for record in records:
                await self._room()
                if self._stopping:
                    return
                self._begin(record)
        except Exception as error:  # noqa: BLE001 - FastStream would read on
            self._rebalances.fail(error)
        if self.failed.done():
            await asyncio.Event().wait()

    def _begin(self, record: Record) -> None:
        task = asyncio.ensure_future(self._answer(record))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(lambda _: self._ended.set())

    async def _room(self) -> None:
        """Wait until one more may be begun, partitions paused meanwhile, and polled."""
        consumer = self._rebalances.at_work()
        paused = False
        while len(self._under_way) >= self._settings.concurrency and not self._stopping:
            paused = True
            self._ended.clear()
            consumer.pause(*consumer.assignment())
            await consumer.poll_paused()
            with suppress(TimeoutError):
                async with asyncio.timeout(_POLL_SECONDS):
                    await self._ended.wait()
        if paused:
            consumer.resume(*consumer.assignment())

    async def _answer(self, record: Record) -> None:
        try:
            asked = _read(record)
            if asked is not None:
                await self._generating.answer(asked, trace_of(record.headers))
        except Exception as error:  # noqa: BLE001 - handed on
            self._rebalances.fail(error)
            return
        self._window.end(TopicPartition(record.topic, record.partition), record.offset)
        await self._commit()

    async def _commit(self) -> None:
        """Tell Kafka how far everything has a result; a request that comes again finds it.

        One after the other: the client tries a commit again behind a later one, and takes it back.
        """
        consumer = self._rebalances.at_work()
        try:
            async with asyncio.timeout(2), self._committing:
                owned = consumer.assignment()
                offsets = {one: end for one, end in self._window.done().items() if one in owned}
                if offsets:
                    await consumer.commit(offsets)
        except Exception as error:  # noqa: BLE001 - the results are the truth
            _log.info("offsets not committed", error=type(error).__name__)


class _Rebalances(Seeking):
    """Reads on at the committed offsets, or at the beginning: what has a result costs nothing."""

    def __init__(self, failed: asyncio.Future[None], window: Window) -> None:
        super().__init__(failed)
        self._window = window

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Leave the partitions; what is under way of them ends, and is found by the next."""
        for partition in revoked:
            self._window.forget(partition)

    async def on_cut(self, partition: TopicPartition, position: int) -> None:
        """Read all of it; offsets of the log before are nobody's any more."""
        self._window.forget(partition)
        await super().on_cut(partition, position)

    async def seek(self, consumer: RawConsumer, assigned: set[TopicPartition]) -> None:
        """Seek, so that the consumer knows how far it has read of each."""
        offsets = {one: await self._next_offset(consumer, one) for one in assigned}
        for partition, offset in offsets.items():
            consumer.seek(partition, offset)

    @staticmethod
    async def _next_offset(consumer: RawConsumer, partition: TopicPartition) -> int:
        """Where to read on, asked for however long the broker is away."""
        while True:
            try:
                offset: int | None = await consumer.committed(partition)
                if offset is not None:
                    return offset
                oldest = await consumer.beginning_offsets([partition])
                return int(oldest[partition])
            except KafkaError as error:
                _log.warning("offsets not read yet", error=type(error).__name__)
                await asyncio.sleep(_POLL_SECONDS)


def _read(record: Record) -> NodeRequest | None:
    """The request, or None where somebody else's record is none: there is nobody to answer."""
    try:
        return NodeRequest.model_validate_json(record.value or b"")
    except ValidationError:
        _log.warning(
            "a node request is unreadable",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
        )
        return None
