"""Servers of a test, a demonstration or a benchmark come up fresh and leave nothing behind."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from firstline.servers import Servers, containers
from firstline.servers.kafka import kafka_answers
from firstline.servers.ladder import fresh_folder, local
from firstline.servers.postgres import postgres_answers

HOLDER = """
import os, sys, time
from firstline.servers.ladder import local
with local(os.environ, {}, {}) as servers:
    print("up", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder for temporary ones of the test's own: other runs make theirs meanwhile."""
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))


def folders() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("firstline-servers-*"))


def server_processes(of: int) -> dict[psutil.Process, str]:
    """The servers among the process's descendants, and their names; some come and go."""
    names = {}
    for child in psutil.Process(of).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            names[child] = child.name()
    return {child: name for child, name in names.items() if name in {"java", "postgres"}}


def answer(servers: Servers) -> bool:
    return kafka_answers(servers.kafka_bootstrap) and postgres_answers(servers.database_url)


def test_servers_answer_within_the_block_and_leave_no_process_and_no_folder(
    environ: dict[str, str],
) -> None:
    before = set(server_processes(os.getpid()))  # those of the whole run

    with contextlib.suppress(KeyboardInterrupt), local(environ, {}, {}) as servers:
        assert answer(servers)
        names = server_processes(os.getpid())
        processes = set(names) - before
        (mine,) = folders()
        assert {names[process] for process in processes} == {"java", "postgres"}
        raise KeyboardInterrupt

    assert not any(is_alive(process) for process in processes)
    assert not mine.exists()
    assert not answer(servers)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_servers_die_with_a_killed_parent_and_the_next_start_deletes_their_folder(
    environ: dict[str, str],
) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, env=environ)
    assert holder.stdout is not None
    with holder.stdout as output:
        assert output.readline() == b"up\n"
    processes = server_processes(holder.pid)
    assert processes
    (left,) = folders()

    holder.send_signal(signal.SIGKILL)
    holder.wait()

    deadline = time.monotonic() + 10
    while any(map(is_alive, processes)):
        assert time.monotonic() < deadline, "a server outlived the process that started it"
        time.sleep(0.01)
    assert left.exists()
    with fresh_folder():
        assert not left.exists()


def test_a_folder_in_use_is_not_deleted_by_the_next_start() -> None:
    with fresh_folder() as first, fresh_folder() as second:
        assert first.exists()
        assert second.exists()


def test_containers_answer_within_the_block_and_not_after(environ: dict[str, str]) -> None:
    if not containers.engine_answers(environ):
        pytest.skip("NOT TESTED: no Docker engine answers on this machine")

    with containers.run({}, {}) as servers:
        assert answer(servers)

    assert not answer(servers)


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
