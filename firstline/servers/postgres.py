"""A Postgres of our own: one database cluster in a folder, one port on the loopback interface."""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType

import asyncpg

from firstline.servers.addresses import NoServers
from firstline.servers.postgres_binaries import PostgresBinaries
from firstline.servers.process import (
    ChildProcess,
    as_user,
    free_port,
    is_dead_but_listed,
    is_reachable_by_all,
)

_USER = "firstline"
_DATABASE = "firstline"
_START_WITHIN = 60.0
_BUILTIN_LOCALES = 17  # the first major version that has them

# fsync stays on: a server that is quick because it forgets is no place to test promises.
SERVER_SETTINGS = MappingProxyType(
    {
        "listen_addresses": "127.0.0.1",
        "max_connections": "200",
        "max_prepared_transactions": "0",
        "synchronous_commit": "on",
        "jit": "off",
        "shared_buffers": "256MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
)


class Postgres:
    """A Postgres server on `folder`, which is made and filled at the first start.

    The role `firstline` is a superuser with a random password, kept in `folder` for this user
    alone; the database is `firstline`. Only 127.0.0.1 is listened on. Where this process is root,
    the server runs as `postgres` or `nobody`, and `folder` has to be reachable by that user.
    """

    def __init__(
        self,
        folder: Path,
        *,
        binaries: PostgresBinaries,
        port: int | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._binaries = binaries
        self._settings = settings
        self._environ = {
            name: value
            for name, value in environ.items()
            if not name.startswith(("PG", "LC_")) and name != "LANGUAGE"
        } | {"LC_ALL": "C"}
        self._owner = _unprivileged_user()
        self._data = folder / "data"
        self._process = ChildProcess("Postgres", folder / "postgres.log")

    @property
    def pid(self) -> int:
        """The process id of the postmaster."""
        return self._process.pid

    @property
    def database_url(self) -> str:
        """Where to connect; known after the first start."""
        return self._url(_DATABASE)

    def start(self) -> None:
        """Start the server and return once it takes connections.

        Raises `NoServers`, with the last log lines, where it does not within a minute.
        """
        if not self._data.exists():
            self._initialise()
        self._write_settings()
        self._wait_until_the_last_one_is_gone()
        self._process.launch(
            [str(self._binaries.folder / "postgres"), "-D", str(self._data)],
            environ=self._environ,
            user=self._owner,
        )
        url = self._url("postgres")
        self._process.wait_until(lambda: postgres_answers(url), within=_START_WITHIN)
        try:
            _run_apart(_create_database(url))
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """Shut down as an operator would: clients are disconnected, everything is written."""
        self._process.stop(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL the server and all its backends, as losing the machine would."""
        self._process.kill()

    def _url(self, database: str) -> str:
        password = self._password_file.read_text().strip()
        return f"postgresql://{_USER}:{password}@127.0.0.1:{self.port}/{database}"

    @property
    def _password_file(self) -> Path:
        return self.folder / "password"

    def _initialise(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._own(self.folder)
        if self._owner is not None and not is_reachable_by_all(self.folder.parent):
            message = (
                f"Postgres does not run as root, and the user {self._owner} cannot reach "
                f"{self.folder}: choose a folder outside of any home."
            )
            raise NoServers(message)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_hex(16))
        self._own(self._password_file)
        # Made under another name first: a folder that is half initialised would never start.
        unfinished = self.folder / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        done = subprocess.run(
            [
                str(self._binaries.folder / "initdb"),
                *("-D", str(unfinished)),
                f"--username={_USER}",
                f"--pwfile={self._password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                *_locale(self._binaries.major),
                "--no-sync",
            ],
            env=self._environ,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            **as_user(self._owner),
        )
        if done.returncode != 0:
            message = f"Postgres could not be initialised in {self.folder}: {done.stderr.strip()}"
            raise NoServers(message)
        with (unfinished / "postgresql.conf").open("a") as file:
            file.write("\ninclude 'firstline.conf'\n")
        unfinished.rename(self._data)

    def _write_settings(self) -> None:
        """Write the settings to a file rather than the command line, which ALTER SYSTEM beats."""
        settings = {
            **SERVER_SETTINGS,
            **self._settings,
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
        }
        file = self._data / "firstline.conf"
        lines = (f"{name} = '{_quoted(value)}'\n" for name, value in settings.items())
        file.write_text("".join(lines))
        self._own(file)

    def _own(self, path: Path) -> None:
        if self._owner is not None:
            shutil.chown(path, self._owner, pwd.getpwnam(self._owner).pw_gid)

    def _wait_until_the_last_one_is_gone(self) -> None:
        """Wait for a dead server to be collected, if the process that started it died as well.

        Its number is in the lock file until then, and Postgres takes it for one that runs; some
        init processes of containers collect every few seconds only.
        """
        lock = self._data / "postmaster.pid"
        if not lock.exists():
            return
        pid = int(lock.read_text().split(maxsplit=1)[0])
        deadline = time.monotonic() + 10
        while is_dead_but_listed(pid) and time.monotonic() < deadline:
            time.sleep(0.05)


def postgres_answers(url: str) -> bool:
    """Say whether a connection can be made and used."""
    try:
        _run_apart(_ping(url))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    return True


async def _ping(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=5)
    try:
        await connection.execute("select", timeout=5)
    finally:
        connection.terminate()


async def _create_database(url: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        known = await connection.fetchval("select 1 from pg_database where datname = $1", _DATABASE)
        if known is None:
            await connection.execute(f"create database {_DATABASE}")
    finally:
        await connection.close()


def _run_apart(work: Coroutine[object, object, None]) -> None:
    """Run `work` to its end on a thread of its own: the caller's may be running an event loop."""
    with ThreadPoolExecutor(max_workers=1) as apart:
        apart.submit(asyncio.run, work).result()


def _locale(major: int) -> list[str]:
    """Sort by code point, know Unicode's letters, and depend on no locale of the machine."""
    if major >= _BUILTIN_LOCALES:
        return ["--locale-provider=builtin", "--locale=C.UTF-8"]
    return ["--locale=C.UTF-8"] if sys.platform == "linux" else ["--locale=C"]


def _unprivileged_user() -> str | None:
    """The user that Postgres runs as, or `None` for the present one: it refuses to be root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in known:
            return name
    message = "Postgres does not run as root, and there is no user postgres or nobody: add one."
    raise NoServers(message)


def _quoted(value: str) -> str:
    return value.replace("'", "''")
