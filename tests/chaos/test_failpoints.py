"""Failpoints are where they are said to be, and cost nothing where nothing is armed."""

import asyncio
import re
import signal
import subprocess
import sys
import timeit
from pathlib import Path

import asyncpg
import pytest

from storage import failpoints
from storage.failpoints import POINTS, Injected, arm, reach, reach_at_first, reach_once_sent

_ROOT = Path(__file__).parents[2]
_ROOMS = ("consumers", "producers", "storage")
_MOST_NANOSECONDS = 100


@pytest.fixture(autouse=True)
def _disarmed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failpoints, "_armed", {})


def test_each_point_is_at_one_place_in_the_program() -> None:
    sources = [file.read_text() for room in _ROOMS for file in (_ROOT / room).glob("*.py")]
    named = re.findall(r'reach(?:_once_sent|_at_first)?\(\s*"([^"]+)"', "\n".join(sources))
    assert sorted(named) == sorted(POINTS)


def test_a_point_that_is_not_armed_is_free() -> None:
    """The best of many, as anything else measures the machine."""
    passing = timeit.Timer('reach("apply: saved")', globals={"reach": reach})
    best = min(passing.repeat(number=20_000, repeat=20)) / 20_000
    assert best * 1e9 < _MOST_NANOSECONDS


def test_rows_are_handed_on_as_they_are_where_nothing_is_armed() -> None:
    rows = [1, 2]
    assert reach_at_first("apply: in copy", rows) is rows


def test_a_point_acts_at_the_hit_it_is_armed_for_and_at_no_other() -> None:
    arm("apply: saved=error@2")
    reach("apply: saved")
    reach("apply: staged")
    with pytest.raises(Injected):
        reach("apply: saved")
    reach("apply: saved")


def test_a_point_in_copy_is_reached_when_the_first_row_is_asked_for() -> None:
    arm("apply: in copy=error")
    rows = iter(reach_at_first("apply: in copy", [1, 2]))
    with pytest.raises(Injected):
        next(rows)


def test_nothing_is_reached_after_sending_where_nothing_is_armed() -> None:
    """Else it would ask for the event loop, and here is none."""
    reach_once_sent("apply: commit sent")
    arm("apply: commit sent=error")
    with pytest.raises(RuntimeError, match="no running event loop"):
        reach_once_sent("apply: commit sent")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("apply: slept=kill", "there is no point 'apply: slept'"),
        ("apply: saved=sleep", "'sleep' is none of"),
        ("apply: saved", "'' is none of"),
    ],
)
def test_what_cannot_be_armed_is_said(text: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        arm(text)


@pytest.mark.parametrize(("action", "code"), [("kill", -signal.SIGKILL), ("pause:0", 0)])
def test_a_process_is_armed_by_its_environment(action: str, code: int) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _SAVING],
        env={"PYTHONPATH": str(_ROOT), "FIRSTLINE_FAILPOINTS": f"apply: saved={action}"},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == code
    assert b"failpoint reached" in ended.stdout + ended.stderr


async def test_a_commit_that_was_sent_stands_although_nobody_heard_of_it(database_url: str) -> None:
    """On the event loop of production, which writes at the end of each round."""
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", _COMMITTING, database_url],
        env={"PYTHONPATH": str(_ROOT)},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    connection = await asyncpg.connect(database_url)
    async with asyncio.timeout(10):
        while await connection.fetchval("select to_regclass('committed')") is None:
            pass
    await connection.close()


_COMMITTING = """
import sys
import uvloop
from storage.database import begin, connect
from storage.failpoints import arm, reach_once_sent

async def commit():
    arm("apply: commit sent=kill")
    async with begin(connect(sys.argv[1])) as tx:
        await tx.execute("create table committed ()")
        reach_once_sent("apply: commit sent")

uvloop.run(commit())
"""

_SAVING = """
import os
from storage import failpoints
failpoints.arm(os.environ[failpoints.VARIABLE])
failpoints.reach("apply: saved")
"""
