"""What lasts for ten minutes, and has a run of its own: `make chaos LONG=1`."""

import time

from tests.chaos.fault import Fault
from tests.chaos.faults.databases import snapshot_held
from tests.chaos.scene import Scene

SECONDS = 600


def kafka_away(scene: Scene) -> int:
    """Have no Kafka; the desk goes on, and its client keeps what it sends."""
    scene.kafka.kill()
    time.sleep(SECONDS)
    scene.kafka.start()
    return 1


def postgres_away(scene: Scene) -> int:
    """Have no Postgres, while commands go on arriving in Kafka."""
    scene.postgres.kill()
    time.sleep(SECONDS)
    scene.postgres.start()
    return 1


FAULTS = (
    Fault("Kafka away for ten minutes", kafka_away),
    Fault("Postgres away for ten minutes", postgres_away),
    Fault("a snapshot held for ten minutes", snapshot_held(SECONDS)),
)
