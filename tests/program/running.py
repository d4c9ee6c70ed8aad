"""`firstline` as its operator runs it: a process with an environment, two outputs and a code."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_STOP_SECONDS = 30
"""How long a program may take to leave once it was asked to."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command came to."""

    code: int
    out: str
    err: str


class Program:
    """A command that runs until it is stopped. ``lines`` are those of its stdout so far."""

    def __init__(self, environment: Mapping[str, str], *arguments: str, log: Path) -> None:
        self.log = log
        self.lines: list[str] = []
        self._said = threading.Condition()
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "firstline", *arguments],
                env=dict(environment),
                cwd=log.parent,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_for(self, line: str, seconds: float = 60) -> None:
        """Wait until that line was printed. Raises AssertionError, with the log, otherwise."""
        with self._said:
            came = self._said.wait_for(
                lambda: line in self.lines or self.process.poll() is not None, seconds
            )
        assert came, self.tail()
        assert line in self.lines, self.tail()

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(_STOP_SECONDS)
        self._reader.join(5)
        return code

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.join(5)

    def must_run(self) -> None:
        assert self.process.poll() is None, self.tail()

    def tail(self) -> str:
        """The last of what it logged."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-40:])

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            for line in stdout:
                with self._said:
                    self.lines.append(line.removesuffix("\n"))
                    self._said.notify_all()
        with self._said:
            self._said.notify_all()


@contextmanager
def running(environment: Mapping[str, str], *arguments: str, folder: Path) -> Iterator[Program]:
    """A program that is killed at the end, where it still runs; all log to one file."""
    program = Program(environment, *arguments, log=folder / "program.log")
    try:
        yield program
    finally:
        program.kill()
