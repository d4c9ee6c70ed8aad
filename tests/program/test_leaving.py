"""How long a worker takes to leave where no server answers any more."""

import asyncio

import pytest

from consumers import nodes, worker
from firstline import program
from firstline.lifetime import lifetime
from producers import publish
from storage import lease, slots


def test_what_leaving_may_take_adds_up_to_less_than_30_seconds() -> None:
    """Whoever said SIGTERM says SIGKILL then: a clean exit would count as a death."""
    consuming = max(worker.STOP_SECONDS, nodes._DRAIN_SECONDS + 2 * nodes._LEAVE_SECONDS)
    upkeep = 2 * program._UPKEEP_SECONDS
    relay = program._RELAY_DRAIN_SECONDS + 2 * publish._THROW_AWAY_SECONDS + lease.RELEASE_SECONDS
    slot = slots._LEAVE_SECONDS + lease.RELEASE_SECONDS
    assert consuming + upkeep + relay + slot < 30


async def test_who_is_told_to_stop_while_starting_stops() -> None:
    """However long what it waits for would take."""
    begun: list[str] = []
    async with lifetime() as life:
        life.leaving.callback(begun.append, "left")
        asyncio.get_running_loop().call_later(0.05, life.stop.set)
        await life.unless_stopped(asyncio.Event().wait())
        begun.append("started")
    assert begun == ["left"]


async def test_what_a_start_needs_is_returned_and_raised() -> None:
    async def ten() -> int:
        return 10

    async def fail() -> None:
        raise LookupError

    async with lifetime() as life:
        assert await life.unless_stopped(ten()) == 10
        with pytest.raises(LookupError):
            await life.unless_stopped(fail())
