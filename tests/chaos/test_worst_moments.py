"""Workers that die at the worst moments, one after the other, and one that comes back from them."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
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
from tests.outside.look import held_leases, look, violations, wait_for_rest
from tests.outside.program import Installation

__all__ = ["own_installation"]

_ROOT = Path(__file__).parents[2]
_LIFE_SECONDS = 30

# At the second hit where a point is passed again and again: each life has got somewhere.
_HITS: dict[Point, int] = {
    "relay: fenced": 1,
    "offsets: due": 1,
    "offsets: committed": 1,
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
    with Traffic(client, seed=7):
        for plan in plans:
            life = own_installation.launch(**{VARIABLE: plan})
            assert life.wait(_LIFE_SECONDS) == -signal.SIGKILL, plan
            _acquit(own_installation)
    client.flush()
    survivor = own_installation.start()
    wait_for_rest(own_installation, 60)
    assert survivor.stop() == 0
    world = look(own_installation)
    assert check(world) == []
    # Whoever monitors lag sees none, whichever life applied the last record of a partition.
    assert world.committed == {
        (position["topic"], position["partition"]): position["next_offset"]
        for position in world.rows["positions"]
    }


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
    _until(lambda: not held_leases(own_installation))
    own_installation.start()
    wait_for_rest(own_installation)
    os.kill(zombie.pid, signal.SIGCONT)
    _until(zombie.ended)
    found = violations(own_installation)
    if complaint is None:
        assert found == []
    else:
        assert any(re.search(complaint, one) for one in found), found


def _acquit(installation: Installation) -> None:
    """No record took the process down: one that was at hand twice would be set aside for it."""
    with psycopg.connect(installation.database_url, autocommit=True) as connection:
        connection.execute("delete from attempts")


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "what was waited for did not come"
        time.sleep(0.01)
