"""The figures as tables; on a terminal with bars and trends, in a pipe without."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from pydantic_core import to_jsonable_python
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from firstline.looking.inert import inert
from firstline.reporting import words
from firstline.reporting.figures import OUTCOMES, Figures, Share, Trend

_BAR = 14
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"
_MOST_WEEKS = 26
_BESIDE_TREND = 72
_MOST_CATEGORIES = 12
_COLOURS = {"good": "cyan", "bad": "yellow"}


def show(console: Console, figures: Figures, today: date) -> None:
    """Print an account's figures."""
    console.print(Text(inert(figures.name), "bold"))
    if not figures.weeks:
        console.print("No session has ended.\n")
        return
    console.print(
        f"{figures.sessions:,} sessions ended {words.weeks(figures.weeks)}.\n", highlight=False
    )
    plots = console.is_terminal
    weeks = min(_MOST_WEEKS, console.width - _BESIDE_TREND) if plots else 0
    for table in (
        _shares(figures, weeks, plots=plots),
        _categories(figures, plots=plots),
        _paces(figures),
    ):
        console.print(table)
        console.print()
    if words.unsettled(figures, today):
        console.print(
            "Tickets that come back within 14 days count: of the latest weeks, more may.\n",
            highlight=False,
        )


def as_json(figures: Figures) -> str:
    """One account as one line; a rate is a number from 0 to 1, or null."""
    told = {
        "account_id": figures.account_id,
        "name": figures.name,
        "weeks": figures.weeks,
        "sessions": figures.sessions,
        "outcomes": figures.outcomes,
        **{
            name: {**_share(trend.total), "weekly": [_share(share) for share in trend.weekly]}
            for name, trend in _trends(figures)
        },
        "escalation_by_category": [
            {"category": category, **_share(share)}
            for category, share in figures.by_category.items()
        ],
        "to_outcome": {outcome: asdict(pace) for outcome, pace in figures.paces.items()},
    }
    return inert(json.dumps(to_jsonable_python(told), ensure_ascii=False))


def sparkline(rates: Iterable[float | None]) -> str:
    """A column a week, from nothing at all to everything; a blank where nothing is known."""
    top = len(_HEIGHTS) - 1
    return "".join(" " if rate is None else _HEIGHTS[round(rate * top)] for rate in rates)


def bar(rate: float | None) -> str:
    """A bar as long as the rate is high, to an eighth of a character."""
    eighths = round((rate or 0) * _BAR * 8)
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _trends(figures: Figures) -> list[tuple[str, Trend]]:
    names = ("first_level_resolution", "escalation", "abandonment", "reopening", "flow_hits")
    return [(name, getattr(figures, name)) for name in names]


def _share(share: Share) -> dict[str, Any]:
    return {"part": share.part, "whole": share.whole, "rate": share.rate}


def _shares(figures: Figures, weeks: int, *, plots: bool) -> Table:
    table = _table("Of the sessions that ended", "", ["share", "sessions"])
    trends = min(weeks, len(figures.weeks)) > 1
    if plots:
        table.add_column("", width=_BAR)
    if trends:
        table.add_column("by week", no_wrap=True)
    for name, trend, sense in (
        ("resolved at first level", figures.first_level_resolution, "good"),
        ("escalated", figures.escalation, "bad"),
        ("abandoned", figures.abandonment, "bad"),
        ("reopened, of those resolved", figures.reopening, "bad"),
        ("walked a published flow", figures.flow_hits, "good"),
    ):
        cells = [Text(name), Text(words.rate(trend.total)), Text(words.of(trend.total))]
        if plots:
            cells.append(Text(bar(trend.total.rate), _COLOURS[sense]))
        if trends:
            weekly = [share.rate for share in trend.weekly[-weeks:]]
            cells.append(Text(sparkline(weekly), _COLOURS[sense]))
        table.add_row(*cells)
    return table


def _categories(figures: Figures, *, plots: bool) -> Table:
    table = _table("Escalated, by category", "category", ["share", "sessions"])
    if plots:
        table.add_column("", width=_BAR)
    shown = list(figures.by_category.items())
    rest = sum((share for _, share in shown[_MOST_CATEGORIES:]), Share())
    rows = [(words.category(name), share) for name, share in shown[:_MOST_CATEGORIES]]
    for name, share in [*rows, *([("all others", rest)] if rest.whole else [])]:
        drawn = [Text(bar(share.rate), _COLOURS["bad"])] if plots else []
        table.add_row(Text(name), words.rate(share), words.of(share), *drawn)
    return table


def _paces(figures: Figures) -> Table:
    table = _table(
        "From start to outcome",
        "outcome",
        ["sessions", "half within", "nine of ten", "half within", "nine of ten"],
    )
    for outcome in OUTCOMES:
        pace = figures.paces.get(outcome)
        if pace is not None:
            table.add_row(
                outcome,
                f"{pace.sessions:,}",
                words.span(pace.median_seconds),
                words.span(pace.p90_seconds),
                _steps(pace.median_steps),
                _steps(pace.p90_steps),
            )
    return table


def _steps(number: float | None) -> str:
    shown = words.count(number)
    return shown if shown == words.NONE else f"{shown} steps"


def _table(title: str, first: str, counts: Sequence[str]) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="",
        box=box.HORIZONTALS,
        show_edge=False,
        pad_edge=False,
    )
    table.add_column(first, no_wrap=True)
    for column in counts:
        table.add_column(column, justify="right", no_wrap=True)
    return table
