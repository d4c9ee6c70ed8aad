"""Commands of one user share one Kafka and one Postgres, which remember between them."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import psutil
import pytest

from firstline.servers import Servers, shared

OWNER = """
import dataclasses, json, sys
from firstline.servers import shared
with shared() as servers:
    print(json.dumps(dataclasses.asdict(servers)), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def environ(environ: dict[str, str], folder: Path) -> dict[str, str]:
    return environ | {"XDG_STATE_HOME": str(folder)}


@contextmanager
def another_process(environ: dict[str, str]) -> Iterator[tuple["subprocess.Popen[str]", Servers]]:
    """A process that holds the shared servers until it is killed, or the block is left."""
    with subprocess.Popen(
        [sys.executable, "-c", OWNER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
    ) as process:
        assert process.stdout is not None
        yield process, Servers(**json.loads(process.stdout.readline()))


def query(servers: Servers, sql: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(servers.database_url)
        try:
            return await connection.fetchval(sql)
        finally:
            await connection.close()

    return asyncio.run(ask())


def recorded_pids(folder: Path) -> set[int]:
    state = json.loads((folder / "firstline" / "state.json").read_text())
    return {state["kafka_pid"], state["postgres_pid"]}


def test_a_second_process_joins_and_the_data_outlive_both_even_a_killed_owner(
    environ: dict[str, str], folder: Path
) -> None:
    with another_process(environ) as (owner, theirs):
        pids = recorded_pids(folder)
        assert (folder / "firstline" / "state.json").stat().st_mode & 0o077 == 0, "has a password"
        with shared(environ=environ) as ours:
            assert ours == theirs
            assert recorded_pids(folder) == pids
            query(ours, "create table noted (word text)")
            query(ours, "insert into noted values ('kept')")
        assert all(map(psutil.pid_exists, pids)), "one that joined has stopped the servers"
        owner.kill()

    with shared(environ=environ) as again:
        assert not recorded_pids(folder) & pids
        assert query(again, "select word from noted") == "kept"
    assert not (folder / "firstline" / "state.json").exists()
