"""The figures of a run, in docs/guarantees.md, between two marks."""

import platform
from collections.abc import Sequence
from pathlib import Path

from tests.chaos.figures import HEADING, Line, totals

PAGE = Path(__file__).parents[2] / "docs" / "guarantees.md"
BEGIN = "<!-- written by make chaos REPORT=1 -->"
END = "<!-- up to here -->"


def write(run: str, lines: Sequence[Line], skipped: Sequence[str]) -> None:
    """Put the figures of a run, which is named first, in place of those on the page."""
    PAGE.write_text(with_report(PAGE.read_text(), run, lines, skipped))


def with_report(text: str, run: str, lines: Sequence[Line], skipped: Sequence[str]) -> str:
    """The page with these figures. Raises `ValueError` where a mark is missing."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        msg = f"{PAGE.name} lacks the marks {BEGIN} and {END}"
        raise ValueError(msg)
    where = f"{run}, on Python {platform.python_version()}; all on one machine."
    said = "\n".join([where, *(f"Not run: {one}." for one in skipped)])
    table = "\n".join(str(line) for line in (HEADING, *lines, totals(lines)))
    return f"{before}{BEGIN}\n\n{said}\n\n```text\n{table}\n```\n\n{END}{after}"
