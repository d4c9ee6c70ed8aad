"""What the figures look like, as pictures for the docs."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.measures import Results

_FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
_INK, _PALE = "#24292f", "#d0d7de"
# The color of each line, and how far above it its figures stand.
_STYLES = (("#0969da", 9), ("#bf8700", -17))

mpl.rcParams |= {
    "font.size": 11,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


class Plot(NamedTuple):
    """A picture: what is measured in a ``unit``, over numbers, a line for each measure.

    ``lines`` names each line by its measure, whose raw figures are ``of``.
    """

    name: str
    title: str
    of: str
    lines: Mapping[str, str]
    across: str
    unit: str = "commands a second"


PLOTS = (
    Plot(
        "throughput-by-batch-size",
        "One worker, by the most records of a batch",
        "commands_per_second_by_batch_records",
        {"batch_sizes": ""},
        "FIRSTLINE_BATCH_RECORDS",
    ),
    Plot(
        "throughput-by-stored-sessions",
        "One worker, by what is stored already",
        "commands_per_second_by_stored_sessions",
        {"growth_stored": ""},
        "stored sessions, each with ten rows in the inbox",
    ),
    Plot(
        "wait-by-offered-rate",
        "How long a sender waits for the answer, by how much is sent",
        "milliseconds_by_offered_per_second",
        {"latency_p99_ms": "99 of a hundred", "latency_p50_ms": "median"},
        "commands a second",
        "milliseconds",
    ),
)
"""Every picture of the docs."""


def draw(results: Results) -> None:
    """Draw each picture whose figures were measured."""
    _FOLDER.mkdir(exist_ok=True)
    for plot in PLOTS:
        if plot.lines.keys() <= results.raw.keys():
            _draw(plot, {measure: _by_number(results, measure, plot.of) for measure in plot.lines})


def _draw(plot: Plot, figures: Mapping[str, Mapping[int, float]]) -> None:
    """Lines over numbers whose sizes differ by powers of ten: each has its place in the row."""
    figure = Figure(figsize=(7.2, 3.6), dpi=160, layout="constrained")
    axes = figure.subplots()
    numbers = list(next(iter(figures.values())))
    places = range(len(numbers))
    for (color, above), (measure, by_number) in zip(_STYLES, figures.items(), strict=False):
        values = list(by_number.values())
        label = plot.lines[measure]
        axes.plot(places, values, color=color, linewidth=2.2, marker="o", markersize=6, label=label)
        for place, value in zip(places, values, strict=True):
            axes.annotate(
                f"{value:,.0f}",
                (place, value),
                xytext=(0, above),
                textcoords="offset points",
                ha="center",
                fontsize=10,
            )
    if len(figures) > 1:
        axes.legend(frameon=False, loc="upper left")
    axes.set_title(plot.title, loc="left", fontsize=12, fontweight="bold", pad=12)
    axes.set_xlabel(plot.across)
    axes.set_ylabel(plot.unit)
    axes.set_xticks(places, [f"{number:,}" for number in numbers])
    axes.set_xlim(-0.4, len(numbers) - 0.6)
    top = max(max(of.values()) for of in figures.values()) * 1.18
    axes.set_ylim(-top / 12 if len(figures) > 1 else 0, top)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.grid(axis="y", color=_PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_PALE)
    axes.tick_params(length=0)
    figure.savefig(_FOLDER / f"{plot.name}.png")


def _by_number(results: Results, measure: str, of: str) -> Mapping[int, float]:
    by_number = results.raw[measure][of]
    assert isinstance(by_number, Mapping)
    return by_number
