"""What befalls the machine: its disk is slow or full, its clock is wrong."""

import errno
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg

from tests.chaos.fault import Fault
from tests.chaos.scene import Scene

_SLOW_SECONDS = 15
_CLOCK_SECONDS = 5
_SPARE_MIB = 64
"""What a small disk has room for beyond what is on it: enough for the fault, and soon filled up."""
_DELAY_US = 150_000


def slow_disk(scene: Scene) -> int:
    """Have each flush of Postgres take a sixth of a second longer."""
    server = psutil.Process(scene.postgres.pid)
    pids = [server.pid, *(child.pid for child in server.children(recursive=True))]
    tracing = subprocess.Popen(
        [
            *(_tool("strace"), "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync,fdatasync"),
            *("-e", f"inject=fsync,fdatasync:delay_enter={_DELAY_US}"),
            *(word for pid in pids for word in ("-p", str(pid))),
        ],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        scene.until(lambda: _seconds_of_a_commit(scene) > _DELAY_US / 1e6, "commits are quick")
        time.sleep(_SLOW_SECONDS)
    finally:
        tracing.terminate()
        tracing.wait()
    return 1


def _seconds_of_a_commit(scene: Scene) -> float:
    with scene.database() as connection:
        begun = time.monotonic()
        connection.execute("select pg_logical_emit_message(true, 'chaos', '')")
        return time.monotonic() - begun


def cannot_slow_disks() -> str:
    if shutil.which("strace") is None:
        return "strace is missing"
    tried = subprocess.run(
        [_tool("strace"), *("-qq", "-o", "/dev/null", "-e", "inject=fsync:delay_enter=1", "true")],
        capture_output=True,
        check=False,
    )
    return "" if tried.returncode == 0 else "strace may not trace here"


def full_disk(scene: Scene) -> int:
    """Have the disk that the outbox and the walks are on run full, and be cleared again."""
    with _tables_on_small_disk(scene) as disk:
        before = scene.log_lines("53100")
        with _full(disk):
            scene.until(lambda: scene.log_lines("53100") > before, "the disk is not full")
            time.sleep(3)
        scene.until_answered()
    return 1


_ON_SMALL_DISK = ["outbox", "walk_steps", "inbox"]


@contextmanager
def _tables_on_small_disk(scene: Scene) -> Iterator[Path]:
    """A disk with a few MiB to spare, with tables that every batch writes on it for a while."""
    disk = scene.installation.folder.parent / "small"
    disk.mkdir()
    with scene.database() as connection, _mounted(disk, _mib_of_tables(connection) + _SPARE_MIB):
        place = disk / "tables"
        place.mkdir()
        owner = (scene.postgres.folder / "data").stat()
        os.chown(place, owner.st_uid, owner.st_gid)
        connection.execute(f"create tablespace small location '{place}'")
        _move_tables(connection, "small")
        try:
            yield disk
        finally:
            _move_tables(connection, "pg_default")
            connection.execute("drop tablespace small")


def _mib_of_tables(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "select sum(pg_table_size(one))::bigint from unnest(%s::regclass[]) as one",
        [_ON_SMALL_DISK],
    ).fetchone()
    assert row is not None
    return int(row[0]) // 2**20


def _move_tables(connection: psycopg.Connection, tablespace: str) -> None:
    for table in _ON_SMALL_DISK:
        connection.execute(f"alter table {table} set tablespace {tablespace}")


def full_disk_of_kafka(scene: Scene) -> int:
    """Have the disk of Kafka's log run full, which ends the broker; clear it, and start Kafka."""
    with _log_on_small_disk(scene) as disk:
        broker = psutil.Process(scene.kafka.pid)
        with _full(disk):
            scene.until(lambda: broker.status() == psutil.STATUS_ZOMBIE, "the broker lives")
            time.sleep(3)
        scene.kafka.start()
        scene.until_answered()
    return 1


@contextmanager
def _log_on_small_disk(scene: Scene) -> Iterator[Path]:
    """A disk with a few MiB to spare, with Kafka's log on it until the block ends."""
    log = scene.kafka.folder / "log"
    elsewhere = log.with_name("elsewhere")
    scene.kafka.stop()
    log.rename(elsewhere)
    log.mkdir()
    try:
        with _mounted(log, _mib(elsewhere) + _SPARE_MIB):
            shutil.copytree(elsewhere, log, dirs_exist_ok=True)
            shutil.rmtree(elsewhere)
            try:
                scene.kafka.start()
                yield log
            finally:
                scene.kafka.stop()
                shutil.copytree(log, elsewhere)
    finally:
        log.rmdir()
        elsewhere.rename(log)
        scene.kafka.start()


def _mib(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*")) // 2**20


@contextmanager
def _mounted(place: Path, mib: int) -> Iterator[None]:
    """A disk in memory."""
    subprocess.run(
        [_tool("mount"), *("-t", "tmpfs", "-o", f"size={mib}m", "tmpfs"), place], check=True
    )
    try:
        yield
    finally:
        subprocess.run([_tool("umount"), "--lazy", place], check=True)


@contextmanager
def _full(disk: Path) -> Iterator[None]:
    """Have a disk take no more."""
    ballast = disk / "ballast"
    try:
        with ballast.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(2**20))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
    try:
        yield
    finally:
        ballast.unlink()


def cannot_fill_disks() -> str:
    if os.geteuid() != 0:
        return "only root can mount a small disk"
    if not all(map(shutil.which, ("unshare", "mount", "umount"))):
        return "unshare, mount or umount is missing"
    allowed = subprocess.run(
        [_tool("unshare"), "--mount", _tool("mount"), *("-t", "tmpfs", "tmpfs", "/mnt")],
        capture_output=True,
        check=False,
    )
    return "" if allowed.returncode == 0 else "mounting is not allowed here"


def _tool(name: str) -> str:
    """Where a program of this machine is. Raises `FileNotFoundError`."""
    path = shutil.which(name)
    if path is None:
        raise FileNotFoundError(name)
    return path


def clocks_off(scene: Scene) -> int:
    """Have workers whose clocks are an hour off, either way, one after the other."""
    for change in ("hour-ahead", "hour-behind", "hour-ahead"):
        scene.replace_worker("", change).wait_until_ready()
        time.sleep(_CLOCK_SECONDS)
    scene.replace_worker()
    return 3


FAULTS = (
    Fault("disk slow under Postgres", slow_disk, cannot_slow_disks),
    Fault("disk full under Postgres", full_disk, cannot_fill_disks),
    Fault("disk full under Kafka", full_disk_of_kafka, cannot_fill_disks),
    Fault("clocks an hour off", clocks_off),
)
