"""The figures that are told are those that were measured last, all of them and in full."""

import json
import re
from typing import Any

import pytest

from benchmarks.plots import PLOTS
from benchmarks.report import AT_LEAST, AT_MOST, LATEST, NAMES, line, shown, with_figures
from tests.docs.reading import page, quoted, rows, section

PERFORMANCE = page("docs/performance.md")
COMPARED = list(rows(section(PERFORMANCE, "How to measure")))
TOLD = list(rows(section(PERFORMANCE, "What was measured last")))


@pytest.fixture(scope="module")
def latest() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(LATEST.read_text())
    return content


def test_the_file_has_every_figure_and_what_is_behind_it(latest: dict[str, Any]) -> None:
    assert set(latest) == {*NAMES, "raw", "quick", "date", "machine", "versions"}
    measured = {name for name in NAMES if latest[name] is not None}
    assert measured == {name for name in NAMES if latest["raw"].get(name)}


def test_the_page_explains_every_figure() -> None:
    assert {name for what, _ in COMPARED for name in quoted(what)} == set(NAMES)


def test_the_page_tells_every_figure_and_those_of_the_last_full_run(latest: dict[str, Any]) -> None:
    told = {quoted(name)[0]: figure for name, figure, _ in TOLD}
    assert set(told) == set(NAMES)
    assert latest["quick"] or told == {name: shown(latest[name]) for name in NAMES}


def test_the_front_page_tells_what_was_measured(latest: dict[str, Any]) -> None:
    """By and large: it is not written anew with each run."""
    told = section(page("README.md"), "How fast it is")
    for name, pattern in {
        "apply_vs_naive": r"committed: (\d+) times",
        "apply_vs_procrastinate": r"and (\d+) times what a queue of jobs",
        "relay_vs_faststream_outbox": r"exactly once, (\d+)\s+times",
    }.items():
        (figure,) = re.findall(pattern, told)
        assert float(figure) == pytest.approx(latest[name], rel=0.2)
    commands, messages = (
        float(figure.replace(",", ""))
        for figure in re.findall(r"about ([\d,]+) (?:commands|messages) a second", told)
    )
    raw = latest["raw"]
    assert commands == pytest.approx(raw["apply_vs_limit"]["commands_per_second"], rel=0.2)
    assert messages == pytest.approx(raw["relay_vs_producer"]["messages_per_second"], rel=0.2)


def test_the_figures_of_a_run_replace_those_before(latest: dict[str, Any]) -> None:
    new = {**latest, "latency_p50_ms": 12.3, "apply_vs_limit": None}
    once = with_figures(PERFORMANCE, new)
    assert "| `latency_p50_ms` | 12.3 | ≤ 15 met |" in once
    assert "| `apply_vs_limit` | none | ≥ 0.6 MISSED |" in once
    assert with_figures(once, new) == once
    with pytest.raises(ValueError, match="lacks the marks"):
        with_figures("# Performance\n", new)


def test_what_pictures_are_drawn_of_is_in_the_file(latest: dict[str, Any]) -> None:
    assert latest["quick"] or all(
        latest["raw"][measure][plot.of] for plot in PLOTS for measure in plot.lines
    )


def test_the_pictures_are_on_the_page() -> None:
    drawn = {picture.name for picture in (LATEST.parents[1] / "docs" / "pictures").glob("*.png")}
    assert drawn == set(re.findall(r"\(pictures/([^)]+)\)", PERFORMANCE))


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


def test_no_figure_has_two_targets() -> None:
    assert not AT_LEAST.keys() & AT_MOST.keys()
