"""Slots: who a consumer is in its group, without anybody having to say so.

A worker, or a consumer of node requests that runs by itself, takes the lowest free slot by an
advisory lock and keeps it while it lives. One that died leaves its slot free at once, and who comes
after it is the same group member: it has the partitions back in milliseconds, where a new member
waits out a whole session time-out.
"""

import asyncio
import contextlib
from dataclasses import dataclass

import structlog

from storage.lease import LOST, Lease, try_lease

_log = structlog.get_logger()

_MOST_SLOTS = 1_000
_RETAKE_SECONDS = 30.0
_LEAVE_SECONDS = 1.0
_GHOST_SECONDS = 1.0


class SlotLost(Exception):
    """Another worker has this slot by now. Stop: the supervisor starts a new worker."""


@dataclass(slots=True)
class Slot:
    """A consumer's slot. ``unclean`` where the last one in it did not say good-bye."""

    database_url: str
    name: str
    number: int
    lease: Lease
    unclean: bool

    async def hold(self) -> None:
        """Keep the slot; take it again where Postgres was away. Raises `SlotLost`."""
        while True:
            await self.lease.hold()
            await self.lease.release()
            self.lease = await self._take_again()

    async def leave(self) -> None:
        """Say good-bye, where the slot is ours still, and free it."""
        with contextlib.suppress(*LOST):
            async with asyncio.timeout(_LEAVE_SECONDS):
                await _mark(self.lease, running=False)
        await self.lease.release()

    async def _take_again(self) -> Lease:
        """Wait as long as it takes for the server, and a while for our own ghost to go."""
        taken_by_another = 0.0
        while taken_by_another < _RETAKE_SECONDS:
            try:
                lease = await try_lease(self.database_url, self.name)
            except LOST:
                await asyncio.sleep(0.5)
                continue
            if lease is not None:
                return lease
            await asyncio.sleep(0.5)
            taken_by_another += 0.5
        msg = f"another worker took slot {self.number}"
        raise SlotLost(msg)


async def take_slot(database_url: str, prefix: str, kind: str = "worker") -> Slot:
    """Take the lowest free slot of a kind. Raises what connecting raises.

    Where somebody holds a lower one, it is looked at again after a moment: whoever was killed just
    now holds it until the server has noticed, and its partitions would wait for nobody.
    """
    names = f"{prefix}{kind}-"
    number, lease = await _lowest_free(database_url, names, range(_MOST_SLOTS))
    if number:
        await asyncio.sleep(_GHOST_SECONDS)
        with contextlib.suppress(SlotLost):
            lower = await _lowest_free(database_url, names, range(number))
            await lease.release()
            number, lease = lower
    was_running = await _mark(lease, running=True)
    return Slot(database_url, lease.name, number, lease, unclean=was_running)


async def _lowest_free(database_url: str, names: str, numbers: range) -> tuple[int, Lease]:
    for number in numbers:
        lease = await try_lease(database_url, f"{names}{number}")
        if lease is not None:
            return number, lease
    msg = f"all slots from {names}{numbers.start} to {numbers.stop - 1} are taken"
    raise SlotLost(msg)


async def _mark(lease: Lease, *, running: bool) -> bool:
    """Note whether a worker runs in the slot; return what stood there.

    On the lease's own connection: only who has the slot says anything about it.
    """
    async with lease.connection.transaction():
        before = await lease.connection.fetchval(
            "select running from worker_slots where name = $1 for update", lease.name
        )
        await lease.connection.execute(
            """
            insert into worker_slots (name, running) values ($1, $2)
            on conflict (name) do update set running = excluded.running
            """,
            lease.name,
            running,
        )
        return bool(before)
