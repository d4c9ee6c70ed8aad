"""A relay that is stopped anywhere, and the one that comes after it: all is out, once, in order."""

import asyncio

import pytest

from producers import publish
from tests.relay.house import House
from tests.relay.stops import OPENING, RELAYING, Stop, Stopped, end_held


async def test_what_is_staged_comes_out_once_and_in_order(house: House) -> None:
    await house.stage(50)
    await house.relay_all()
    assert await house.faults() == set()
    assert await house.waiting() == 0


async def test_an_idle_relay_leaves_nothing_behind(house: House) -> None:
    await house.relay_all()
    assert await house.faults() == set()
    assert (await house.state()).open is None


@pytest.mark.parametrize("stop", RELAYING.values(), ids=RELAYING)
async def test_a_relay_that_is_stopped(house: House, stop: Stop) -> None:
    await house.stage(20)
    async with house.relay() as old:
        await old.relay_once()
        with stop(old), pytest.raises(Stopped):
            await old.relay_once()
    await house.stage(5)
    await house.relay_all()
    assert await house.faults() == set()
    assert await house.waiting() == 0


@pytest.mark.parametrize(
    "step", ["before it publishes", "when it sent a part", "when it committed"]
)
async def test_a_relay_that_is_stopped_and_keeps_its_connections(house: House, step: str) -> None:
    await house.stage(20)
    async with house.relay() as old:
        await old.relay_once()
        with RELAYING[step](old), pytest.raises(Stopped):
            await old.relay_once()
        await house.stage(5)
        await house.relay_all()
        assert await house.faults() == set()
        assert await house.waiting() == 0


@pytest.mark.parametrize(
    ("left", "opening"),
    [
        *(("before it commits", opening) for opening in OPENING),
        ("when it committed", "before it reads the progress"),
        ("when it committed", "before what it settles is committed"),
    ],
)
async def test_a_relay_that_is_stopped_while_it_recovers(
    house: House, left: str, opening: str
) -> None:
    await house.stage(20)
    async with house.relay() as old:
        with RELAYING[left](old), pytest.raises(Stopped):
            await old.relay_once()
    with OPENING[opening](), pytest.raises(Stopped):
        await house.relay_all()
    await house.relay_all()
    assert await house.faults() == set()
    assert await house.waiting() == 0


async def test_relays_that_are_stopped_one_after_another_at_every_step(house: House) -> None:
    for stop in RELAYING.values():
        await house.stage(20)
        async with house.relay() as relay:
            await relay.relay_once()
            with stop(relay), pytest.raises(Stopped):
                await relay.relay_once()
    await house.relay_all()
    assert await house.faults() == set()


async def test_a_commit_whose_answer_is_lost(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.stage(20)
    async with house.relay() as old:
        with end_held(old) as held, monkeypatch.context() as patch:
            held.go_on.set()
            patch.setattr(publish, "TRANSACTION_SECONDS", 1)
            with pytest.raises(TimeoutError):
                await old.relay_once()
            assert held.answered.is_set()
            await house.relay_all()
    assert await house.faults() == set()


async def test_a_commit_that_nobody_hears(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await house.stage(20)
    async with house.relay() as old:
        with end_held(old) as held, monkeypatch.context() as patch:
            patch.setattr(publish, "TRANSACTION_SECONDS", 1)
            with pytest.raises(TimeoutError):
                await old.relay_once()
            assert not held.answered.is_set()
            patch.undo()
            await house.relay_all()
    assert await house.faults() == set()


async def test_a_commit_that_is_cancelled_on_its_way(house: House) -> None:
    await house.stage(20)
    async with house.relay() as old:
        with end_held(old) as held:
            relaying = asyncio.ensure_future(old.relay_once())
            await held.reached.wait()
            relaying.cancel()
            held.go_on.set()
            with pytest.raises(asyncio.CancelledError):
                await relaying
    await house.relay_all()
    assert await house.faults() == set()
