"""A relay that stands still, is replaced, and goes on: it can neither publish nor settle."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from unittest import mock

import pytest

from producers import relay as relay_module
from producers.kafka import Kafka
from producers.publish import transactional_producer
from storage import intents
from storage.database import autocommit, begin
from storage.intents import TakenOver
from tests.relay.house import FENCED, TWICE, House
from tests.relay.stops import end_held
from tests.waiting import until_waiting

Complaints = Callable[[], list[str]]


async def test_a_replaced_relay_cannot_publish_what_it_took(house: House) -> None:
    await house.stage(20)
    async with house.relay() as old:
        intent = await old.take()
        assert intent is not None
        await house.relay_all()
        with pytest.raises(FENCED):
            await old.publish(intent)
    assert await house.faults() == set()


async def test_a_replaced_relay_cannot_commit_what_it_sent(house: House) -> None:
    await house.stage(20)
    async with house.relay() as old:
        with end_held(old) as held:
            relaying = asyncio.ensure_future(old.relay_once())
            await held.reached.wait()
            await house.relay_all()
            held.go_on.set()
            held.hand_over.set()
            with pytest.raises(FENCED):
                await relaying
    assert await house.faults() == set()


async def test_a_late_commit_does_not_commit_what_the_next_relay_is_sending(house: House) -> None:
    await house.stage(8)
    async with house.relay() as old:
        with end_held(old) as late:
            relaying = asyncio.ensure_future(old.relay_once())
            await late.reached.wait()
            await house.stage(8)
            async with house.relay() as new:
                with end_held(new) as held:
                    going_on = asyncio.ensure_future(new.relay_once())
                    await held.reached.wait()
                    late.go_on.set()
                    late.hand_over.set()
                    with pytest.raises(FENCED):
                        await relaying
                    assert await house.visible() == 8
                    held.go_on.set()
                    held.hand_over.set()
                    assert await going_on == 8
    assert await house.faults() == set()


async def test_a_replaced_relay_settles_nothing_but_what_it_published(house: House) -> None:
    await house.stage(20)
    async with house.relay() as old:
        await old.relay_once()
        async with house.relay() as new:
            taken = await new.take()
            assert taken is not None
            await old.settle()
            assert (await house.state()).open == taken.number
            await new.publish(taken)
    await house.relay_all()
    assert await house.faults() == set()


async def test_a_replaced_relay_takes_nothing_while_another_is_at_work(house: House) -> None:
    await house.stage(20)
    async with house.relay() as old, house.relay() as new:
        await new.take()
        with pytest.raises(TakenOver):
            await old.take()


async def test_nor_once_the_other_has_settled(house: House) -> None:
    await house.stage(8)
    async with house.relay() as old:
        await old.relay_once()
        await house.relay_all()
        await house.stage(8)
        with pytest.raises(TakenOver):
            await old.take()
    await house.relay_all()
    assert await house.faults() == set()


async def test_nor_where_the_other_settles_while_it_waits_for_the_shard(house: House) -> None:
    """What it would take is as old as its statement: those rows are out by then."""
    await house.stage(8)
    async with house.relay() as old:
        await old.relay_once()
        async with begin(house.engine) as tx:
            await intents.settle(tx, 0, old.progress)
            taking = asyncio.ensure_future(old.take())
            async with autocommit(house.engine) as other:
                await until_waiting(other.driver)
        with pytest.raises(TakenOver):
            await taking
    assert await house.faults() == set()


async def test_what_a_replaced_relay_takes_is_published_by_the_next(house: House) -> None:
    await house.stage(8)
    async with house.relay() as old, house.relay() as new:
        with pytest.raises(FENCED):
            await old.relay_once()
        with pytest.raises(TakenOver):
            await new.relay_once()
    await house.relay_all()
    assert await house.faults() == set()


async def test_with_an_id_of_its_own_a_replaced_relay_publishes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Why the transactional id is the shard's: it is what fences."""
    ids = iter(range(10))

    def own_id(kafka: Kafka, shard: int, **_: bool) -> object:
        return transactional_producer(kafka, 100 * next(ids) + shard)

    monkeypatch.setattr(relay_module, "transactional_producer", own_id)
    await house.stage(20)
    async with house.relay() as old:
        intent = await old.take()
        assert intent is not None
        await house.relay_all()
        await old.publish(intent)
    assert await house.faults() == {TWICE}


async def test_a_relay_of_another_deployment_replaces_nobody(house: House) -> None:
    """They may share a cluster, and have a shard 0 each."""
    await house.stage(8)
    elsewhere = replace(house.kafka, prefix=f"other-{house.kafka.prefix}")
    async with house.relay() as relay, transactional_producer(elsewhere, 0):
        assert await relay.relay_once() == 8
    assert await house.faults() == set()


@pytest.mark.parametrize("careful", [False, True])
@pytest.mark.parametrize("step", ["send_batch", "send", "commit_transaction"])
async def test_what_a_replaced_relay_leaves_unanswered_is_not_told_in_the_log(
    house: House, complaints: Complaints, step: str, *, careful: bool
) -> None:
    async def replaced() -> None:
        async with house.relay() as old:
            intent = await old.take()
            assert intent is not None
            take, late = getattr(old.producer, step), False

            async def late_step(*arguments: object, **named: object) -> object:
                nonlocal late
                if not late:
                    late = True
                    await house.relay_all()
                return await take(*arguments, **named)

            with mock.patch.object(old.producer, step, late_step), pytest.raises(FENCED):
                await old.publish(intent, one_by_one=careful)

    await house.stage(8)
    await replaced()
    assert complaints() == []


@pytest.fixture
async def complaints() -> AsyncIterator[Complaints]:
    """What asyncio tells of: each failure that nobody took note of, once it is collected."""
    told: list[str] = []
    loop = asyncio.get_running_loop()

    def collected() -> list[str]:
        gc.collect()
        return told

    loop.set_exception_handler(lambda _, context: told.append(str(context["message"])))
    yield collected
    loop.set_exception_handler(None)
