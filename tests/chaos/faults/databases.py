"""What befalls Postgres, and what others do in it."""

import time

from tests.chaos.fault import Fault, Inject
from tests.chaos.scene import NotInjected, Scene
from tests.outside.people import ACME

_HELD_SECONDS = 25
"""Longer than our statements wait for a lock."""
_SNAPSHOT_SECONDS = 15
_UNSERIALIZABLE_SECONDS = 10
_BOTH_AWAY_SECONDS = 30


def killed(scene: Scene) -> int:
    """Kill the server, backends and all, and start it again."""
    for _ in range(3):
        scene.postgres.kill()
        time.sleep(scene.rng.uniform(0, 2))
        scene.postgres.start()
        scene.until_answered()
    return 3


def restarted(scene: Scene) -> int:
    """Restart the server, as an operator does."""
    scene.postgres.stop()
    scene.postgres.start()
    return 1


def connections_ended(scene: Scene) -> int:
    """End every connection of the program's, again and again, each time at another moment."""
    ended = 0
    scene.worker()
    for _ in range(12):
        time.sleep(scene.rng.uniform(0.05, 0.8))
        with scene.database() as connection:
            ended += len(
                connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where application_name like 'firstline%' and datname = current_database()"
                ).fetchall()
            )
    return ended


def both_away(scene: Scene) -> int:
    """Have neither server for a while."""
    scene.kafka.kill()
    scene.postgres.kill()
    time.sleep(_BOTH_AWAY_SECONDS)
    scene.postgres.start()
    scene.kafka.start()
    return 1


def locks_held(scene: Scene) -> int:
    """Have somebody hold the locks that every batch needs, in a transaction left open."""
    with scene.database(autocommit=False) as connection:
        connection.execute("select from positions for update")
        time.sleep(_HELD_SECONDS)
        connection.rollback()
    return 1


def snapshot_held(seconds: float) -> Inject:
    """Have somebody look at the database as it was, for so long, while the desk goes on."""

    def inject(scene: Scene) -> int:
        with scene.database(autocommit=False) as connection:
            connection.execute("set transaction isolation level repeatable read")
            connection.execute("select count(*) from outbox")
            time.sleep(seconds)
        return 1

    return inject


def deadlocks(scene: Scene) -> int:
    """Have somebody lock in the other order; the batch is the one that Postgres gives up."""
    for _ in range(3):
        with scene.database(autocommit=False) as connection:
            connection.execute("set deadlock_timeout = '60s'")
            connection.execute("select from accounts where id = %s for update", [ACME])
            _until_somebody_waits_for(scene, connection.info.backend_pid)
            connection.execute("select from positions for update")
            connection.rollback()
    return 3


def serialization_failures(scene: Scene) -> int:
    """Have every third batch fail as a transaction does that has no place in a serial order."""
    before = scene.log_lines("40001")
    with scene.database() as connection:
        connection.execute(
            """
            create function out_of_order() returns trigger language plpgsql as $$
            begin
                if random() < 0.3 then
                    raise serialization_failure;
                end if;
                return null;
            end
            $$
            """
        )
        connection.execute(
            "create trigger out_of_order after insert on inbox execute function out_of_order()"
        )
        time.sleep(_UNSERIALIZABLE_SECONDS)
        connection.execute("drop function out_of_order cascade")
    failed = scene.log_lines("40001") - before
    if not failed:
        message = "no serialization failure"
        raise NotInjected(message)
    return failed


def _until_somebody_waits_for(scene: Scene, pid: int) -> None:
    question = "select exists (select from pg_stat_activity where %s = any(pg_blocking_pids(pid)))"
    with scene.database() as looking:
        scene.until(lambda: looking.execute(question, [pid]).fetchone() == (True,), "nobody waits")


FAULTS = (
    Fault("Postgres killed and started", killed),
    Fault("Postgres restarted", restarted),
    Fault("connections ended", connections_ended),
    Fault(f"both servers away for {_BOTH_AWAY_SECONDS} s", both_away),
    Fault("locks held by somebody else", locks_held),
    Fault("a snapshot held", snapshot_held(_SNAPSHOT_SECONDS)),
    Fault("deadlocks", deadlocks),
    Fault("serialization failures", serialization_failures),
)
