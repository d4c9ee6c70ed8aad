"""What befalls the processes of firstline: they die, stand still, come in twos, lose a server."""

import os
import signal
import time
from collections.abc import Mapping

from storage.failpoints import POINTS, Point
from tests.chaos.fault import Fault, Inject
from tests.chaos.scene import Scene

_TIMES = 2
_SESSION_SECONDS = 30
_LEASE_SECONDS = 5

# The highest hit at which a point is armed, where it is passed again and again.
_HITS: Mapping[Point, int] = {"relay: fenced": 1, "offsets: due": 2, "offsets: committed": 2}
_MOST_HITS = 5


def killed_at(point: Point) -> Inject:
    """Have workers kill themselves at a point."""

    def inject(scene: Scene) -> int:
        for _ in range(_TIMES):
            scene.until_ended(scene.replace_worker(f"{point}=kill@{_hit(scene, point)}"))
            scene.until_answered()
        return _TIMES

    return inject


def killed_at_random(scene: Scene) -> int:
    """Kill workers at moments that are drawn, also before they are ready."""
    for _ in range(8):
        scene.installation.must_run()
        time.sleep(scene.rng.uniform(0.3, 3))
        scene.replace_worker()
    return 8


def errors_at_points(scene: Scene) -> int:
    """Have a server seem to go away at five points that are drawn."""
    # What is written already cannot fail any more where it is read.
    points = scene.rng.sample([point for point in POINTS if point != "apply: commit sent"], 5)
    for point in points:
        before = scene.hits(point)
        scene.replace_worker(f"{point}=error@{_hit(scene, point)}")
        scene.until_hit(point, before)
        scene.until_answered()
    return len(points)


def stopped_in_copy(scene: Scene) -> int:
    """Stop a worker inside COPY, where no time-out of Postgres reaches it; another takes over."""
    stopped = scene.another_instead(f"apply: in copy=stop@{scene.rng.randint(1, 3)}")
    scene.until_stopped(stopped)
    scene.until(lambda: not scene.leases(), "the stopped worker keeps its leases")
    scene.until_answered()
    os.kill(stopped.pid, signal.SIGCONT)
    return 1


def stopped_as_relay(point: Point) -> Inject:
    """Stop a relay that leads, at a point; another takes the lead; the first goes on."""

    def inject(scene: Scene) -> int:
        stopped = scene.replace_worker(f"{point}=stop@{_hit(scene, point)}")
        scene.until_stopped(stopped)
        scene.another("relay")
        scene.until(lambda: scene.leases() == 1, "the lead does not change hands")
        time.sleep(_LEASE_SECONDS)
        os.kill(stopped.pid, signal.SIGCONT)
        return 1

    return inject


def stopped_beyond_the_session(scene: Scene) -> int:
    """Stop a worker with a batch in its hands until the group gave its partitions to another."""
    scene.worker()
    stopped = scene.another(failpoints="worker: decoded=stop@3")
    scene.until_stopped(stopped)
    time.sleep(_SESSION_SECONDS + _LEASE_SECONDS)
    scene.until_answered()
    os.kill(stopped.pid, signal.SIGCONT)
    return 1


def stopped_for_moments(scene: Scene) -> int:
    """Stop a worker now and then, for up to four seconds."""
    worker = scene.worker()
    for _ in range(5):
        time.sleep(scene.rng.uniform(0.1, 1))
        os.kill(worker.pid, signal.SIGSTOP)
        time.sleep(scene.rng.uniform(0.2, 4))
        os.kill(worker.pid, signal.SIGCONT)
    return 5


def blocked(scene: Scene) -> int:
    """Block a worker's event loop in mid-transaction, for longer than its leases last."""
    before = scene.hits("apply: locked")
    scene.replace_worker(f"apply: locked=pause:8@{_hit(scene, 'apply: locked')}")
    scene.until_hit("apply: locked", before)
    time.sleep(8)
    return 1


def members_come_and_go(scene: Scene) -> int:
    """Have a second worker join in mid-batch, work, and leave, as a deployment does."""
    scene.worker()
    for _ in range(2):
        second = scene.another()
        second.wait_until_ready()
        time.sleep(scene.rng.uniform(0.5, 2))
        second.stop()
        scene.until_answered()
    return 2


def members_die(scene: Scene) -> int:
    """Have a second worker join and be killed in mid-batch, again and again."""
    scene.worker()
    for _ in range(3):
        second = scene.another()
        second.is_ready(scene.rng.uniform(1, 6))
        time.sleep(scene.rng.uniform(0, 1))
        second.kill()
    scene.until_answered()
    return 3


def two_relays(scene: Scene) -> int:
    """Have relays beside the worker's own, and kill whoever leads."""
    for _ in range(2):
        scene.another("relay")
        scene.worker()
        scene.replace_worker()
        scene.until_answered()
        scene.end_others()
    return 2


def _hit(scene: Scene, point: Point) -> int:
    return scene.rng.randint(1, _HITS.get(point, _MOST_HITS))


FAULTS = (
    *(Fault(f"killed at {point}", killed_at(point)) for point in POINTS),
    Fault("killed at any moment", killed_at_random),
    Fault("errors at points", errors_at_points),
    Fault("stopped inside COPY", stopped_in_copy),
    Fault("a leading relay stopped with rows taken", stopped_as_relay("relay: taken")),
    Fault("a leading relay stopped in its transaction", stopped_as_relay("relay: acked")),
    Fault("stopped beyond the session time-out", stopped_beyond_the_session),
    Fault("stopped for moments", stopped_for_moments),
    Fault("event loop blocked", blocked),
    Fault("members join and leave in mid-batch", members_come_and_go),
    Fault("members join and die in mid-batch", members_die),
    Fault("two relays, and the leading one dies", two_relays),
)
