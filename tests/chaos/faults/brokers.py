"""What befalls Kafka, and the way there."""

import os
import signal
import time

from tests.chaos.fault import Fault
from tests.chaos.scene import Scene

_AWAY_SECONDS = 40
"""Longer than the group's session time-out."""


def killed(scene: Scene) -> int:
    """Kill the broker, and start it again."""
    for _ in range(2):
        scene.kafka.kill()
        time.sleep(scene.rng.uniform(0, 3))
        scene.kafka.start()
        scene.until_answered()
    return 2


def restarted(scene: Scene) -> int:
    """Restart the broker, as an operator does."""
    scene.kafka.stop()
    scene.kafka.start()
    return 1


def frozen(scene: Scene) -> int:
    """Have the broker stand still."""
    for _ in range(2):
        os.kill(scene.kafka.pid, signal.SIGSTOP)
        time.sleep(scene.rng.uniform(2, 8))
        os.kill(scene.kafka.pid, signal.SIGCONT)
        scene.until_answered()
    return 2


def unplugged(scene: Scene) -> int:
    """Cut the worker off from Kafka, while others reach it."""
    for _ in range(3):
        with scene.proxy.unplugged():
            time.sleep(scene.rng.uniform(0.5, 6))
        scene.until_answered()
    return 3


def away(scene: Scene) -> int:
    """Cut the worker off for longer than its session lasts."""
    with scene.proxy.unplugged():
        time.sleep(_AWAY_SECONDS)
    return 1


FAULTS = (
    Fault("broker killed and started", killed),
    Fault("broker restarted", restarted),
    Fault("broker stands still", frozen),
    Fault("broker out of reach for moments", unplugged),
    Fault(f"broker out of reach for {_AWAY_SECONDS} s", away),
)
