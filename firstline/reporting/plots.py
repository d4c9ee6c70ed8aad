"""The figures as pictures: each says in its title what was found, and below it of what.

Drawn without a display and without pyplot's global state. Names are drawn as they are: matplotlib
would take what stands between dollar signs for a formula.
"""

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from firstline.reporting import words
from firstline.reporting.figures import OUTCOMES, Figures, Share, Trend

_INK, _MUTED, _GRID = "#22303c", "#66727f", "#e3e7eb"
_COLOURS = {"resolved": "#2a8c82", "escalated": "#dd6b4d", "abandoned": "#a9b2bb"}
_FLOW = "#3d5a80"
_STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _MUTED,
    "axes.spines.left": False,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 11,
    "grid.color": _GRID,
    "legend.frameon": False,
    "text.color": _INK,
    "text.parse_math": False,
    "xtick.color": _MUTED,
    "xtick.major.size": 0,
    "ytick.color": _MUTED,
    "ytick.major.size": 0,
}
_INCHES, _DPI = (8.0, 4.5), 120
_MOST_CATEGORIES = 10
_FEW = 5  # sessions: a share of fewer is no finding
_PLAIN = 10  # from here on without a decimal
_UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "seconds"))


def draw(figures: Figures, folder: Path, today: date) -> list[Path]:
    """Write an account's pictures into a folder of its own; none where no session ended."""
    if not figures.weeks:
        return []
    into = folder / figures.account_id
    into.mkdir(parents=True, exist_ok=True)
    pictures: dict[str, Callable[[Figure], None]] = {
        "outcomes": lambda picture: _outcomes(picture, figures),
        "escalation-by-category": lambda picture: _categories(picture, figures),
        "time-to-outcome": lambda picture: _times(picture, figures),
        "rates": lambda picture: _rates(picture, figures, today),
    }
    for name, fill in pictures.items():
        with rc_context(_STYLE):
            picture = Figure(figsize=_INCHES, dpi=_DPI, facecolor="white")
            fill(picture)
            told = f"{words.short(figures.name)}, {figures.sessions:,} sessions ended"
            picture.text(0.03, 0.025, f"{told} {words.weeks(figures.weeks)}", color=_MUTED, size=9)
            picture.savefig(into / f"{name}.png")
    return [into / f"{name}.png" for name in pictures]


def _outcomes(picture: Figure, figures: Figures) -> None:
    """Weeks side by side as columns of their outcomes; a single week as bars."""
    _title(
        picture,
        f"First line resolved {words.rate(figures.first_level_resolution.total)} of sessions"
        " for good",
        "Sessions that ended, by outcome; for good: the ticket did not come back within 14 days",
    )
    axes = _axes(picture)
    if len(figures.weeks) == 1:
        counts = [figures.outcomes[outcome] for outcome in OUTCOMES]
        _bars(axes, OUTCOMES, counts, [_COLOURS[outcome] for outcome in OUTCOMES])
        _label_bars(axes, counts, [f"{count:,}" for count in counts])
        return
    below = [0] * len(figures.weeks)
    for outcome, counts in _by_week(figures).items():
        axes.bar(range(len(below)), counts, 0.72, below, color=_COLOURS[outcome], label=outcome)
        below = [under + count for under, count in zip(below, counts, strict=True)]
    _week_axis(axes, figures.weeks)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_ylabel("sessions a week")
    axes.grid(axis="y")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, handlelength=1)


def _categories(picture: Figure, figures: Figures) -> None:
    """The largest categories, the one that is escalated most on top."""
    largest = list(figures.by_category.items())[:_MOST_CATEGORIES]
    ranked = sorted(largest, key=lambda item: item[1].rate or 0, reverse=True)
    names = [words.category(name) for name, _ in ranked]
    shares = [share for _, share in ranked]
    _title(
        picture,
        _most_escalated(ranked, figures.escalation.total),
        "Share of the sessions of a category that were escalated; the line is the share of all",
    )
    axes = _axes(picture, left=0.24)
    _bars(axes, names, [100 * (share.rate or 0) for share in shares], [_COLOURS["escalated"]])
    _label_bars(
        axes,
        [100 * (share.rate or 0) for share in shares],
        [f"{words.rate(share)}  ({words.of(share)})" for share in shares],
    )
    all_of_them = 100 * (figures.escalation.total.rate or 0)
    axes.axvline(all_of_them, color=_MUTED, lw=1, ls=(0, (4, 3)), zorder=0.5)


def _most_escalated(ranked: Sequence[tuple[str | None, Share]], total: Share) -> str:
    for name, share in ranked:
        if share.whole >= _FEW and share.part and len(ranked) > 1:
            return f"Escalated most often: {words.category(name)}, {words.rate(share)} of sessions"
    return f"{words.rate(total)} of sessions were escalated"


def _times(picture: Figure, figures: Figures) -> None:
    """Median and ninth decile of each outcome."""
    paces = [
        (outcome, pace.median_seconds, pace.p90_seconds)
        for outcome in OUTCOMES
        if (pace := figures.paces.get(outcome))
        if pace.median_seconds is not None and pace.p90_seconds is not None
    ]
    longest = max((p90 for _, _, p90 in paces), default=0.0)
    per_unit, unit = next((one for one in _UNITS if longest >= 2 * one[0]), _UNITS[-1])
    _title(
        picture,
        _half_within(figures),
        "Time from start to outcome: what half of the sessions took at most, and nine of ten",
    )
    axes = _axes(picture)
    for place, (outcome, *ends) in enumerate(reversed(paces)):
        within = [end / per_unit for end in ends]
        axes.plot(within, [place, place], color=_COLOURS[outcome], lw=6, alpha=0.35)
        axes.plot(within, [place, place], "o", color=_COLOURS[outcome], ms=11)
        for end, above in zip(within, (14, -15), strict=True):
            axes.annotate(
                f"{end:.0f}" if end >= _PLAIN else f"{end:.1f}",
                (end, place),
                (0, above),
                textcoords="offset points",
                ha="center",
                va="center",
                size=10,
            )
    axes.set_xlabel(f"{unit}; above: half of the sessions, below: nine of ten", size=10)
    axes.set_yticks(range(len(paces)), [outcome for outcome, *_ in reversed(paces)], color=_INK)
    axes.set_ylim(-0.6, len(paces) - 0.3)
    axes.set_xlim(0, 1.08 * longest / per_unit or 1)
    axes.grid(axis="x")


def _half_within(figures: Figures) -> str:
    resolved = figures.paces.get("resolved")
    if resolved is None:
        return "No session was resolved"
    return f"Half of the resolved sessions took at most {words.span(resolved.median_seconds)}"


def _rates(picture: Figure, figures: Figures, today: date) -> None:
    """Four trends in four small pictures of one scale; a single week as bars."""
    trends = {
        "resolved at first level": (figures.first_level_resolution, _COLOURS["resolved"]),
        "walked a published flow": (figures.flow_hits, _FLOW),
        "reopened, of those resolved": (figures.reopening, _COLOURS["escalated"]),
        "abandoned": (figures.abandonment, "#7d8792"),
    }
    flow, back = figures.flow_hits.total, figures.reopening.total
    _title(
        picture,
        f"A flow led {words.rate(flow)} of sessions; {words.rate(back)} of those resolved reopened",
        "Share of the sessions that ended"
        + (", by week; dotted: more may reopen" if len(figures.weeks) > 1 else ""),
    )
    if len(figures.weeks) == 1:
        axes = _axes(picture, left=0.32)
        shares = [trend.total for trend, _ in trends.values()]
        lengths = [100 * (share.rate or 0) for share in shares]
        _bars(axes, list(trends), lengths, [colour for _, colour in trends.values()])
        _label_bars(
            axes, lengths, [f"{words.rate(share)}  ({words.of(share)})" for share in shares]
        )
        return
    open_weeks = words.unsettled(figures, today)
    for place, (name, (trend, colour)) in enumerate(trends.items()):
        axes = picture.add_axes((0.08 + 0.48 * (place % 2), 0.53 - 0.38 * (place // 2), 0.37, 0.23))
        axes.set_title(name, loc="left", size=10, color=_INK)
        may_move = open_weeks if name.startswith(("resolved", "reopened")) else 0
        _trend(axes, trend, figures.weeks, colour, may_move)


def _trend(axes: Axes, trend: Trend, weeks: Sequence[date], colour: str, may_move: int) -> None:
    """A line over the weeks that have sessions, dotted where it may still move."""
    points = [
        (place, 100 * share.rate)
        for place, share in enumerate(trend.weekly)
        if share.rate is not None
    ]
    settled = len(weeks) - may_move
    firm = [point for point in points if point[0] < settled]
    loose = [*firm[-1:], *points[len(firm) :]]
    axes.plot(*_xy(firm), color=colour, lw=2, marker="o" if len(points) <= _FEW else None, ms=4)
    if may_move:
        axes.plot(*_xy(loose), color=colour, lw=2, ls=(0, (1, 1.5)))
    for place, value in points[-1:]:
        axes.plot(place, value, "o", color=colour, ms=5)
        axes.annotate(
            f"{value:.0f} %",
            (place, value),
            (7, 0),
            textcoords="offset points",
            va="center",
            size=9,
        )
    axes.set_ylim(-4, 104)
    axes.set_yticks([0, 50, 100])
    axes.tick_params(labelsize=9)
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0, symbol=" %"))
    axes.grid(axis="y")
    _week_axis(axes, weeks, most=4)


def _xy(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _by_week(figures: Figures) -> dict[str, list[int]]:
    """Sessions by outcome and week; resolved are those that can reopen."""
    resolved = [share.whole for share in figures.reopening.weekly]
    abandoned = [share.part for share in figures.abandonment.weekly]
    ended = [share.whole for share in figures.abandonment.weekly]
    escalated = [
        every - one - other for every, one, other in zip(ended, resolved, abandoned, strict=True)
    ]
    return {"resolved": resolved, "escalated": escalated, "abandoned": abandoned}


def _title(picture: Figure, found: str, of_what: str) -> None:
    picture.text(0.03, 0.925, found, size=15, weight="bold")
    picture.text(0.03, 0.865, of_what, size=10.5, color=_MUTED)


def _axes(picture: Figure, *, left: float = 0.13) -> Axes:
    return picture.add_axes((left, 0.15, 0.95 - left, 0.62))


def _bars(
    axes: Axes, names: Sequence[str], lengths: Sequence[float], colours: Sequence[str]
) -> None:
    """Bars from top to bottom, with room for their labels; the numbers stand beside them."""
    axes.barh(range(len(names)), lengths, 0.62, color=colours)
    axes.set_yticks(range(len(names)), names, color=_INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.3 * (max(lengths) or 1))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _label_bars(axes: Axes, lengths: Sequence[float], labels: Sequence[str]) -> None:
    for place, (length, label) in enumerate(zip(lengths, labels, strict=True)):
        axes.annotate(
            label,
            (length, place),
            (6, 0),
            textcoords="offset points",
            va="center",
            size=10,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
        )


def _week_axis(axes: Axes, weeks: Sequence[date], most: int = 8) -> None:
    """Name some of the weeks by their Mondays."""
    every = -(-len(weeks) // most)
    places = range(0, len(weeks), every)
    axes.set_xticks(places, [f"{weeks[place].day} {weeks[place]:%b}" for place in places])
    axes.set_xlim(-0.6, len(weeks) - 0.4)
