"""Every figure has a target or a reason to have none, is explained, and is judged."""

import pytest

from benchmarks.report import AT_LEAST, AT_MOST, line
from tests.docs.reading import page, quoted, rows, section

NAMES = {*AT_LEAST, *AT_MOST, "statements_per_batch"}


def test_the_page_explains_every_figure() -> None:
    explained = rows(section(page("docs/performance.md"), "How to measure"))
    assert {name for what, _ in explained for name in quoted(what)} == NAMES


@pytest.mark.parametrize(
    ("name", "figure", "verdict"),
    [
        ("apply_vs_limit", 0.6, "≥ 0.6 met"),
        ("apply_vs_limit", 0.599, "≥ 0.6 MISSED"),
        ("latency_p50_ms", 15.0, "≤ 15 met"),
        ("latency_p50_ms", 15.1, "≤ 15 MISSED"),
        ("relay_vs_faststream_outbox", None, "≥ 3 MISSED"),
    ],
)
def test_a_missed_target_is_shown_as_missed(name: str, figure: float | None, verdict: str) -> None:
    assert verdict in line(name, figure, {})
