"""Kafka and Postgres by a ladder: those that are given, those of Docker, those of this machine."""

import fcntl
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

from firstline.servers.addresses import NoServers, Servers, given
from firstline.servers.kafka import KafkaServer
from firstline.servers.kafka_distribution import find_kafka
from firstline.servers.postgres import Postgres
from firstline.servers.postgres_binaries import find_postgres

_log = logging.getLogger(__name__)
_PREFIX = "firstline-servers-"
_NONE: Mapping[str, str] = MappingProxyType({})


@contextmanager
def ephemeral(
    *,
    environ: Mapping[str, str] = os.environ,
    kafka_settings: Mapping[str, str] = _NONE,
    postgres_settings: Mapping[str, str] = _NONE,
) -> Iterator[Servers]:
    """Yield servers that are gone, with all they held, once the block is left.

    Where the environment names servers, those are yielded and left alone, and the settings do not
    apply. Otherwise Docker's are started where an engine answers, and this machine's where none
    does; `kafka_settings` are broker properties, `postgres_settings` lines of postgresql.conf.
    Raises `NoServers` where nothing can be started. Blocks for the seconds that a start takes.
    """
    with ExitStack() as stack:
        servers = given(environ)
        if servers is None:
            servers = _in_containers(stack, environ, kafka_settings, postgres_settings)
        if servers is None:
            servers = stack.enter_context(local(environ, kafka_settings, postgres_settings))
        yield servers


def _in_containers(
    stack: ExitStack,
    environ: Mapping[str, str],
    kafka_settings: Mapping[str, str],
    postgres_settings: Mapping[str, str],
) -> Servers | None:
    """Docker's, where an engine answers and starts them."""
    # Here, because Docker's client takes long, and servers that are named need none.
    from firstline.servers import containers  # noqa: PLC0415

    if not containers.engine_answers(environ):
        return None
    try:
        return stack.enter_context(containers.run(kafka_settings, postgres_settings))
    except NoServers as failure:
        _log.warning("%s Servers of this machine are started instead.", failure)
        return None


@contextmanager
def local(
    environ: Mapping[str, str],
    kafka_settings: Mapping[str, str],
    postgres_settings: Mapping[str, str],
) -> Iterator[Servers]:
    """Yield servers of this machine, in a fresh folder that is deleted afterwards."""
    binaries = find_postgres(environ)
    distribution = find_kafka(environ)
    with ExitStack() as stack:
        folder = stack.enter_context(fresh_folder())
        kafka = KafkaServer(
            folder / "kafka", distribution=distribution, settings=kafka_settings, environ=environ
        )
        postgres = Postgres(
            folder / "postgres", binaries=binaries, settings=postgres_settings, environ=environ
        )
        # Killed rather than stopped: nobody will read what they would write.
        stack.callback(postgres.kill)
        stack.callback(kafka.kill)
        kafka.launch()
        postgres.start()
        kafka.wait_until_it_answers()
        yield Servers(kafka.bootstrap, postgres.database_url)


@contextmanager
def fresh_folder() -> Iterator[Path]:
    """Yield a new folder that other users may enter, and delete it afterwards.

    Folders whose maker was killed are deleted first: it no longer holds their lock.
    """
    base = Path(tempfile.gettempdir())
    for left in base.glob(f"{_PREFIX}*"):
        _delete_if_left(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    folder.chmod(0o755)
    # Locked before it has its name, so that nobody finds it unlocked.
    unnamed = folder / "lock.unlocked"
    with unnamed.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unnamed.rename(folder / "lock")
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _delete_if_left(folder: Path) -> None:
    try:
        with (folder / "lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return  # somebody uses it, or is making it, or it is not ours
