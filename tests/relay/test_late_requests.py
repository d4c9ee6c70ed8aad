"""A request to end a transaction that arrives late: why a relay's producer has only one life.

The client speaks the transaction protocol from before KIP-890, in which the broker cannot tell to
which of a producer's transactions such a request belongs. A proxy holds one back.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from sqlalchemy.ext.asyncio import AsyncEngine

from producers import publish as publish_module
from producers import topics
from producers.kafka import Kafka
from producers.relay import Relay, RelaySettings
from storage.intents import Intent
from tests.chaos.proxy import Api, Caught, Proxy, Way
from tests.relay.house import FENCED, LOST, House, Open
from tests.relay.swapped import opening

_PATIENCE = 20


class Reusing(Relay):
    """Goes on with the producer that failed: aborts, and publishes again.

    Row by row, as a careful relay does, so that partitions join the transaction one by one.
    """

    async def publish(self, intent: Intent, *, one_by_one: bool = False) -> None:
        assert not one_by_one
        while True:
            try:
                await self._try(intent)
            except (KafkaError, TimeoutError):
                await self.producer.abort_transaction()
            else:
                self.progress = intent.number
                return

    async def _try(self, intent: Intent) -> None:
        await self.producer.begin_transaction()
        async with asyncio.timeout(publish_module.TRANSACTION_SECONDS):
            progress = await self.producer.send(
                self.kafka.topic(topics.RELAY_PROGRESS), b"%d" % intent.number, b"0", self.shard
            )
            await publish_module._send_one_by_one(self.producer, self.kafka, intent.rows)
            await progress
        await self.producer.commit_transaction()


@dataclass(frozen=True, slots=True)
class Line:
    """A house whose relays reach Kafka through a proxy."""

    house: House
    proxy: Proxy

    def open(self, kind: type[Relay]) -> Open:
        """Open a relay of this kind behind the proxy."""

        async def open_(
            stack: AsyncExitStack,
            engine: AsyncEngine,
            kafka: Kafka,
            shard: int,
            settings: RelaySettings,
        ) -> Relay:
            behind = replace(kafka, bootstrap=self.proxy.bootstrap)
            return await opening(kind)(stack, engine, behind, shard, settings)

        return open_

    @asynccontextmanager
    async def relaying(self, kind: type[Relay]) -> AsyncIterator[None]:
        """Relay while the block runs, a new relay after each error, as `relay_forever` does it."""
        relaying = asyncio.ensure_future(self._relay_forever(kind))
        try:
            yield
        finally:
            relaying.cancel()
            await asyncio.gather(relaying, return_exceptions=True)

    async def _relay_forever(self, kind: type[Relay]) -> None:
        while True:
            with contextlib.suppress(*FENCED, TimeoutError):
                async with self.house.relay(self.open(kind)) as relay:
                    while True:
                        if not await relay.relay_once():
                            await asyncio.sleep(0.01)

    async def until_visible(self, count: int) -> None:
        """Wait until readers see so many messages."""
        async with asyncio.timeout(_PATIENCE):
            while await self.house.visible() < count:
                pass


@pytest.fixture
def line(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    # A client that gives up on a request after a second, not after fifteen.
    def producer(**settings: object) -> AIOKafkaProducer:
        hasty = {"request_timeout_ms": 1_000, "transaction_timeout_ms": 15_000}
        return AIOKafkaProducer(**settings | hasty)

    monkeypatch.setattr(publish_module, "AIOKafkaProducer", producer)
    monkeypatch.setattr(publish_module, "TRANSACTION_SECONDS", 1)
    with Proxy(house.kafka.bootstrap) as proxy:
        yield Line(house, proxy)


KINDS = pytest.mark.parametrize(
    ("kind", "faults"),
    [(Relay, set()), (Reusing, {LOST})],
    ids=["one strike", "a producer that is used again"],
)


@KINDS
async def test_a_late_commit(line: Line, kind: type[Relay], faults: set[str]) -> None:
    """It commits half of what comes next, the number among it; then the relay dies."""
    late = line.proxy.hold(Api.END_TXN, matching=_commits)
    await line.house.stage(2)
    async with line.relaying(kind):
        await _reached(late)
        await line.until_visible(2)
        held = line.proxy.hold(Api.ADD_PARTITIONS_TO_TXN, matching=_of_ticketing)
        await line.house.stage(2)
        await _reached(held)
        await _deliver(late)
    held.let_go()
    await line.house.relay_all()
    assert await line.house.faults() == faults


@KINDS
async def test_a_late_abort(line: Line, kind: type[Relay], faults: set[str]) -> None:
    """It takes back half of what comes next, and the commit reports success."""
    late = line.proxy.hold(Api.END_TXN, matching=_aborts)
    line.proxy.lose(Api.PRODUCE, Way.ANSWER)
    held = line.proxy.hold(Api.ADD_PARTITIONS_TO_TXN, matching=_of_ticketing)
    await line.house.stage(2)
    async with line.relaying(kind):
        await _reached(held)
        assert late.reached.is_set() == bool(faults), "a producer with one life aborts nothing"
        if late.reached.is_set():
            await _deliver(late)
        held.let_go()
        async with asyncio.timeout(_PATIENCE):
            while await line.house.waiting():
                pass
    assert await line.house.faults() == faults


async def test_a_producer_that_was_thrown_away_sends_nothing_any_more(line: Line) -> None:
    """Its sender would make new connections, and send again what was not acknowledged."""
    kafka = replace(line.house.kafka, bootstrap=line.proxy.bootstrap)
    before = asyncio.all_tasks()
    async with publish_module.transactional_producer(kafka, 0) as producer:
        await producer.begin_transaction()
        held = line.proxy.hold(Api.PRODUCE)
        await producer.send(kafka.topic("session-events"), b"value", b"key")
        await _reached(held)
    left = [repr(task.get_coro()) for task in asyncio.all_tasks() - before]
    assert [task for task in left if "Sender" in task] == []


def _commits(frame: bytes) -> bool:
    """Of a request to end a transaction: the last byte says how."""
    return frame[-1] == 1


def _aborts(frame: bytes) -> bool:
    return not _commits(frame)


def _of_ticketing(frame: bytes) -> bool:
    return b"ticketing" in frame


async def _reached(caught: Caught) -> None:
    assert await asyncio.to_thread(caught.reached.wait, _PATIENCE)


async def _deliver(caught: Caught) -> None:
    caught.let_go()
    assert await asyncio.to_thread(caught.arrived.wait, _PATIENCE)
