"""firstline itself, run as anybody would run it: as a process of its own."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from queue import Empty, Queue
from tempfile import TemporaryFile
from typing import TextIO

_READY_WITHIN = 60.0
_DRAINED_WITHIN = 35.0
_LAST_LOG_LINES = 15


class DemoFailed(Exception):
    """The demo cannot go on. Its message says why, with the last log lines where there are any."""


def firstline(environ: Mapping[str, str], *words: str) -> None:
    """Run one `firstline` command to its end; raises `DemoFailed` where it fails."""
    done = subprocess.run(
        [*_firstline(), *words],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    if done.returncode != 0:
        sentence = f"firstline {words[0]} failed:"
        raise _failure(sentence, done.stdout + done.stderr)


class Worker:
    """`firstline worker`, from its `ready` on."""

    def __init__(self, process: subprocess.Popen[str], log: TextIO) -> None:
        self._process = process
        self._log = log

    def check(self) -> None:
        """Raise `DemoFailed` where the worker has ended, although nobody asked it to."""
        if self._process.poll() is not None:
            message = f"The worker ended with exit code {self._process.returncode}:"
            raise self.failure(message)

    def drain(self) -> None:
        """Ask it to finish what it holds and end; raises `DemoFailed` unless it exits with 0."""
        self.check()
        self._process.send_signal(signal.SIGTERM)
        try:
            code = self._process.wait(_DRAINED_WITHIN)
        except subprocess.TimeoutExpired:
            message = f"The worker did not end within {_DRAINED_WITHIN:.0f} s:"
            raise self.failure(message) from None
        if code != 0:
            message = f"The worker ended with exit code {code} when asked to drain:"
            raise self.failure(message)

    def failure(self, sentence: str) -> DemoFailed:
        """Return an error that says `sentence` and ends in the last lines of the worker's log."""
        self._log.seek(0)
        return _failure(sentence, self._log.read())


@contextmanager
def worker(environ: Mapping[str, str]) -> Iterator[Worker]:
    """Yield a worker that consumes; where it still runs when the block is left, it is killed."""
    with TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(
            [*_firstline(), "worker"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            # Ctrl-C in the terminal is for the demo, which ends the worker in its own time.
            start_new_session=True,
        )
        running = Worker(process, log)
        try:
            _wait_until_ready(process, running)
            yield running
        finally:
            process.kill()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[str], running: Worker) -> None:
    lines: Queue[str] = Queue()
    threading.Thread(target=_pass_on, args=(process, lines), daemon=True).start()
    try:
        while (line := lines.get(timeout=_READY_WITHIN)) != "ready\n":
            if not line:
                process.wait()
                running.check()
    except Empty:
        message = f"The worker was not ready within {_READY_WITHIN:.0f} s:"
        raise running.failure(message) from None


def _pass_on(process: subprocess.Popen[str], lines: "Queue[str]") -> None:
    """Read the worker's output to its end, so that it never waits for a reader; "" is the end."""
    assert process.stdout is not None  # noqa: S101 -- for the type checker: it is a pipe
    with process.stdout as output:
        for line in output:
            lines.put(line)
    lines.put("")


@cache
def _firstline() -> list[str]:
    """Name the command; where the system can tie it to this process, it is killed along with it."""
    command = [sys.executable, "-m", "firstline"]
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return command
    tie = [setpriv, "--pdeathsig", "KILL", "--"]  # which busybox's does not know
    probe = subprocess.run([*tie, "true"], capture_output=True, check=False)
    return [*tie, *command] if probe.returncode == 0 else command


def _failure(sentence: str, log: str) -> DemoFailed:
    return DemoFailed("\n  ".join([sentence, *log.splitlines()[-_LAST_LOG_LINES:]]))
