"""A server as a child process, and the folder and port that it runs on."""

import atexit
import contextlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn, TypedDict

import psutil

from firstline.servers.addresses import NoServers

# Below the range that systems hand out to outgoing connections (32768 on Linux, 49152 elsewhere):
# a port from that range may be taken by a client while its server is down, and the server could
# then not come back on it.
_PORTS = range(15_000, 32_000)
_LAST_LOG_LINES = 15


class ChildProcess:
    """One server process that can be launched again and again, logging to one file.

    It does not outlive this process: it is killed at exit, and on Linux also where this process is
    killed, provided that it was launched on the main thread (the kernel ties it to the thread).
    """

    def __init__(self, name: str, log: Path) -> None:
        self.name = name
        self.log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id; raises `RuntimeError` where the server has not been launched."""
        if self._process is None:
            message = f"{self.name} has not been started"
            raise RuntimeError(message)
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def launch(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        user: str | None = None,
    ) -> None:
        """Start `command`, as `user` where one is named, and return at once."""
        if self.running:
            message = f"{self.name} is running already, as process {self.pid}"
            raise RuntimeError(message)
        with self.log.open("ab") as log:
            # A session of its own keeps Ctrl-C in the terminal from reaching the server first.
            self._process = subprocess.Popen(
                [*_dying_with_this_process(environ.get("PATH", "")), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                cwd=self.log.parent,
                start_new_session=True,
                **as_user(user),
            )
        atexit.register(self.kill)

    def stop(self, how: signal.Signals, *, within: float = 30.0) -> None:
        """Ask the server to end with the signal `how`; kill it where it takes too long."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(how)
        try:
            self._process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self.kill()
        atexit.unregister(self.kill)

    def kill(self) -> None:
        """SIGKILL the server and its children, and wait until they are gone.

        A stopped (SIGSTOP) process is ended too.
        """
        if self._process is None:
            return
        if self._process.poll() is None:
            end_tree(self._process.pid)
        self._process.wait()
        atexit.unregister(self.kill)

    def wait_until(self, answers: Callable[[], bool], *, within: float) -> None:
        """Return once `answers()` is true.

        Raises `NoServers`, ending in the last lines of the log, where the server ends before or
        where it takes longer than `within` seconds; it is killed then.
        """
        deadline = time.monotonic() + within
        try:
            while not answers():
                if not self.running:
                    self._fail(f"{self.name} ended while it was starting:")
                if time.monotonic() > deadline:
                    self._fail(f"{self.name} did not answer within {within:.0f} s:")
                time.sleep(0.03)
        except BaseException:
            self.kill()
            raise

    def _fail(self, sentence: str) -> NoReturn:
        lines = self.log.read_text(errors="replace").splitlines()
        message = "\n  ".join([sentence, *lines[-_LAST_LOG_LINES:]])
        raise NoServers(message)


def end_tree(pid: int) -> None:
    """SIGKILL a process and its children, and wait up to ten seconds until they are dead.

    The children are counted before: those of Postgres leave the process group, and once their
    parent is dead nothing leads to them any more.
    """
    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    deadline = time.monotonic() + 10
    while any(map(_is_alive, family)) and time.monotonic() < deadline:
        time.sleep(0.005)


def _is_alive(process: psutil.Process) -> bool:
    """Say whether it still holds anything; a dead orphan may wait for a while to be collected."""
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def is_dead_but_listed(pid: int) -> bool:
    """Say whether the process has ended and its number is still taken."""
    try:
        return not _is_alive(psutil.Process(pid)) and psutil.pid_exists(pid)
    except psutil.NoSuchProcess:
        return False


class Identity(TypedDict, total=False):
    """The arguments of `subprocess` that say who a child runs as."""

    user: str
    group: int
    extra_groups: list[str]


def as_user(user: str | None) -> Identity:
    """The arguments with which a child of root becomes `user`; none for `None`."""
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def free_port() -> int:
    """Return a port of the loopback interface on which nobody listens."""
    candidates = random.sample(_PORTS, 100)  # not a secret, only a way not to meet others
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    message = "No free port was found on 127.0.0.1 among a hundred tried: end some servers."
    raise NoServers(message)


def is_reachable_by_all(path: Path) -> bool:
    """Say whether any user of this machine can get at `path`, through all of its parents."""
    return all(place.stat().st_mode & 0o001 for place in [path, *path.resolve().parents])


@cache
def _setpriv(path: str) -> str | None:
    """Find a `setpriv` that knows `--pdeathsig` (busybox has one that does not)."""
    found = shutil.which("setpriv", path=path)
    if found is None:
        return None
    probe = subprocess.run([found, "--pdeathsig", "KILL", "true"], capture_output=True, check=False)
    return found if probe.returncode == 0 else None


def _dying_with_this_process(path: str) -> list[str]:
    """The words before a command that have Linux kill it when the thread that starts it ends."""
    if threading.current_thread() is not threading.main_thread():
        return []
    setpriv = _setpriv(path)
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
