"""`firstline` as its operator runs it: a process with an environment, two outputs and a code."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.outside.forking import Ended, Forked, run

_STOP_SECONDS = 30
"""How long a program may take to leave once it was asked to."""


class Program:
    """A command that runs until it is stopped. ``lines`` are those of its stdout so far."""

    def __init__(self, environment: Mapping[str, str], *arguments: str, log: Path) -> None:
        self.log = log
        self.lines: list[str] = []
        self._said = threading.Condition()
        reading, writing = os.pipe()
        self._stdout = os.fdopen(reading)
        command = ("firstline", *arguments)
        with log.open("ab") as stderr, os.fdopen(writing, "wb") as stdout:
            self.process = Forked(command, environment, log.parent, stdout=stdout, stderr=stderr)
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
        with self._stdout as stdout:
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


def run_all(
    commands: Sequence[tuple[Sequence[str], Mapping[str, str]]], folder: Path
) -> list[Ended]:
    """Run commands, each with its environment, two at a time; return what they came to."""

    def run_one(command: tuple[Sequence[str], Mapping[str, str]]) -> Ended:
        arguments, environment = command
        return run(("firstline", *arguments), environment, folder)

    with ThreadPoolExecutor(2) as two:
        return list(two.map(run_one, commands))
