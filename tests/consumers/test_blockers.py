"""A process that stopped for good must not stop the others: its locks, its lease, its slot."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import asyncpg
import pytest

from storage import blockers, slots
from storage.blockers import end_blockers, watched
from storage.database import APPLICATION_NAME
from storage.lease import Lease, lock_key, try_lease
from storage.slots import SlotLost, take_slot
from tests.builders import NOW
from tests.consumers.desk import Desk, notes, outcomes, start
from tests.consumers.wire import new_id
from tests.waiting import until_waiting

# Locks a session as a batch does, and stops in the middle of a COPY: no time-out of any connection
# reaches it there.
STOPS_IN_COPY = """
import asyncio, os, signal, sys
from datetime import UTC, datetime
from storage.database import begin, connect
from storage import sessions

def rows():
    for position in range(1, 200_000):
        if position == 100_000:
            os.kill(os.getpid(), signal.SIGSTOP)
        yield (sys.argv[2], position, "n1", "", None, "Yes", None, datetime.now(UTC))

async def main():
    async with begin(connect(sys.argv[1])) as tx:
        await sessions.lock(tx, [sys.argv[2]])
        columns = "session_id position node_id question option_id answer note recorded_at"
        await tx.driver.copy_records_to_table(
            "walk_steps", columns=columns.split(), records=rows()
        )

asyncio.run(main())
"""
HOLDS_A_LEASE = """
import asyncio, sys
from firstline import logs
from storage.lease import try_lease

async def main():
    logs.configure("info")
    lease = await try_lease(sys.argv[1], "the-lease")
    print("taken", flush=True)
    await lease.hold()
    print("lost", flush=True)

asyncio.run(main())
"""
HOLDS_A_SLOT = """
import asyncio, sys
from storage.slots import take_slot

async def main():
    slot = await take_slot(sys.argv[1], "t.")
    print(slot.number, flush=True)
    await slot.hold()

asyncio.run(main())
"""

Process = subprocess.Popen[str]


@contextmanager
def running(script: str, *arguments: str) -> Iterator[Process]:
    """A process of its own, which is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


async def line(process: Process) -> str:
    """The next line that the process prints."""
    assert process.stdout is not None
    return (await asyncio.to_thread(process.stdout.readline)).strip()


async def until_it_stops(process: Process) -> None:
    pid, status = await asyncio.to_thread(os.waitpid, process.pid, os.WUNTRACED)
    assert (pid, os.WIFSTOPPED(status)) == (process.pid, True)


@asynccontextmanager
async def connected(database_url: str, name: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url, server_settings={"application_name": name})
    try:
        yield connection
    finally:
        connection.terminate()


@asynccontextmanager
async def locking(
    database_url: str, session: str, name: str = APPLICATION_NAME
) -> AsyncIterator[asyncpg.Connection]:
    """A connection that holds a session's lock."""
    async with connected(database_url, name) as connection:
        await connection.execute("begin")
        await lock(connection, session)
        yield connection


async def lock(connection: asyncpg.Connection, session: str) -> None:
    await connection.execute("select from sessions where id = $1 for update", session)


def pid(connection: asyncpg.Connection) -> int:
    found: int = connection.get_server_pid()
    return found


# -- locks ------------------------------------------------------------------------------------


async def test_a_process_that_stopped_inside_copy_is_ended_and_the_batch_goes_on(
    desk: Desk, database_url: str
) -> None:
    one = start()
    await desk.apply(one)
    behind = notes(one["session_id"])
    with running(STOPS_IN_COPY, database_url, one["session_id"]) as stopped:
        await until_it_stops(stopped)
        batch = desk.batch(behind)
        before = time.monotonic()
        async with asyncio.timeout(19), watched(database_url):  # the lock's own time-out is 20 s
            await desk.applier.apply(batch, NOW)
        took = time.monotonic() - before

    assert await desk.answers() == outcomes([one, behind])
    assert (await desk.counts())["walk_steps"] == 0
    assert 4.5 < took < 9, "it is looked for each second once it can be"


async def test_looking_for_blockers_goes_on_whatever_becomes_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The client's own errors come up for a moment after a server has gone."""
    away = [
        *(OSError(), TimeoutError(), asyncpg.PostgresError()),
        *(asyncpg.InterfaceError("closed"), asyncpg.InternalClientError("state 15")),
    ]
    all_looked = asyncio.Event()

    async def looks(_: str) -> list[int]:
        if away:
            raise away.pop()
        all_looked.set()
        return []

    monkeypatch.setattr(blockers, "PATIENCE_SECONDS", 0)
    monkeypatch.setattr(blockers, "_LOOK_EVERY_SECONDS", 0)
    monkeypatch.setattr(blockers, "end_blockers", looks)
    async with asyncio.timeout(5), watched("postgresql://nowhere"):
        await all_looked.wait()


async def test_of_those_who_wait_for_each_other_only_the_one_who_does_not_is_ended(
    desk: Desk, database_url: str
) -> None:
    sessions = [new_id(), new_id()]
    await desk.apply(*(start(session) for session in sessions))
    async with (
        locking(database_url, sessions[0]) as root,
        locking(database_url, sessions[1]) as middle,
        connected(database_url, APPLICATION_NAME) as last,
    ):
        waiters = [
            asyncio.ensure_future(lock(middle, sessions[0])),
            asyncio.ensure_future(lock(last, sessions[1])),
        ]
        await until_waiting(desk.connection, APPLICATION_NAME, 2)
        assert await end_blockers(database_url, patience=0) == [pid(root)]
        await waiters[0]
        await middle.execute("commit")
        await waiters[1]


async def test_somebody_who_waits_for_a_stranger_is_not_ended(
    desk: Desk, database_url: str
) -> None:
    """However long: the batch behind it, and it itself, go on once the stranger is done."""
    sessions = [new_id(), new_id()]
    await desk.apply(*(start(session) for session in sessions))
    async with (
        locking(database_url, sessions[0], "a migration") as stranger,
        locking(database_url, sessions[1]) as slow,
    ):
        behind_stranger = asyncio.ensure_future(lock(slow, sessions[0]))
        await until_waiting(desk.connection, APPLICATION_NAME, 1)
        batch = asyncio.ensure_future(desk.apply(notes(sessions[1])))
        await until_waiting(desk.connection, APPLICATION_NAME, 2)
        assert await end_blockers(database_url, patience=0) == []
        await stranger.execute("commit")
        await behind_stranger
        await slow.execute("commit")
        await batch

    assert len(await desk.answers()) == 3


async def test_nobody_is_ended_before_somebody_has_waited_for_long(
    desk: Desk, database_url: str
) -> None:
    one = start()
    await desk.apply(one)
    async with locking(database_url, one["session_id"]) as holder:
        batch = asyncio.ensure_future(desk.apply(notes(one["session_id"])))
        await until_waiting(desk.connection, APPLICATION_NAME)
        assert await end_blockers(database_url) == []
        await holder.execute("commit")
        await batch


async def test_nobody_is_ended_for_a_lock_that_nobody_wants(desk: Desk, database_url: str) -> None:
    one = start()
    await desk.apply(one)
    async with locking(database_url, one["session_id"]) as holder:
        assert await end_blockers(database_url, patience=0) == []
        await holder.execute("commit")


# -- leases and slots -------------------------------------------------------------------------


async def test_a_stopped_process_loses_its_lease_and_one_that_gives_signs_of_life_does_not(
    database_url: str,
) -> None:
    living = await try_lease(database_url, "another-lease")
    assert living is not None
    holding = asyncio.ensure_future(living.hold())
    with running(HOLDS_A_LEASE, database_url) as holder:
        assert await line(holder) == "taken"
        assert await try_lease(database_url, "the-lease") is None
        holder.send_signal(signal.SIGSTOP)
        before = time.monotonic()
        lease = await lease_at_last(database_url)
        took = time.monotonic() - before
        holder.send_signal(signal.SIGCONT)
        assert await line(holder) == "lost"
        assert await try_lease(database_url, "the-lease") is None
        await lease.release()

    assert took > 4
    assert not holding.done()
    assert await try_lease(database_url, "another-lease") is None
    holding.cancel()
    await living.release()


async def lease_at_last(database_url: str) -> Lease:
    """Ask for the lease until it is free."""
    async with asyncio.timeout(15):
        while True:
            lease = await try_lease(database_url, "the-lease")
            if lease is not None:
                return lease


async def test_leases_have_names(database_url: str) -> None:
    leases = [
        await try_lease(database_url, name) for name in ("t.relay-0", "t.relay-1", "u.relay-0")
    ]
    for lease in leases:
        assert lease is not None
        await lease.release()


async def test_a_killed_worker_leaves_its_slot_free_and_unclean(database_url: str) -> None:
    with running(HOLDS_A_SLOT, database_url) as first:
        assert await line(first) == "0"
        second = await take_slot(database_url, "t.")
        elsewhere = await take_slot(database_url, "u.")
        assert (second.number, second.unclean) == (1, False)
        assert (elsewhere.number, elsewhere.unclean) == (0, False)
        first.kill()
        first.wait()

        third = await next_slot(database_url, 0)
        assert third.unclean
        for slot in (second, elsewhere, third):
            await slot.leave()
    again = await take_slot(database_url, "t.")
    assert (again.number, again.unclean) == (0, False)
    await again.leave()


async def test_a_slot_whose_worker_died_a_moment_ago_is_waited_for(
    desk: Desk, database_url: str
) -> None:
    """Postgres may notice a death when the next one is there already, in the slot above."""
    ghost = await take_slot(database_url, "t.")
    taking = asyncio.ensure_future(take_slot(database_url, "t."))
    held = (
        "select count(*) from pg_locks where locktype = 'advisory' and granted"
        " and database = (select oid from pg_database where datname = current_database())"
    )
    async with asyncio.timeout(10):
        while await desk.connection.fetchval(held) < 2:
            pass
    await end_leases(desk)
    slot = await taking
    assert (slot.number, slot.unclean) == (0, True)
    await slot.leave()
    await ghost.lease.release()


async def next_slot(database_url: str, number: int) -> slots.Slot:
    """Take slots until it is that one: Postgres hears of the death a moment later."""
    async with asyncio.timeout(2):
        while (slot := await take_slot(database_url, "t.")).number != number:
            await slot.leave()
    return slot


async def test_a_slot_is_taken_again_where_postgres_was_away(desk: Desk, database_url: str) -> None:
    slot = await take_slot(database_url, "t.")
    lost = slot.lease
    holding = asyncio.ensure_future(slot.hold())
    await end_leases(desk)
    await until(lambda: slot.lease is not lost)
    other = await take_slot(database_url, "t.")
    assert other.number == 1
    await other.leave()
    holding.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await holding
    await slot.leave()


async def test_a_slot_that_somebody_else_took_is_lost(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "_RETAKE_SECONDS", 0.5)
    slot = await take_slot(database_url, "t.")
    async with connected(database_url, "another") as another:
        key = lock_key(slot.lease.name)
        waiter = asyncio.ensure_future(another.execute("select pg_advisory_lock($1)", key))
        await end_leases(desk)
        await waiter
        await until(slot.lease.connection.is_closed)
        with pytest.raises(SlotLost, match="slot 0"):
            await slot.hold()
        await slot.leave()
        runs = "select running from worker_slots where name = $1"
        assert await desk.connection.fetchval(runs, slot.name), "it says nothing in another's name"


class JustEnded:
    """A connection for a moment after the server has said that it ends it."""

    async def execute(self, _: str) -> None:
        msg = "cannot switch to state 15; another operation (2) is in progress"
        raise asyncpg.InternalClientError(msg)


async def test_a_lease_whose_connection_was_just_ended_is_lost() -> None:
    await Lease(JustEnded(), "the-lease").hold()


async def until(holds: Callable[[], bool]) -> None:
    """Let everything else go on until that holds."""
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)


async def end_leases(desk: Desk) -> None:
    await desk.connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'firstline-lease' and datname = current_database()"
    )


@pytest.mark.parametrize(
    "error",
    [OSError(), TimeoutError(), asyncpg.InterfaceError("gone"), asyncpg.InternalClientError()],
)
async def test_a_slot_is_taken_again_whatever_keeps_the_server_from_being_reached(
    database_url: str, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The last is raised where none of several servers is the primary, for a moment."""
    monkeypatch.setattr(slots, "_RETAKE_SECONDS", 0.5)  # is how long another may have it
    slot = await take_slot(database_url, "t.")
    await slot.lease.release()
    tries = iter([error] * 2)

    async def failing(url: str, name: str) -> Lease | None:
        for first in tries:
            raise first
        return await try_lease(url, name)

    monkeypatch.setattr(slots, "try_lease", failing)
    lease = await slot._take_again()
    assert lease.name == slot.name
    await lease.release()
