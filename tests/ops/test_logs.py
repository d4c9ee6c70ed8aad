"""What libraries log is let through, and what they repeat is not."""

import logging
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from firstline.logs import Repetitions, _Unbroken


def test_what_a_library_repeats_comes_once_in_ten_seconds() -> None:
    now = 0.0
    repetitions = Repetitions(lambda: now)
    lines = [logging.makeLogRecord({"msg": "no way to %s", "args": (node,)}) for node in "12"]
    passed = Counter[float]()
    for tenth in range(250):
        now = tenth / 10
        passed[now] += sum(map(repetitions.filter, lines))
    assert +passed == {0.0: 2, 10.0: 2, 20.0: 2}


def test_lines_that_were_not_repeated_are_forgotten() -> None:
    now = 0.0
    repetitions = Repetitions(lambda: now)
    for second in range(1_000):
        now = float(second)
        assert repetitions.filter(logging.makeLogRecord({"msg": f"line {second}"}))
    assert len(repetitions._said) <= 11


def test_a_full_disk_behind_the_log_is_nobody_s_error() -> None:
    stream = Path("/dev/full").open("w", encoding="utf-8", buffering=1)  # noqa: SIM115
    log = _Unbroken(stream)
    log.write("a line\n")
    log.flush()
    with pytest.raises(OSError, match="No space left"):
        stream.close()


def test_whoever_waits_for_a_worker_may_be_gone() -> None:
    """And the end of the process says nothing of it."""
    code = "from firstline.lifetime import tell_ready; tell_ready()"
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, check=False
        )
    assert (ended.returncode, ended.stderr) == (0, b"")
