"""Workers that die at the worst moments, one after the other, and one that comes back from them."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from storage.failpoints import POINTS, VARIABLE, Point
from tests.chaos.traffic import Traffic
from tests.outside.checker import check
from tests.outside.client import Client
from tests.outside.commands import new_id, script
from tests.outside.conftest import own_installation
from tests.outside.look import look, violations, wait_for_rest
from tests.outside.program import Installation

__all__ = ["own_installation"]

_ROOT = Path(__file__).parents[2]
_LIVES_SECONDS = 60

# At the second hit where a point is passed again and again: what was killed at the first hit of
# each life would be taken for a record that takes the process down. COPY is once a table.
_HITS: dict[Point, int] = {
    "relay: fenced": 1,
    "offsets: due": 1,
    "offsets: committed": 1,
    "apply: in copy": 12,
}


@pytest.fixture(scope="module")
def client(own_installation: Installation) -> Iterator[Client]:
    client = Client(own_installation.kafka_bootstrap, own_installation.prefix)
    yield client
    client.close()


def test_workers_killed_at_every_point_one_after_another(
    own_installation: Installation, client: Client
) -> None:
    plans = [f"{point}=kill@{_HITS.get(point, 2)}" for point in POINTS]
    with _lives(own_installation, plans) as lives, Traffic(client, seed=7):
        try:
            said, _ = lives.communicate(timeout=_LIVES_SECONDS)
        except subprocess.TimeoutExpired as late:
            pytest.fail(f"a worker lives on: {late.output!r}")
    ended = [line for line in said.splitlines() if line != "ready"]
    assert ended == [f"{plan} {-signal.SIGKILL}" for plan in plans]
    client.flush()
    own_installation.start()
    wait_for_rest(own_installation, 60)
    assert check(look(own_installation)) == []


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [((), None), (("without-the-fence",), r"was sent 1 times .* and answered 2 times")],
    ids=["with the fence", "without the fence"],
)
def test_a_worker_that_stood_still_while_another_took_its_place(
    own_installation: Installation, client: Client, changes: tuple[str, ...], complaint: str | None
) -> None:
    """It wakes up with a batch in its hands that the other has applied, and applies it."""
    if own_installation.worker is not None:
        own_installation.worker.stop()
    zombie = own_installation.launch(
        ("tests.chaos.launch", "hasty-leases", *changes, "worker", "--no-nodes"),
        PYTHONPATH=str(_ROOT),
        **{VARIABLE: "worker: decoded=stop, offsets: due=kill"},
    )
    zombie.wait_until_ready()
    for sent in script(new_id(), ("start_flow", {}), ("record_step", {}), ("resolve", {})):
        client.send(sent)
    client.flush()
    _until(lambda: psutil.Process(zombie.pid).status() == psutil.STATUS_STOPPED)
    _until(lambda: not _leases(own_installation))
    own_installation.start()
    wait_for_rest(own_installation)
    os.kill(zombie.pid, signal.SIGCONT)
    _until(zombie.ended)
    found = violations(own_installation)
    if complaint is None:
        assert found == []
    else:
        assert any(re.search(complaint, one) for one in found), found


@contextmanager
def _lives(installation: Installation, plans: list[str]) -> Iterator["subprocess.Popen[str]"]:
    with (installation.folder / "lives.log").open("ab") as log:
        lives = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.lives", *plans],
            env=installation.environment | {"PYTHONPATH": str(_ROOT)},
            cwd=installation.folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            start_new_session=True,
        )
    try:
        yield lives
    finally:
        if lives.poll() is None:
            os.killpg(lives.pid, signal.SIGKILL)
        lives.wait()


def _leases(installation: Installation) -> int:
    with psycopg.connect(installation.database_url) as connection:
        row = connection.execute(
            "select count(*) from pg_stat_activity"
            " where application_name = 'firstline-lease' and datname = current_database()"
        ).fetchone()
    assert row is not None
    return int(row[0])


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "what was waited for did not come"
        time.sleep(0.01)
