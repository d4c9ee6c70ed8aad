"""The worker: a FastStream subscriber over the command topics that applies what it reads.

The handler settles every batch itself: it hands what was read over to lanes, and returns once they
have room for more. It never raises, because FastStream would go on reading.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from aiokafka import TopicPartition

from consumers.apply import Applied, Batch
from consumers.batching import CONSUMED, Batching
from consumers.caution import careful_slices
from consumers.isolate import Applier, TookTooLong, TryLater, halves
from consumers.lanes import Lanes, Read
from consumers.raw_consumer import RawConsumer
from consumers.raw_messages import Membership, connect, raw_broker, subscribe
from consumers.reading import Rebalances
from consumers.records import Record
from producers.kafka import Kafka
from storage.backoff import growing_pauses
from storage.blockers import watched
from storage.database import ANSWER_SECONDS
from storage.failpoints import reach
from storage.positions import Partition, PositionBehind

_log = structlog.get_logger()

_COMMIT_EVERY_SECONDS = 1.0
# How long a fetch waits for the first record; it returns with it at once.
_PATIENCE_MS = 500
# A batch that takes longer waits for a lock or for an answer; it may do so for minutes.
_LONG_SECONDS = 5.0
_POLL_EVERY_SECONDS = 1.0
# Hardly an attempt takes as long: Postgres answers a statement within half of this, or is not
# waited for.
_ATTEMPT_SECONDS = 2 * ANSWER_SECONDS
# Brokers answer each half second, even where there is nothing to read.
_KAFKA_AWAY_SECONDS = 10.0
_DRAIN_SECONDS = 8.0
_LEAVE_SECONDS = 3.0
_COMMIT_SECONDS = 2.0
STOP_SECONDS = _DRAIN_SECONDS + _COMMIT_SECONDS + 2 * _LEAVE_SECONDS
"""The longest that stopping a worker takes where no server answers."""


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """Bounds of a batch, and who this worker is in its group.

    ``slot`` names a member for good: a worker that comes back in the same slot is the same member
    and has its partitions back at once. ``careful`` where the last one there died: what it died
    of may be the first record that this one reads. Where it ``leaves``, stopping gives the place
    up: others have its partitions without waiting for who might come back.
    """

    slot: int = 0
    careful: bool = False
    leaves: bool = False
    lanes: int = 4
    batch_records: int = 1_000
    batch_bytes: int = 8 * 1024 * 1024
    poll_ms: int = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """How a worker stands at a moment.

    ``lag`` counts by topic what it is assigned and has not applied. ``oldest_ms`` is when Kafka
    took the oldest record at hand, in milliseconds since 1970. ``applied_at`` is when it last
    applied anything, by the monotonic clock. It is ``waiting`` while Postgres or somebody's lock
    holds up the batch at hand, or Kafka is away where there is none. ``damaged`` counts what of the
    lag nobody can read.
    """

    lag: Mapping[str, int]
    oldest_ms: int | None
    applied_at: float
    waiting: bool
    consuming: bool
    damaged: int = 0


class Worker:
    """Consumes commands until stopped. ``failed`` is done when it cannot go on."""

    def __init__(  # noqa: PLR0913 - where, how, and who is told
        self,
        kafka: Kafka,
        database_url: str,
        applier: Applier,
        settings: WorkerSettings,
        *,
        on_applied: Callable[[Batch, Applied], None] = lambda *_: None,
        middlewares: Sequence[Any] = (),
    ) -> None:
        self._kafka = kafka
        self._database_url = database_url
        self._applier = applier
        self._settings = settings
        self._on_applied = on_applied
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._batching = Batching(settings.batch_records, settings.batch_bytes)
        self._lanes = Lanes(settings.lanes, self._work)
        self._applied_up_to: dict[TopicPartition, int] = {}
        self._rebalances = Rebalances(
            applier.engine,
            database_url,
            self.failed,
            self._lanes.done,
            self._applied_up_to.update,
        )
        self._broker = raw_broker(kafka, middlewares)
        subscribe(
            self._broker,
            [kafka.topic(name) for name in CONSUMED],
            Membership(f"{kafka.prefix}worker", f"{kafka.prefix}worker-{settings.slot}"),
            self._rebalances,
            self._handle,
            max_records=settings.batch_records,
            batch_timeout_ms=settings.poll_ms,
        )
        self._careful = settings.careful
        self._stopping = False
        self._waiting = 0
        self._committed_at = 0.0
        self._applied_at = time.monotonic()

    async def start(self) -> None:
        """Join the group and begin to consume. Returns once partitions are assigned.

        Raises what reading the positions raised.
        """
        making = partial(
            self._rebalances.make, lanes=self._settings.lanes, patience_ms=_PATIENCE_MS
        )
        await connect(self._broker, self._kafka, making)
        await self._broker.start()
        await self._rebalances.assigned.wait()
        if self.failed.done():
            self.failed.result()

    async def stop(self) -> None:
        """Let the batch at hand end, commit its offsets, and leave, within `STOP_SECONDS`.

        A batch that waits for a server is left: it was not applied and comes back. To stop once
        more does nothing: a client that is closed would connect again.
        """
        if self._stopping:
            return
        self._stopping = True
        if self._rebalances.consumer is None:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._lanes.done()
        await self._commit_offsets()
        if self._settings.leaves:
            self.consumer.give_place_up()
        # First what waits: the broker is stopped once the handler has room for what was read.
        for leave in (self._lanes.give_up, self._broker.stop):
            with suppress(TimeoutError):
                async with asyncio.timeout(_LEAVE_SECONDS):
                    await leave()

    def polled_seconds_ago(self) -> float:
        """How long ago Kafka was polled last; infinity before the first time."""
        return self._rebalances.polled_seconds_ago()

    def standing(self) -> Standing:
        """How the worker stands now."""
        consumer = self._rebalances.consumer
        behind = {} if consumer is None else consumer.behind()
        at_hand = self._lanes.at_hand
        away = (
            consumer is not None
            and not at_hand
            and consumer.answered_seconds_ago() > _KAFKA_AWAY_SECONDS
        )
        tried_ago = time.monotonic() - self._applier.tried_at
        lag = Counter(record.topic for record in at_hand)
        for partition, offsets in behind.items():
            lag[partition.topic] += offsets
        return Standing(
            lag,
            min((one.timestamp for one in at_hand if one.timestamp > 0), default=None),
            self._applied_at,
            waiting=away or (self._waiting > 0 and tried_ago < _ATTEMPT_SECONDS),
            consuming=self._rebalances.assigned.is_set() and not self._stopping,
            damaged=0
            if consumer is None
            else sum(behind.get(one, 0) for one in consumer.damaged()),
        )

    @property
    def consumer(self) -> RawConsumer:
        """The consumer at work."""
        return self._rebalances.at_work()

    async def _handle(self, records: Sequence[Record]) -> None:
        try:
            reach("worker: polled")
            read = Read(records, *self.consumer.covered)
            await self._lanes.take_up(read, whole=self._careful)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be skipped
            self._rebalances.fail(error)
        if self.failed.done():
            # Reading on would skip the batch: stay here until the process ends.
            await asyncio.Event().wait()

    async def _work(self, read: Read) -> None:
        """Apply what was read, unless reading has started elsewhere since: then it comes again."""
        if read.course != self.consumer.course:
            return
        try:
            await self._apply_all(read.records, read.spans)
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be skipped
            self._rebalances.fail(error)

    async def _apply_all(self, records: Sequence[Record], spans: dict[Partition, range]) -> None:
        if self._careful:
            if not await self._apply_carefully(records, spans):
                return
            self._careful = False
        elif not await self._run(records, spans):
            return
        if time.monotonic() - self._committed_at > _COMMIT_EVERY_SECONDS:
            await self._commit_offsets()

    async def _run(self, records: Sequence[Record], spans: dict[Partition, range]) -> bool:
        """Apply the records' batches one after the other; False where reading starts elsewhere."""
        for part in self._batching.split(records):
            if not await self._apply(await self._batching.decoded(part, spans)):
                return False
        return True

    async def _apply_carefully(
        self, records: Sequence[Record], spans: dict[Partition, range]
    ) -> bool:
        """The first records after an unclean exit, in small slices whose attempts are counted."""
        async for piece in careful_slices(self._applier.engine, records):
            if piece.condemned is None:
                batch = await self._batching.decoded(piece.records, spans)
                await piece.note_decoded()
            else:
                batch = self._batching.condemned(piece, spans)
            if not await self._apply(batch):
                return False
        return True

    async def _apply(self, batch: Batch) -> bool:
        """Apply a batch however long it takes; False where reading starts again elsewhere."""
        reach("worker: decoded")
        pauses = growing_pauses()
        while True:
            if self.failed.done() or self._stopping:
                return False
            try:
                async with watched(self._database_url):
                    applied = await self._applied(batch)
            except PositionBehind as error:
                _log.warning("reading starts again at the positions", why=str(error))
                await self._rebalances.seek(self.consumer, self.consumer.assignment())
                return False
            except TookTooLong as error:
                _log.warning("batch is applied in halves", why=str(error))
                await self._wait_and_poll(next(pauses))
                first, second = halves(batch)
                return await self._apply(first) and await self._apply(second)
            except TryLater as error:
                pause = next(pauses)
                _log.warning("batch waits", why=str(error), seconds=pause)
                await self._wait_and_poll(pause)
            else:
                for partition, span in batch.spans.items():
                    ours = TopicPartition(partition.topic, partition.number)
                    # Others may have got further where it was theirs meanwhile.
                    up_to = self._applied_up_to.get(ours, 0)
                    self._applied_up_to[ours] = max(up_to, span.stop)
                self._applied_at = time.monotonic()
                self._on_applied(batch, applied)
                return True

    async def _applied(self, batch: Batch) -> Applied:
        """Apply the batch; where that takes long, as behind somebody's lock, poll meanwhile."""
        applying = asyncio.ensure_future(self._applier.apply(batch, datetime.now(UTC)))
        try:
            await asyncio.wait({applying}, timeout=_LONG_SECONDS)
            while not applying.done() and not self._stopping:
                await self._wait_and_poll(_POLL_EVERY_SECONDS)
            return await applying
        finally:
            if not applying.done():
                applying.cancel()
                await asyncio.gather(applying, return_exceptions=True)

    async def _wait_and_poll(self, seconds: float) -> None:
        """Wait, but keep polling paused partitions: who does not poll has to leave the group."""
        self._waiting += 1
        try:
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0 and not self._stopping:
                self.consumer.pause(*self.consumer.assignment())
                await self.consumer.poll_paused()
                await asyncio.sleep(min(left, 1.0))
        finally:
            self._waiting -= 1
            if not self._waiting:
                self.consumer.resume(*self.consumer.assignment())

    async def _commit_offsets(self) -> None:
        """Tell Kafka how far its records are applied, by whomever.

        A courtesy to whoever monitors lag: nothing depends on it.
        """
        self._committed_at = time.monotonic()
        sought = self.consumer.sought()
        offsets = {tp: end for tp, end in self._applied_up_to.items() if tp in sought}
        if not offsets:
            return
        try:
            reach("offsets: due")
            async with asyncio.timeout(_COMMIT_SECONDS):
                await self.consumer.commit(offsets)
            reach("offsets: committed")
        except Exception as error:  # noqa: BLE001 - the positions are the truth
            _log.info("offsets not committed", error=type(error).__name__)
