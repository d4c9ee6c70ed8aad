"""What libraries log is let through, and what they repeat is not."""

import logging
from collections import Counter

from firstline.logs import Repetitions


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
