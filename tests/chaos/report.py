"""The figures of a run, in docs/guarantees.md, between two marks."""

import platform
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.figures import HEADING, Line, totals

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"
BEGIN = "<!-- written by make chaos REPORT=1 -->"
END = "<!-- up to here -->"


def write(lines: Sequence[Line], skipped: Sequence[str], seed: int, minutes: float) -> None:
    """Put the figures between the marks, in place of what stood there."""
    PAGE.write_text(with_report(PAGE.read_text(), lines, skipped, seed, minutes))


def with_report(
    text: str, lines: Sequence[Line], skipped: Sequence[str], seed: int, minutes: float
) -> str:
    """The page with these figures. Raises `ValueError` where a mark is missing."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        msg = f"{PAGE.name} lacks the marks {BEGIN} and {END}"
        raise ValueError(msg)
    python = platform.python_version()
    where = f"Seed {seed}, {minutes:.0f} minutes, Python {python}, all on one machine."
    said = [where, *(f"Not run: {one}." for one in skipped)]
    table = "\n".join(str(line) for line in (HEADING, *lines, totals(lines)))
    told = "\n".join(said)
    return f"{before}{BEGIN}\n\n{told}\n\n```text\n{table}\n```\n\n{END}{after}"
