"""The relay: outbox to Kafka, every message exactly once, in order per session.

    fence ─► read progress ─► recover ─► take ─► publish ─► settle ─┐
                                           ▲                        │
                                           └────────────────────────┘

At most one intent is open a shard, so only that one can be in doubt after a crash, and Kafka
itself says whether it was committed: its number is in the progress topic, or it is not.
"""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaProducer
from sqlalchemy.ext.asyncio import AsyncEngine

from producers.disconnect import heard
from producers.kafka import Kafka
from producers.progress import read_progress
from producers.publish import RecordBatch, RowsRefused, encode, publish, transactional_producer
from storage import intents
from storage.blockers import watched
from storage.database import autocommit, begin
from storage.failpoints import reach
from storage.floor import Floor
from storage.intents import Ahead, Bounds, Intent

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """Bounds of one intent, and how long an idle relay waits before it looks again.

    ``accept_lost_progress`` is the operator's word that the progress topic was lost and that what
    is open in the outbox may go out again. It is said once: not for a later loss.
    """

    bounds: Bounds = field(default_factory=Bounds)
    idle_seconds: float = 0.02
    accept_lost_progress: bool = False


@dataclass(slots=True)
class Tally:
    """What the relays of this process have come to so far, one after the other.

    ``seconds`` were spent in Kafka transactions; ``rebuilds`` are errors that ended a relay's life.
    """

    leading: bool = False
    transactions: int = 0
    messages: int = 0
    seconds: float = 0.0
    rebuilds: int = 0
    set_aside: int = 0


@dataclass(frozen=True, slots=True)
class Signals:
    """``stop`` ends the relay after its current intent; ``wake`` tells it that rows were staged.

    ``tally`` is what the relay tells in return, and ``recovered`` that it has found its place.
    """

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    recovered: asyncio.Event = field(default_factory=asyncio.Event)
    tally: Tally = field(default_factory=Tally)


class ProgressLost(Exception):
    """Kafka knows less than was settled: the progress topic was lost, or is another cluster's.

    The relay stops, because it cannot tell any more what went out. An operator decides.
    """

    def __init__(self, shard: int, progress: int, settled: int) -> None:
        super().__init__(
            f"The progress topic of shard {shard} stands at {progress}, but {settled} was settled:"
            " it was lost, or this is another Kafka cluster. Check FIRSTLINE_KAFKA_BOOTSTRAP and"
            " FIRSTLINE_TOPIC_PREFIX; if the topic is really gone, run"
            " `firstline relay --accept-lost-progress` once."
        )


class Readied(NamedTuple):
    """What was read ahead, encoded."""

    ahead: Ahead
    batches: Sequence[RecordBatch]


@dataclass(slots=True)
class Relay:
    """One shard's relay. Make a new one after any error: it has only one life.

    Use `recover` once, then `relay_once` again and again. What it ``published`` it has not settled
    yet; what it ``settled`` it has not deleted yet.
    """

    engine: AsyncEngine
    kafka: Kafka
    shard: int
    settings: RelaySettings
    producer: AIOKafkaProducer
    progress: int
    published: Intent | None = None
    settled: Intent | None = None
    tally: Tally = field(default_factory=Tally)
    floor: Floor = field(default_factory=Floor)
    readied: Readied | None = None

    async def recover(self, *, careful: bool = False) -> None:
        """Finish what a predecessor left open: settle it where Kafka has it, else publish it.

        An intent above the progress was not committed and never will be: its producer is fenced.
        Where the predecessor met a message that Kafka refuses, a ``careful`` relay finds out
        which, and sets it aside.
        """
        async with begin(self.engine) as tx:
            state = await intents.state(tx, self.shard)
            await intents.delete_settled(tx, self.shard)
            intent = await intents.open_intent(tx, self.shard)
        if self.progress < state.settled:
            if not self.settings.accept_lost_progress:
                raise ProgressLost(self.shard, self.progress, state.settled)
            _log.warning("going on from a lost progress", shard=self.shard, was=state.settled)
        if intent is not None and intent.number > self.progress:
            _log.info("publishing an intent left open", shard=self.shard, rows=len(intent.rows))
            await self._publish_or_set_aside(intent, careful=careful)
        if intent is not None:
            self.published = intent
            await self.settle()
        async with begin(self.engine) as tx:
            await intents.count_on(tx, self.shard, self.progress)

    async def relay_once(self) -> int:
        """Settle the last intent, take the next and publish it; return how many rows went out.

        Where there is a backlog, the rows of the last intent are deleted while Kafka works on this
        one, and those of the next are read and encoded.
        """
        intent = await self.take()
        if intent is None:
            return 0
        reach("relay: taken")
        meanwhile = heard(asyncio.gather(self._delete_settled(), self._ready_next(intent)))
        try:
            await self.publish(intent)
            self.published = intent
            _, self.readied = await meanwhile
        finally:
            meanwhile.cancel()
        return len(intent.rows)

    async def take(self) -> Intent | None:
        """Settle the intent that was published last, and open the next, in one statement."""
        await self._delete_settled()
        where = (self.shard, self.progress, self.published, self.floor)
        ahead = self.readied.ahead if self.readied else None
        async with autocommit(self.engine) as tx:
            taken, self.floor = await intents.take(tx, *where, self.settings.bounds, ahead)
        self.settled, self.published = self.published if ahead else None, None
        return taken

    async def _delete_settled(self) -> None:
        if self.settled is not None:
            async with autocommit(self.engine) as tx:
                await intents.delete_settled(tx, self.shard)
            self.settled = None

    async def _ready_next(self, intent: Intent) -> Readied | None:
        bounds = self.settings.bounds
        if len(intent.rows) < bounds.rows:
            return None
        taken = [intent, self.settled] if self.settled else [intent]
        async with autocommit(self.engine) as tx:
            ahead = await intents.read_ahead(tx, self.shard, taken, self.floor, bounds)
        if ahead is None:
            return None
        return Readied(ahead, await encode(self.producer, self.kafka, ahead.rows))

    async def settle(self) -> None:
        """Close the intent that was published last, and delete its rows."""
        if self.published is not None:
            async with begin(self.engine) as tx:
                await intents.settle(tx, self.shard, self.published.number)
            self.published = None

    async def publish(self, intent: Intent, *, one_by_one: bool = False) -> None:
        """Commit the intent to Kafka. After this, its number is the shard's progress."""
        began = time.perf_counter()
        batches = self.readied.batches if self.readied else None
        self.readied = None
        await publish(
            self.producer,
            self.kafka,
            self.shard,
            intent,
            batches=None if one_by_one else batches,
            one_by_one=one_by_one,
        )
        self.progress = intent.number
        self.tally.seconds += time.perf_counter() - began
        self.tally.transactions += 1
        self.tally.messages += len(intent.rows)

    async def _publish_or_set_aside(self, intent: Intent, *, careful: bool) -> None:
        try:
            await self.publish(intent, one_by_one=careful)
        except RowsRefused as refused:
            _log.error("set aside what Kafka refuses", rows=len(refused.rows), why=refused.why)
            async with begin(self.engine) as tx:
                await intents.set_aside(tx, self.shard, refused.rows, refused.why)
            self.tally.set_aside += len(refused.rows)
            raise


async def open_relay(  # noqa: PLR0913 - where, and how
    stack: AsyncExitStack,
    engine: AsyncEngine,
    kafka: Kafka,
    shard: int,
    settings: RelaySettings,
    *,
    careful: bool = False,
    tally: Tally | None = None,
) -> Relay:
    """Fence predecessors, then read the progress, then recover: in this order and no other."""
    producer = await stack.enter_async_context(
        transactional_producer(kafka, shard, careful=careful)
    )
    reach("relay: fenced")
    progress = await read_progress(kafka, shard)
    relay = Relay(engine, kafka, shard, settings, producer, progress, tally=tally or Tally())
    await relay.recover(careful=careful)
    return relay


async def lead(  # noqa: PLR0913 - where, how, and until when
    database_url: str,
    engine: AsyncEngine,
    kafka: Kafka,
    shard: int,
    settings: RelaySettings,
    *,
    signals: Signals,
    careful: bool = False,
) -> None:
    """Relay until told to stop, or until the first error, which ends this relay's life.

    A predecessor that was stopped with the shard's row in its hands is not waited for. A
    ``careful`` relay only recovers: its transactions may stay open for minutes.
    """
    async with AsyncExitStack() as stack:
        async with watched(database_url):
            relay = await open_relay(
                stack, engine, kafka, shard, settings, careful=careful, tally=signals.tally
            )
        signals.recovered.set()
        while not careful and not signals.stop.is_set():
            signals.wake.clear()
            async with watched(database_url):
                rows = await relay.relay_once()
            if not rows:
                await _nap(signals.wake, settings.idle_seconds)
        await relay.settle()


async def _nap(wake: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await wake.wait()
