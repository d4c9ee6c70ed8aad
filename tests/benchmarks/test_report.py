"""The figures that are told are those that were measured last, all of them and in full."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report import AT_LEAST, AT_MOST, LATEST, line, shown
from tests.docs.reading import page, quoted, rows, section

NAMES = {*AT_LEAST, *AT_MOST, "statements_per_batch"}
PERFORMANCE = page("docs/performance.md")
COMPARED = list(rows(section(PERFORMANCE, "How to measure")))
TOLD = list(rows(section(PERFORMANCE, "What was measured last")))


@pytest.fixture(scope="module")
def latest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(LATEST.read_text())
    return content


def test_the_file_has_every_figure_and_what_is_behind_it(latest: dict[str, Any]) -> None:
    assert set(latest) == {*NAMES, "raw", "quick", "date", "machine", "versions"}
    assert set(latest["raw"]) >= NAMES
    assert all(latest["raw"][name] for name in NAMES)


def test_the_file_is_of_a_full_run(latest: dict[str, Any]) -> None:
    assert latest["quick"] is False


def test_the_page_explains_every_figure() -> None:
    assert {name for what, _ in COMPARED for name in quoted(what)} == NAMES


def test_the_page_tells_what_the_file_says(latest: dict[str, Any]) -> None:
    told = {quoted(name)[0]: figure for name, figure, *_ in TOLD}
    assert told == {name: shown(latest[name]) for name in NAMES}


def test_the_pictures_of_the_page_are_there() -> None:
    pictures = Path(LATEST.parents[1] / "docs" / "pictures")
    drawn = {picture.name for picture in pictures.iterdir()}
    assert drawn == {name for name in drawn if f"(pictures/{name})" in PERFORMANCE}
    assert len(drawn) == 2


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
