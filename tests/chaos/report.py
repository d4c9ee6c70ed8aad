"""The figures of a run, in docs/guarantees.md, between two marks."""

import platform
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.figures import HEADING, Line, totals

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"
# Where the figures of each list of faults begin; a run replaces those of its own list alone.
FULL = "<!-- written by make chaos REPORT=1 -->"
LONG = "<!-- written by make chaos LONG=1 REPORT=1 -->"
END = "<!-- up to here -->"


def write(part: str, run: str, lines: Sequence[Line], skipped: Sequence[str]) -> None:
    """Put the figures of a run, which is named first, in place of those on the page."""
    PAGE.write_text(with_report(PAGE.read_text(), part, run, lines, skipped))


def with_report(
    text: str, part: str, run: str, lines: Sequence[Line], skipped: Sequence[str]
) -> str:
    """The page with these figures in that part. Raises `ValueError` where a mark is missing."""
    where = f"{run}, on Python {platform.python_version()}; all on one machine."
    said = "\n".join([where, *(f"Not run: {one}." for one in skipped)])
    table = "\n".join(str(line) for line in (HEADING, *lines, totals(lines)))
    before, _, after = _split(text, part)
    return f"{before}{part}\n\n{said}\n\n```text\n{table}\n```\n\n{END}{after}"


def told(text: str, part: str) -> str:
    """What a page says in a part. Raises `ValueError` where a mark is missing."""
    return _split(text, part)[1]


def _split(text: str, part: str) -> tuple[str, str, str]:
    """The page before the part's first mark, in the part, and after its last mark."""
    before, _, rest = text.partition(part)
    within, end, after = rest.partition(END)
    if not end:
        msg = f"{PAGE.name} lacks the marks {part} and {END}"
        raise ValueError(msg)
    return before, within, after
