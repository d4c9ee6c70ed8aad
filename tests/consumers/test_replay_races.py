"""Replays at the same time as batches, as other operators, and as their own end."""

import asyncio
import signal
import sys
from typing import Any

import pytest

from consumers import dead_letter_desk
from consumers import letters as letters_of
from consumers.apply import Batch
from consumers.dead_letter_rules import LetterStays
from consumers.records import Delivery
from consumers.records import Poison as Poisoned
from storage import dead_letters
from storage.database import APPLICATION_NAME, begin
from tests.builders import ACME, NOW
from tests.consumers.desk import Desk, notes, outcomes
from tests.consumers.gate import Gate, gate_before_saving
from tests.consumers.parked import EVE, Poison, a_parked_session, acts, bad, ids
from tests.waiting import until_waiting


@pytest.fixture
def replay_gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Stops the first replay as it is about to save."""
    return gate_before_saving(monkeypatch, "consumers.replay")


async def test_commands_that_arrive_during_a_replay_come_after_it(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk, replay_gate: Gate
) -> None:
    """A new one, and one that repeats a command which is being answered."""
    queue, letters = await a_parked_session(desk, None)
    poison.cure()
    later = notes(queue[0]["session_id"])

    replaying = asyncio.ensure_future(operator.replay(letters[0], EVE, NOW))
    await replay_gate.reached.wait()
    applying = asyncio.ensure_future(desk.apply(queue[1], later))
    await until_waiting(desk.connection, APPLICATION_NAME)
    replay_gate.opened.set()
    await asyncio.gather(replaying, applying)

    assert (await desk.answers())[1:] == outcomes([*queue, queue[1], later])
    versions = [reply["version"] for reply in await desk.replies()]
    assert versions == [1, 2, 3, 3, 4]
    assert await desk.parked() == set()
    assert await ids(desk) == []


async def test_a_replay_waits_for_a_batch_that_parks_more_and_takes_it_along(
    desk: Desk,
    poison: Poison,
    operator: dead_letter_desk.Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue, letters = await a_parked_session(desk)
    poison.cure()
    later = notes(queue[0]["session_id"])
    gate = gate_before_saving(monkeypatch, "consumers.apply")
    applying = asyncio.ensure_future(desk.apply(later))
    await gate.reached.wait()
    replaying = asyncio.ensure_future(operator.replay(letters[0], EVE, NOW))
    await until_waiting(desk.connection, APPLICATION_NAME)
    gate.opened.set()
    await asyncio.gather(replaying, applying)

    assert (await desk.answers())[1:] == outcomes([*queue, later])
    assert await desk.parked() == set()


@pytest.mark.usefixtures("_two_at_a_time")
async def test_so_does_one_of_several_transactions_before_each_of_them(
    desk: Desk,
    poison: Poison,
    operator: dead_letter_desk.Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else it would unpark the session in front of what was parked; a session would hold it up."""
    queue, letters = await a_parked_session(desk, *[None] * 2)
    await desk.connection.execute("delete from sessions")
    poison.cure()
    later = notes(queue[0]["session_id"])
    in_transaction = dead_letter_desk.Desk._in_transaction
    first_is_done, go_on = asyncio.Event(), asyncio.Event()

    async def gated(self: dead_letter_desk.Desk, work: Any) -> Any:  # noqa: ANN401 - as it takes it
        if first_is_done.is_set():
            await go_on.wait()
        came = await in_transaction(self, work)
        first_is_done.set()
        return came

    monkeypatch.setattr(dead_letter_desk.Desk, "_in_transaction", gated)
    gate = gate_before_saving(monkeypatch, "consumers.apply")
    replaying = asyncio.ensure_future(operator.replay(letters[0], EVE, NOW))
    await first_is_done.wait()
    applying = asyncio.ensure_future(desk.apply(later))
    await gate.reached.wait()
    go_on.set()
    await until_waiting(desk.connection, APPLICATION_NAME)
    gate.opened.set()
    await asyncio.gather(replaying, applying)

    assert (await desk.answers())[1:] == outcomes([*queue, later], "unknown_session")
    assert (await desk.parked(), await ids(desk)) == (set(), [])


async def test_poison_that_comes_as_the_session_is_unparked_parks_it_again(
    desk: Desk,
    poison: Poison,
    operator: dead_letter_desk.Desk,
    replay_gate: Gate,
) -> None:
    """From another topic, and from before the session was parked, as far as its batch knows."""
    queue, letters = await a_parked_session(desk)
    session = queue[0]["session_id"]
    poison.correlations = {"worse"}
    worse = Poisoned(delivered(desk.batch(bad(session, "worse"), partition=1)), "Fault")

    replaying = asyncio.ensure_future(operator.replay(letters[0], EVE, NOW))
    await replay_gate.reached.wait()
    parking = asyncio.ensure_future(park(desk, worse))
    await until_waiting(desk.connection, APPLICATION_NAME)
    replay_gate.opened.set()
    await asyncio.gather(replaying, parking)

    assert await desk.parked() == {(ACME, session)}
    assert len(await ids(desk)) == 1


def delivered(batch: Batch) -> Delivery:
    (item,) = batch.items
    assert isinstance(item, Delivery)
    return item


async def park(desk: Desk, poison: Poisoned) -> None:
    async with begin(desk.engine) as tx:
        await dead_letters.save(tx, [letters_of.row(poison)], NOW)


async def test_of_two_operators_one_replays_and_the_other_is_told(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk, replay_gate: Gate
) -> None:
    queue, letters = await a_parked_session(desk, None)
    poison.cure()

    first = asyncio.ensure_future(operator.replay(letters[0], EVE, NOW))
    await replay_gate.reached.wait()
    second = asyncio.ensure_future(operator.discard(letters[0], EVE, NOW))
    await until_waiting(desk.connection, APPLICATION_NAME)
    replay_gate.opened.set()
    await first
    with pytest.raises(LetterStays, match="is replayed already"):
        await second

    assert (await desk.answers())[1:] == outcomes(queue)
    assert [act for _, act, _ in await acts(desk)] == ["replayed"] * 2


async def test_of_two_operators_one_gives_up_a_letter_that_nobody_could_read(
    desk: Desk, operator: dead_letter_desk.Desk
) -> None:
    """A letter that parks no session, so that nothing but itself can be locked."""
    await desk.apply(b"{")
    (letter,) = await ids(desk)
    async with desk.connection.transaction():
        await desk.connection.execute("update dead_letters set status = 'discarded'")
        second = asyncio.ensure_future(operator.discard(letter, EVE, NOW))
        await until_waiting(desk.connection, APPLICATION_NAME)
    with pytest.raises(LetterStays, match="is discarded already"):
        await second
    assert await acts(desk) == []


DIES_BEFORE_IT_COMMITS = """
import asyncio, os, signal, sys
from datetime import UTC, datetime, timedelta
from consumers import replay
from consumers.dead_letter_desk import Desk, Operator
from domain.context import Limits
from storage.database import connect

real = replay.outbox.stage

async def die(*arguments):
    await real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

replay.outbox.stage = die
now = datetime.fromisoformat(sys.argv[3])
desk = Desk(connect(sys.argv[1]), Limits(), timedelta(days=16))
asyncio.run(desk.replay(sys.argv[2], Operator("eve", "the fix is out"), now))
"""


async def test_a_replay_that_is_killed_before_it_commits_did_nothing(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk, database_url: str
) -> None:
    queue, letters = await a_parked_session(desk, None)
    before = await desk.counts()
    script = [sys.executable, "-c", DIES_BEFORE_IT_COMMITS]
    killed = await asyncio.create_subprocess_exec(
        *script, database_url, letters[0], NOW.isoformat()
    )
    assert await killed.wait() == -signal.SIGKILL
    assert await desk.counts() == before
    assert await ids(desk) == letters

    poison.cure()
    await operator.replay(letters[0], EVE, NOW)
    assert (await desk.answers())[1:] == outcomes(queue)
