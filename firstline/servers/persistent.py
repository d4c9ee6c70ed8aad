"""One Kafka and one Postgres per user of the machine, whose data outlive the commands.

The first command that needs them starts them and owns them; others join while it runs. What holds:

- a stack that runs has a living owner, which holds `owner.lock` from before the first server
  starts until after the last has ended;
- whoever looks or changes something holds `starting.lock`; so nobody joins a stack that is only
  half up, or on its way down.

Docker is not used here: containers would outlive their owner's death, and data in volumes would
not be found again once the engine is gone.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import psutil

from firstline.servers.addresses import NoServers, Servers, given
from firstline.servers.kafka import KafkaServer, kafka_answers
from firstline.servers.kafka_distribution import find_kafka
from firstline.servers.lock import locked
from firstline.servers.postgres import Postgres, postgres_answers
from firstline.servers.postgres_binaries import find_postgres
from firstline.servers.process import end_tree

_ANSWER_WITHIN = 20.0


@dataclass(frozen=True, slots=True)
class _Stack:
    """What the state file says: the addresses, and which processes are behind them."""

    kafka_bootstrap: str
    kafka_pid: int
    database_url: str
    postgres_pid: int

    @property
    def servers(self) -> Servers:
        return Servers(kafka_bootstrap=self.kafka_bootstrap, database_url=self.database_url)

    @property
    def pids(self) -> tuple[int, int]:
        return (self.kafka_pid, self.postgres_pid)


@contextmanager
def shared(*, environ: Mapping[str, str] = os.environ) -> Iterator[Servers]:
    """Yield this user's servers: those that the environment names, those that run, or new ones.

    New ones are stopped once the block is left, and with them ends what other commands do on them;
    the data stay, below XDG_STATE_HOME. Raises `NoServers` where nothing can be started.
    """
    servers = given(environ)
    if servers is not None:
        yield servers
        return
    folder = state_folder(environ)
    with ExitStack() as owned:
        with locked(folder / "starting.lock"):
            stack = _start(folder, environ, owned) or _join(folder)
        yield stack.servers


def _start(folder: Path, environ: Mapping[str, str], owned: ExitStack) -> _Stack | None:
    """Start the servers and have `owned` stop them, or return `None` where they have an owner."""
    owner = (folder / "owner.lock").open("w")
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner.close()
        return None
    with ExitStack() as failed:
        failed.callback(owner.close)
        _end_leftovers(folder)
        binaries = find_postgres(environ)
        kafka = KafkaServer(folder / "kafka", distribution=find_kafka(environ), environ=environ)
        # Another major version cannot read the data, so that each has its own.
        postgres = Postgres(
            folder / f"postgres-{binaries.major}", binaries=binaries, environ=environ
        )
        failed.callback(kafka.kill)
        failed.callback(postgres.kill)
        kafka.launch()
        postgres.start()
        kafka.wait_until_it_answers()
        stack = _Stack(kafka.bootstrap, kafka.pid, postgres.database_url, postgres.pid)
        _write(folder, stack)
        failed.pop_all()
    owned.enter_context(_stopped_at_exit(folder, owner, kafka, postgres))
    return stack


@contextmanager
def _stopped_at_exit(
    folder: Path, owner: TextIO, kafka: KafkaServer, postgres: Postgres
) -> Iterator[None]:
    try:
        yield
    finally:
        with locked(folder / "starting.lock"):
            (folder / "state.json").unlink(missing_ok=True)
            kafka.stop()
            postgres.stop()
            owner.close()


def _join(folder: Path) -> _Stack:
    """Return the stack of a living owner; raises `NoServers` where it is there and is silent."""
    stack = _read(folder)
    if stack is None:
        message = f"The servers below {folder} have an owner but no address: end that command."
        raise NoServers(message)
    deadline = time.monotonic() + _ANSWER_WITHIN
    while not _answers(folder, stack):
        if time.monotonic() > deadline:
            message = (
                f"Another command runs Kafka and Postgres below {folder} as processes "
                f"{stack.kafka_pid} and {stack.postgres_pid}, and they do not answer: end them."
            )
            raise NoServers(message)
        time.sleep(0.1)
    return stack


def _answers(folder: Path, stack: _Stack) -> bool:
    return (
        all(_is_ours(folder, pid) for pid in stack.pids)
        and postgres_answers(stack.database_url)
        and kafka_answers(stack.kafka_bootstrap)
    )


def _end_leftovers(folder: Path) -> None:
    """End the servers of an owner that was killed, where the kernel did not do it."""
    stack = _read(folder)
    for pid in stack.pids if stack else ():
        if _is_ours(folder, pid):
            end_tree(pid)
    (folder / "state.json").unlink(missing_ok=True)


def _is_ours(folder: Path, pid: int) -> bool:
    """Say whether `pid` runs on our data, rather than being a number that was given out again."""
    try:
        return str(folder) in " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return False


def _read(folder: Path) -> _Stack | None:
    """Read the state file; one that a killed owner left unfinished counts as none."""
    try:
        return _Stack(**json.loads((folder / "state.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _write(folder: Path, stack: _Stack) -> None:
    file = folder / "state.json"
    file.touch(mode=0o600)  # it holds the password
    file.write_text(json.dumps(asdict(stack)))


def state_folder(environ: Mapping[str, str]) -> Path:
    """The folder of the whole stack: below XDG_STATE_HOME, or for root outside of any home.

    Postgres does not run as root, and its user could not reach what is in root's home.
    """
    root = os.geteuid() == 0
    if base := environ.get("XDG_STATE_HOME"):
        folder = Path(base).absolute() / "firstline"
    elif root:
        folder = Path("/var/lib/firstline")
    else:
        folder = Path.home() / ".local" / "state" / "firstline"
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755 if root else 0o700)
    return folder
