"""Programs for the price of one start: each is forked from an interpreter that has imported them.

What runs is what `python -m MODULE ARGUMENT...` runs, to its natural end, with an environment, a
folder, outputs and an exit code of its own; only what it imports was imported before. Whether a
program can be imported at all is shown by the tests that start one as anybody does.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, TypedDict

# What the commands import, most of it only when they need it.
_IMPORTED = (
    "firstline.cli",
    "firstline.errors",
    "firstline.load",
    "firstline.logs",
    "firstline.looking.ask",
    "firstline.migrate",
    "firstline.program",
    "firstline.topics",
    "firstline.traffic",
    "integrations.embedded",
    "uvloop",
)
_NUMBER = struct.Struct("!i")
_starting = threading.Lock()


class Order(TypedDict):
    """A program to be run: the words behind `python -m`, and what surrounds it."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: str


class Forked:
    """A program that was started. Its standard input is empty, and its session its own."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        folder: Path,
        *,
        stdout: IO[bytes],
        stderr: IO[bytes],
    ) -> None:
        self._command = command
        order = Order(command=command, environment=environment, folder=str(folder))
        body = json.dumps(order).encode()
        self._report, writing = os.pipe()
        weakref.finalize(self, os.close, self._report)
        outputs = [writing, stdout.fileno(), stderr.fileno()]
        try:
            with _starting:
                parent = _parent()
                socket.send_fds(parent, [_NUMBER.pack(len(body))], outputs)
                parent.sendall(body)
        finally:
            os.close(writing)
        self.pid = self._read()
        self._code: int | None = None
        self._reading = threading.Lock()

    def poll(self) -> int | None:
        """The exit code, or the negative number of the signal that ended it; None while it runs."""
        return self._ended_within(0)

    def wait(self, seconds: float | None = None) -> int:
        """Wait for its end, and return what `poll` does. Raises `subprocess.TimeoutExpired`."""
        code = self._ended_within(seconds)
        if code is None:
            raise subprocess.TimeoutExpired(list(self._command), seconds or 0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, where it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send_signal(signal.SIGKILL)

    def _ended_within(self, seconds: float | None) -> int | None:
        waiting = select.poll()
        waiting.register(self._report, select.POLLIN)
        if self._code is None and waiting.poll(None if seconds is None else seconds * 1000):
            with self._reading:
                if self._code is None:
                    self._code = self._read()
        return self._code

    def _read(self) -> int:
        said = os.read(self._report, _NUMBER.size)
        assert said, f"nobody runs {self._command}: what it imports cannot be imported"
        (number,) = _NUMBER.unpack(said)
        return int(number)


@dataclass(frozen=True, slots=True)
class Ended:
    """What a program came to."""

    code: int
    out: str
    err: str


def run(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, seconds: float = 60
) -> Ended:
    """Run a program to its end. Raises `subprocess.TimeoutExpired`, with the program killed."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        program = Forked(command, environment, folder, stdout=out, stderr=err)
        try:
            code = program.wait(seconds)
        finally:
            program.kill()
        out.seek(0)
        err.seek(0)
        return Ended(code, out.read().decode(), err.read().decode())


# -- the parent ----------------------------------------------------------------------------------


@cache
def _parent() -> socket.socket:
    """Where to send orders: to a process that lives as long as this one."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", __file__],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(orders: socket.socket) -> Order | None:
    """Fork until nobody is left who might order anything; in a child, return what it shall be."""
    # Nobody asks what became of those who wait for the programs.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    gc.freeze()
    while True:
        length, outputs, _, _ = socket.recv_fds(orders, _NUMBER.size, 3)
        if not length:
            return None
        (size,) = _NUMBER.unpack(length)
        body = orders.recv(size, socket.MSG_WAITALL)
        if not os.fork():
            orders.close()
            return _keep(json.loads(body), *outputs)
        for output in outputs:
            os.close(output)


def _keep(order: Order, report: int, stdout: int, stderr: int) -> Order:
    """Fork a program, and report its process id, and in the end its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if not pid:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        for inherited in (report, stdout, stderr):
            os.close(inherited)
        return order
    os.close(stdout)
    os.close(stderr)
    os.write(report, _NUMBER.pack(pid))
    _, status = os.waitpid(pid, 0)
    with contextlib.suppress(BrokenPipeError):  # nobody waits for it any more
        os.write(report, _NUMBER.pack(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _become(order: Order) -> None:
    """Be the program."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.path[:0] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    module, *arguments = order["command"]
    sys.argv = [module, *arguments]
    # Those that there are know what the first program's were, and whether one can seek in them.
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    for name in _IMPORTED:
        importlib.import_module(name)
    if order := _serve(socket.socket(fileno=0)):
        _become(order)
