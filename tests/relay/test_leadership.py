"""Who relays: one at a time, and somebody else as soon as the lease is free."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError

from producers import leadership
from producers.leadership import relay_forever
from producers.relay import Relay, Signals, lead
from storage import blockers, intents, lease
from storage.blockers import end_blockers
from storage.database import begin
from storage.lease import Lease, try_lease
from tests.relay.house import SMALL_INTENTS, House

hold = Lease.hold


@dataclass(slots=True)
class Watch:
    """Who leads, how many ever did at once, and what else came about."""

    leading: list[Signals] = field(default_factory=list)
    most: int = 0
    terms: int = 0
    refused: int = 0
    idle: int = 0
    relay: Relay | None = None
    lease: Lease | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until this is so."""
        async with asyncio.timeout(30), self.changed:
            await self.changed.wait_for(holds)

    async def until_all_is_out(self) -> None:
        """Wait until a leader has twice found nothing: the second time it began to look later."""
        enough = self.idle + 2
        await self.until(lambda: self.idle >= enough)

    async def tell(self) -> None:
        """Have whoever waits look again."""
        async with self.changed:
            self.changed.notify_all()

    async def lead(self, *where: Any, signals: Signals, careful: bool) -> None:  # noqa: ANN401
        """Lead, and be seen to."""
        self.leading.append(signals)
        self.most = max(self.most, len(self.leading))
        self.terms += 1
        await self.tell()
        try:
            await lead(*where, signals=signals, careful=careful)
        finally:
            self.leading.remove(signals)
            await self.tell()

    async def try_lease(self, database_url: str, name: str) -> Lease | None:
        """Take the lease, or be seen not to get it."""
        taken = await try_lease(database_url, name)
        self.lease = taken or self.lease
        self.refused += taken is None
        await self.tell()
        return taken


@dataclass(slots=True)
class Ice:
    """Stops whoever leads in its tracks, heart and all, as the whole process would be."""

    relay: Relay | None = None
    lease: Lease | None = None
    cold: asyncio.Event = field(default_factory=asyncio.Event)
    warm: asyncio.Event = field(default_factory=asyncio.Event)

    def freeze(self, watch: Watch) -> None:
        """Stop who leads now."""
        self.relay, self.lease = watch.relay, watch.lease
        self.cold.set()

    async def hold(self, lease: Lease) -> None:
        """Hold the lease while one is alive."""
        beating = asyncio.ensure_future(hold(lease))
        freezing = asyncio.ensure_future(self.cold.wait())
        try:
            await asyncio.wait({beating, freezing}, return_when=asyncio.FIRST_COMPLETED)
            if lease is not self.lease:
                return await beating
        finally:
            beating.cancel()
            freezing.cancel()
        await self.warm.wait()
        return await hold(lease)


@pytest.fixture
def ice(monkeypatch: pytest.MonkeyPatch) -> Ice:
    ice = Ice()

    async def held(lease: Lease) -> None:
        await ice.hold(lease)

    monkeypatch.setattr(Lease, "hold", held)
    return ice


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch, ice: Ice) -> Watch:
    watch = Watch()
    relay_once = Relay.relay_once

    async def watched_once(relay: Relay) -> int:
        watch.relay = relay
        if relay is ice.relay:
            await ice.warm.wait()
        sent = await relay_once(relay)
        watch.idle += not sent
        await watch.tell()
        return sent

    monkeypatch.setattr(leadership, "lead", watch.lead)
    monkeypatch.setattr(leadership, "try_lease", watch.try_lease)
    monkeypatch.setattr(Relay, "relay_once", watched_once)
    return watch


async def test_of_two_relays_one_leads(house: House, watch: Watch) -> None:
    async with candidate(house), candidate(house):
        await watch.until(lambda: watch.refused >= 2)
        await house.stage(50)
        await watch.until_all_is_out()
    assert (watch.most, watch.terms) == (1, 1)
    assert await house.faults() == set()


async def test_when_the_leader_dies_the_other_takes_over(house: House, watch: Watch) -> None:
    async with candidate(house) as (first, _):
        await watch.until_all_is_out()
        async with candidate(house) as (_, others):
            await house.stage(50)
            first.cancel()
            await watch.until(lambda: watch.leading == [others])
            await house.stage(5)
            await watch.until_all_is_out()
    assert watch.most == 1
    assert await house.faults() == set()


async def test_when_the_leader_is_told_to_stop_the_other_takes_over(
    house: House, watch: Watch
) -> None:
    async with candidate(house) as (first, signals):
        await watch.until(lambda: watch.leading == [signals])
        async with candidate(house) as (_, others):
            await house.stage(50)
            signals.stop.set()
            await first
            await watch.until(lambda: watch.leading == [others])
            await house.stage(5)
            await watch.until_all_is_out()
    assert watch.most == 1
    assert await house.faults() == set()


async def test_whoever_loses_the_lease_stops_to_lead(
    house: House, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until it has noticed, another may lead besides: the lease is for progress, not for safety."""
    monkeypatch.setattr(lease, "_HEARTBEAT_SECONDS", 0.05)
    async with candidate(house), candidate(house):
        for term in (2, 3, 4):
            await watch.until_all_is_out()
            await house.stage(20)
            await end_leases(house)
            await watch.until(lambda term=term: watch.terms >= term)  # type: ignore[misc]
            await watch.until(lambda: len(watch.leading) == 1)
        await watch.until_all_is_out()
    assert await house.faults() == set()


async def test_a_leader_that_stands_still_is_replaced_and_does_no_harm_when_it_goes_on(
    house: House, watch: Watch, ice: Ice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setitem(lease._SETTINGS, "idle_session_timeout", "300ms")
    async with candidate(house) as (_, signals):
        await watch.until_all_is_out()
        ice.freeze(watch)
        async with candidate(house) as (_, others):
            await house.stage(50)
            await watch.until(lambda: watch.leading == [signals, others])
            await watch.until_all_is_out()
            await house.stage(20)
            ice.warm.set()
            await watch.until(lambda: len(watch.leading) == 1)
            await watch.until_all_is_out()
    assert await house.faults() == set()


@asynccontextmanager
async def candidate(house: House) -> AsyncIterator[tuple[asyncio.Task[None], Signals]]:
    """Somebody who relays whenever nobody else does, as long as the block runs."""
    signals = Signals()
    relaying = asyncio.ensure_future(
        relay_forever(house.database_url, house.engine, house.kafka, SMALL_INTENTS, signals)
    )
    try:
        yield relaying, signals
    finally:
        signals.stop.set()
        await asyncio.gather(relaying, return_exceptions=True)


async def end_leases(house: House) -> None:
    """Cut the connection that holds the lease."""
    connection = await asyncpg.connect(house.database_url)
    await connection.execute(
        """
        select pg_terminate_backend(pid) from pg_stat_activity
        where application_name = 'firstline-lease' and datname = current_database()
        """
    )
    await connection.close()


async def test_a_predecessor_that_stopped_with_the_shard_in_its_hands_is_not_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its backend is ended: no time-out reaches a process that was stopped."""
    monkeypatch.setattr(blockers, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(blockers, "end_blockers", partial(end_blockers, patience=0.1))
    await house.stage(5)
    signals = Signals()
    with contextlib.suppress(asyncpg.InterfaceError, asyncpg.PostgresError, DBAPIError):
        async with begin(house.engine) as stopped:
            await intents.state(stopped, 0)
            async with asyncio.timeout(15), asyncio.TaskGroup() as tasks:
                where = (house.database_url, house.engine, house.kafka, SMALL_INTENTS, signals)
                tasks.create_task(relay_forever(*where))
                while await house.waiting():  # noqa: ASYNC110 - the outbox gives no signal
                    await asyncio.sleep(0.02)
                signals.stop.set()
    assert await house.waiting() == 0
    assert await house.faults() == set()


async def test_the_word_that_progress_was_lost_holds_for_one_loss(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A life that ends before it has recovered has not used it up."""
    said: list[bool] = []

    async def lives(*where: Any, signals: Signals, **_: Any) -> None:  # noqa: ANN401
        said.append(where[-1].accept_lost_progress)
        if len(said) > 1:
            signals.recovered.set()
        if len(said) > 2:
            signals.stop.set()
        raise OSError

    monkeypatch.setattr(leadership, "lead", lives)
    settings = replace(SMALL_INTENTS, accept_lost_progress=True)
    async with asyncio.timeout(30):
        await relay_forever(house.database_url, house.engine, house.kafka, settings, Signals())
    assert said == [True, True, False]


@pytest.mark.parametrize(("works", "pauses"), [(True, {0.05}), (False, {0.05, 0.1, 0.2, 0.4, 0.8})])
async def test_pauses_begin_anew_once_a_relay_was_at_work(
    house: House, monkeypatch: pytest.MonkeyPatch, *, works: bool, pauses: set[float]
) -> None:
    """Else five errors in a year would have each further one cost five seconds."""
    signals, paused = Signals(), list[float]()

    async def fails(*_: object, **__: object) -> None:
        signals.tally.transactions += works
        raise OSError

    async def pause(stop: asyncio.Event, seconds: float) -> None:
        paused.append(seconds)
        if len(paused) == 5:
            stop.set()

    monkeypatch.setattr(leadership, "lead", fails)
    monkeypatch.setattr(leadership, "_pause", pause)
    await relay_forever(house.database_url, house.engine, house.kafka, SMALL_INTENTS, signals)
    assert set(paused) == pauses
