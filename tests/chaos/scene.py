"""Servers of our own, an installation on them, and a worker that somebody starts again."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import psycopg

from firstline.servers import KafkaServer, Postgres, find_kafka, find_postgres
from firstline.servers.ladder import fresh_folder
from storage.failpoints import VARIABLE, Point
from tests.chaos.proxy import Proxy
from tests.outside.client import Client
from tests.outside.commands import command, new_id
from tests.outside.look import held_leases
from tests.outside.people import CATALOGUE
from tests.outside.program import PARTITIONS, Installation, Worker, installed
from tests.outside.wire import partition_of

ROOT = Path(__file__).parents[2]

_HEAL_SECONDS = 120.0
_INJECT_SECONDS = 60.0


class NotInjected(Exception):
    """A fault did not come about: what it would have shown is not shown."""


class NotHealed(Exception):
    """The program did not come back by itself in time."""


@dataclass
class Scene:
    """Where faults happen.

    ``others`` are processes beside the one worker that ought to run; ``recoveries`` are the seconds
    from the ends of a fault to the last answer to commands sent then, one to each partition.
    """

    rng: random.Random
    kafka: KafkaServer
    postgres: Postgres
    proxy: Proxy
    installation: Installation
    client: Client
    others: list[Worker] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)

    # Processes

    def worker(self) -> Worker:
        """The worker that runs; started, and waited for, where none does."""
        self.installation.must_run()
        worker = self.installation.worker
        assert worker is not None
        worker.wait_until_ready()
        return worker

    def replace_worker(self, failpoints: str = "", *changes: str) -> Worker:
        """Kill the worker, and start one that is armed or changed in its place."""
        if self.installation.worker is not None:
            self.installation.worker.kill()
        command, environment = _started_as("worker", failpoints, changes)
        return self.installation.launch(command, **environment)

    def another(self, what: str = "worker", failpoints: str = "", *changes: str) -> Worker:
        """Start a further process; it is killed when the fault is over."""
        command, environment = _started_as(what, failpoints, changes)
        log = self.installation.folder / "worker.log"
        started = Worker(self.installation.environment | environment, log, command)
        self.others.append(started)
        return started

    def another_instead(self, failpoints: str) -> Worker:
        """Kill the worker, and start an armed one that nobody starts again; none else runs then."""
        if self.installation.worker is not None:
            self.installation.worker.kill()
            self.installation.worker = None
        return self.another(failpoints=failpoints)

    def end_others(self) -> None:
        """Kill whatever runs beside the worker."""
        while self.others:
            self.others.pop().kill()

    # Waiting

    def until(
        self,
        condition: Callable[[], bool],
        what: str,
        seconds: float = _INJECT_SECONDS,
    ) -> None:
        """Wait for what makes up the fault. Raises `NotInjected`."""
        until = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > until:
                message = f"{what}: not within {seconds:.0f} s"
                raise NotInjected(message)
            time.sleep(0.03)

    def until_ended(self, worker: Worker) -> None:
        """Wait until a process has ended by itself."""
        self.until(worker.ended, "the process lives")

    def until_stopped(self, worker: Worker) -> None:
        """Wait until a process has stopped itself."""
        self.until(lambda: is_stopped(worker.pid), "the process runs")

    def until_hit(self, point: Point, before: int) -> None:
        """Wait until an armed point has acted once more than before."""
        self.until(lambda: self.hits(point) > before, f"{point} is not reached")

    def until_answered(self) -> None:
        """Send a command to each partition, and note after how many seconds all are answered.

        Whatever worker ended meanwhile is started again. Raises `NotHealed`.
        """
        since = time.monotonic()
        sent = [command("start_adhoc", _session_in(number)) for number in range(PARTITIONS)]
        for one in sent:
            self.client.send(one)
        while not all(map(self.client.has_answered, sent)):
            self.installation.must_run()
            if time.monotonic() - since > _HEAL_SECONDS:
                message = f"no answer after {_HEAL_SECONDS:.0f} s\n{self.installation.log_tail()}"
                raise NotHealed(message)
            self.client.follow()
        self.recoveries.append(time.monotonic() - since)

    # Looking

    def log_lines(self, *words: str) -> int:
        """How many lines of the workers' log hold these words."""
        log = (self.installation.folder / "worker.log").read_text(errors="replace")
        return sum(all(word in line for word in words) for line in log.splitlines())

    def hits(self, point: Point) -> int:
        """How often an armed point has done what it was armed with."""
        return self.log_lines("failpoint reached", f'"{point}"')

    @contextmanager
    def database(self, *, autocommit: bool = True) -> Iterator[psycopg.Connection]:
        """A connection of somebody else's to the database."""
        with psycopg.connect(self.installation.database_url, autocommit=autocommit) as connection:
            yield connection

    def leases(self) -> int:
        """How many leases are held: one for a worker, one for a relay."""
        return held_leases(self.installation)


def is_stopped(pid: int) -> bool:
    """Say whether a process stands still, by SIGSTOP."""
    return psutil.Process(pid).status() == psutil.STATUS_STOPPED


@contextmanager
def staged(seed: int) -> Iterator[Scene]:
    """Servers, an installation, a worker; all of it gone in the end."""
    with ExitStack() as stack:
        folder = stack.enter_context(fresh_folder())
        kafka = KafkaServer(folder / "kafka", distribution=find_kafka(os.environ))
        postgres = Postgres(folder / "postgres", binaries=find_postgres(os.environ))
        stack.callback(postgres.kill)
        stack.callback(kafka.kill)
        kafka.launch()
        postgres.start()
        kafka.wait_until_it_answers()
        proxy = stack.enter_context(Proxy(kafka.bootstrap))
        place = folder / "installation"
        place.mkdir()
        installation = stack.enter_context(
            installed(kafka.bootstrap, postgres.database_url, place, CATALOGUE)
        )
        installation.supervised = True
        installation.environment["FIRSTLINE_KAFKA_BOOTSTRAP"] = proxy.bootstrap
        installation.environment["PYTHONPATH"] = str(ROOT)
        # A sender that waits for Kafka however long it is away, not for five minutes, in silence.
        patient = {"message.timeout.ms": "0", "log_level": "2"}
        client = Client(kafka.bootstrap, installation.prefix, producer_settings=patient)
        stack.callback(client.close)
        scene = Scene(random.Random(seed), kafka, postgres, proxy, installation, client)
        stack.callback(scene.end_others)
        yield scene


def _session_in(partition: int) -> str:
    """A new session whose records go into this partition."""
    while True:
        session = new_id()
        if partition_of(session.encode(), PARTITIONS) == partition:
            return session


def _started_as(
    what: str, failpoints: str, changes: tuple[str, ...]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """The command and the environment of a process that is armed or changed."""
    program = ("tests.chaos.launch", *changes) if changes else ("firstline",)
    options = ("--no-nodes",) if what == "worker" else ()
    return (*program, what, *options), {VARIABLE: failpoints}
