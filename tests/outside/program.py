"""One installation of firstline, run as its operator runs it: by its command line."""

import json
import os
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from .forking import Forked, run
from .wire import Json

PARTITIONS = 3
WORKER = ("firstline", "worker", "--no-nodes")
"""A worker for tests that serve nodes themselves."""

_START_SECONDS = 45
_STOP_SECONDS = 30
_LOG_LINES = 60


class NotReady(AssertionError):
    """A command of firstline failed, or a worker is not where it should be; says what it logged."""


class Worker:
    """A running `firstline worker`, or another program that ends in one."""

    def __init__(
        self,
        environment: dict[str, str],
        log: Path,
        command: Sequence[str] = WORKER,
    ) -> None:
        self._log = log
        self._ready = threading.Event()
        reading, writing = os.pipe()
        self._stdout = os.fdopen(reading, "rb")
        with log.open("ab") as stderr, os.fdopen(writing, "wb") as stdout:
            self._process = Forked(command, environment, log.parent, stdout=stdout, stderr=stderr)
        self._reader = threading.Thread(target=self._read_stdout, daemon=True)
        self._reader.start()

    def wait_until_ready(self, seconds: float = _START_SECONDS) -> None:
        """Wait for the line `ready`; raises NotReady, with the log, where it does not come."""
        until = time.monotonic() + seconds
        while not self._ready.wait(0.01):
            self.must_run()
            if time.monotonic() > until:
                message = f"the worker was not ready after {seconds} s\n{self.log_tail()}"
                raise NotReady(message)

    def is_ready(self, seconds: float) -> bool:
        """Wait at most so long for the line `ready`, and say whether it came."""
        return self._ready.wait(seconds)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def ended(self) -> bool:
        """Say whether the process has ended."""
        return self._process.poll() is not None

    def must_run(self) -> None:
        """Raise NotReady where the process has ended."""
        code = self._process.poll()
        if code is not None:
            message = f"the worker ended with {code}\n{self.log_tail()}"
            raise NotReady(message)

    def kill(self) -> None:
        """End the process as a power cut would: no handler of its own runs."""
        self._process.kill()
        self._finish()

    def wait(self, seconds: float) -> int:
        """Wait until the process ends by itself, and return its exit code."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            message = f"the worker still ran after {seconds} s\n{self.log_tail()}"
            raise NotReady(message) from None
        return self._finish()

    def stop(self) -> int:
        """Ask the process to end, and return its exit code; it has 30 seconds by contract."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            message = f"the worker still ran {_STOP_SECONDS} s after SIGTERM\n{self.log_tail()}"
            raise NotReady(message) from None
        return self._finish()

    def log_tail(self) -> str:
        """Return the last lines of its stderr."""
        lines = self._log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-_LOG_LINES:])

    def _finish(self) -> int:
        code = self._process.wait()
        self._reader.join(5)
        return code

    def _read_stdout(self) -> None:
        with self._stdout as stdout:
            for line in stdout:
                if line.strip() == b"ready":
                    self._ready.set()


@dataclass
class Installation:
    """A database, a topic prefix, and the worker that runs between them, if any.

    A supervised one starts its worker again wherever that has ended.
    """

    kafka_bootstrap: str
    database_url: str
    prefix: str
    folder: Path
    worker: Worker | None = None
    supervised: bool = False
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("FIRSTLINE_")}
        self.environment = inherited | {
            "FIRSTLINE_KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "FIRSTLINE_DATABASE_URL": self.database_url,
            "FIRSTLINE_TOPIC_PREFIX": self.prefix,
            "FIRSTLINE_PARTITIONS": str(PARTITIONS),
        }

    def run(self, *arguments: str, seconds: float = 60) -> str:
        """Run one command to its end and return its stdout; raises NotReady where it fails."""
        ended = run(("firstline", *arguments), self.environment, self.folder, seconds)
        if ended.code != 0:
            said = f"firstline {' '.join(arguments)} exited with {ended.code}"
            message = f"{said}\n{ended.out}\n{ended.err}"
            raise NotReady(message)
        return ended.out

    def set_up(self, catalogue: Json) -> None:
        """Migrate, create the topics, load the catalogue."""
        file = self.folder / "catalogue.json"
        file.write_text(json.dumps(catalogue))
        with ThreadPoolExecutor() as pool:
            topics = pool.submit(self.run, "topics")
            self.run("migrate")
            self.run("load", str(file))
            topics.result()

    def launch(self, command: Sequence[str] = WORKER, **environment: str) -> Worker:
        """Start a worker, which need not be ready when this returns."""
        self.worker = Worker(self.environment | environment, self.folder / "worker.log", command)
        return self.worker

    def start(self) -> Worker:
        """Start a worker and wait until it is ready."""
        worker = self.launch()
        worker.wait_until_ready()
        return worker

    def must_run(self) -> None:
        """Raise NotReady where the worker that ought to run has ended, or start it again."""
        if self.supervised and (self.worker is None or self.worker.ended()):
            self.launch()
        elif self.worker is not None:
            self.worker.must_run()

    def log_tail(self) -> str:
        """Return the last lines that the worker logged."""
        return self.worker.log_tail() if self.worker is not None else "no worker was started"


class NewInstallation(Protocol):
    """What sets firstline up on the servers of the tests, with some people or with others."""

    def __call__(self, catalogue: Json = ...) -> AbstractContextManager[Installation]:
        """Yield an installation that is set up but does not run."""


@contextmanager
def installed(
    kafka_bootstrap: str, maintenance_url: str, folder: Path, catalogue: Json
) -> Iterator[Installation]:
    """Yield an installation that is set up but does not run; whatever runs at the end is killed."""
    name = f"outside_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    installation = Installation(
        kafka_bootstrap=kafka_bootstrap,
        database_url=_in_database(maintenance_url, name),
        prefix=f"t{uuid.uuid4().hex[:4]}.",
        folder=folder,
    )
    try:
        installation.set_up(catalogue)
        yield installation
    finally:
        if installation.worker is not None:
            installation.worker.kill()
        with psycopg.connect(maintenance_url, autocommit=True) as connection:
            drop = sql.SQL("drop database {} with (force)")
            connection.execute(drop.format(sql.Identifier(name)))


def _in_database(url: str, name: str) -> str:
    """Return the same address with another database at its end."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
