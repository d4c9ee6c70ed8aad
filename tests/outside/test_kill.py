"""Thirty power cuts in the middle of the work, after which nothing is lost and nothing is twice.

`OUTSIDE_SEED` repeats the commands and the plan of a run; when exactly each blow falls depends on
the machine.
"""

import os
import random
import secrets
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import pytest

from .breaking import BREAKS, NEED_HAND_BACKS
from .checker import World, check
from .client import Client
from .commands import new_id, script
from .desk import Day, Shipment, a_day
from .look import consumer_groups, is_at_rest, look, read_rows, rewind, wait_for_rest
from .program import Installation

KILLS = 30
SESSIONS = 720  # which is about 6,000 records
SHOWN = 20

pytestmark = pytest.mark.timeout(240)

_BEFORE_READY = "before it is ready"
_WHEN_APPLIED = "as it moves its positions"
_WHEN_STAGED = "as it has messages to publish"
_AFTER_READY = "some time after it is ready"
_MOMENTS = (_BEFORE_READY, _WHEN_APPLIED, _WHEN_STAGED, _AFTER_READY)
_WEIGHTS = (11, 6, 6, 7)
_MOMENT_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What was sent, what is there once all is at rest, and how many kills left work behind."""

    seed: int
    day: Day
    world: World
    in_flight: int


@pytest.fixture(scope="module")
def aftermath(own_installation: Installation) -> Aftermath:
    """Send a day's commands while the worker is killed again and again, then let it finish."""
    seed = int(os.environ.get("OUTSIDE_SEED") or secrets.randbelow(10**6))
    sys.stdout.write(f"OUTSIDE_SEED={seed}\n")
    rng = random.Random(seed)
    day = a_day(seed, SESSIONS)
    sender = Client(own_installation.kafka_bootstrap, own_installation.prefix)
    in_flight = 0
    try:
        for slice_ in _slices(day.shipments, KILLS):
            sending = threading.Thread(target=_send, args=(sender, slice_, rng.random()))
            sending.start()
            _kill_once(own_installation, rng)
            in_flight += not is_at_rest(own_installation)
            sending.join()
        sender.flush()
    finally:
        sender.close()
    own_installation.start()
    wait_for_rest(own_installation, 60)
    return Aftermath(seed, day, look(own_installation), in_flight)


def test_after_thirty_kills_every_invariant_holds(aftermath: Aftermath) -> None:
    violations = check(aftermath.world)
    assert violations[:SHOWN] == [], f"{len(violations)} violations, OUTSIDE_SEED={aftermath.seed}"


def test_what_was_right_was_accepted_in_the_order_it_was_sent(aftermath: Aftermath) -> None:
    """The versions in the replies are those that the order of sending implies."""
    replies = aftermath.world.first_replies
    for commands in aftermath.day.smooth.values():
        told = [replies[command_id] for command_id in commands]
        assert {reply["outcome"] for reply in told} == {"accepted"}
        versions = [reply["version"] for reply in told]
        assert versions == sorted(set(versions))
        if told[0]["session"]["kind"] != "ai_build":
            assert versions == list(range(1, len(commands) + 1))


def test_the_kills_fell_while_there_was_work(aftermath: Aftermath) -> None:
    """Or else the tests above would show nothing."""
    assert aftermath.in_flight >= KILLS // 3


@pytest.mark.parametrize("name", sorted(BREAKS.keys() - NEED_HAND_BACKS))
def test_the_checker_would_have_noticed(aftermath: Aftermath, name: str) -> None:
    break_, complaint = BREAKS[name]
    violations = check(break_(aftermath.world))
    assert any(complaint in violation for violation in violations), violations[:SHOWN]


@pytest.mark.parametrize(
    "statement",
    [
        "delete from walk_steps where ctid = (select ctid from walk_steps limit 1)",
        "delete from inbox where ctid = (select ctid from inbox limit 1)",
        "update sessions set version = version + 1 where id = (select id from sessions limit 1)",
        "update sessions set steps = 0 where id = (select session_id from walk_steps limit 1)",
        "delete from sessions where id = (select session_id from walk_steps limit 1)",
        "update positions set next_offset = 0",
    ],
)
def test_the_checker_would_have_noticed_in_postgres(
    own_installation: Installation, aftermath: Aftermath, statement: str
) -> None:
    """In a transaction that is rolled back."""
    with psycopg.connect(own_installation.database_url) as connection:
        connection.execute(statement)
        rows = read_rows(connection, own_installation.prefix)
        connection.rollback()
    seen = aftermath.world
    assert check(World(seen.partitions, seen.records, rows, seen.committed)) != []


@pytest.mark.usefixtures("aftermath")
def test_a_worker_that_is_asked_to_stop_drains_and_exits_with_0(
    own_installation: Installation,
) -> None:
    """And one that starts with its consumer group set back to the beginning applies nothing again.

    The positions in Postgres decide, and committed offsets are a courtesy.
    """
    assert own_installation.worker is not None
    assert own_installation.worker.stop() == 0
    before = look(own_installation)
    assert check(before)[:SHOWN] == []
    assert consumer_groups(own_installation)
    rewind(own_installation)
    sent = script(new_id(), ("start_flow", {}), ("record_step", {}), ("resolve", {}))
    sender = Client(own_installation.kafka_bootstrap, own_installation.prefix)
    for one in sent:
        sender.send(one)
    sender.flush()
    sender.close()
    own_installation.start()
    wait_for_rest(own_installation)
    after = look(own_installation)
    assert check(after)[:SHOWN] == []
    for topic, more in {
        "replies": 3,
        "session-events": 3,
        "ticketing": 1,
        "dead-letters": 0,
    }.items():
        assert len(after.by_topic[topic]) == len(before.by_topic[topic]) + more


def _slices(shipments: Sequence[Shipment], count: int) -> list[Sequence[Shipment]]:
    size = -(-len(shipments) // count)
    return [shipments[start : start + size] for start in range(0, len(shipments), size)]


def _send(sender: Client, shipments: Sequence[Shipment], pace: float) -> None:
    """Send in bursts over up to a second, so that a worker finds work whenever it is up."""
    bursts = _slices(shipments, 10)
    for burst in bursts:
        for shipment in burst:
            sender.send(shipment.value, shipment.source, key=shipment.key)
        time.sleep(pace / len(bursts))


def _kill_once(installation: Installation, rng: random.Random) -> None:
    """Start a worker and kill it at a moment that is drawn."""
    [moment] = rng.choices(_MOMENTS, _WEIGHTS)
    worker = installation.launch()
    if moment == _BEFORE_READY:
        worker.is_ready(rng.uniform(0.01, 0.2))
    else:
        worker.wait_until_ready()
    if moment == _AFTER_READY:
        time.sleep(rng.triangular(0.05, 1, 0.05))
    elif moment == _WHEN_APPLIED:
        _wait_for_change(installation, "select sum(next_offset) from positions")
    elif moment == _WHEN_STAGED:
        _wait_for_change(installation, "select exists (select from outbox)")
    worker.must_run()
    worker.kill()


def _wait_for_change(installation: Installation, statement: str) -> None:
    """Ask Postgres until its answer changes, or for a moment at most."""
    until = time.monotonic() + _MOMENT_SECONDS
    with psycopg.connect(installation.database_url, autocommit=True) as connection:
        before = connection.execute(statement).fetchone()
        while connection.execute(statement).fetchone() == before and time.monotonic() < until:
            pass
