"""What the figures look like, as pictures for the docs."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from benchmarks.measures import Results

_FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
_INK, _PALE, _LINE = "#24292f", "#d0d7de", "#0969da"

mpl.rcParams |= {
    "font.size": 11,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


_PLOTS = (
    (
        "batch_sizes",
        "commands_per_second_by_batch_records",
        "throughput-by-batch-size",
        "One worker, by the most records of a batch",
        "FIRSTLINE_BATCH_RECORDS",
    ),
    (
        "growth_stored",
        "commands_per_second_by_stored_sessions",
        "throughput-by-stored-sessions",
        "One worker, by what is stored already",
        "stored sessions, each with ten rows in the inbox",
    ),
)


def draw(results: Results) -> None:
    """Draw throughput by batch size and by stored rows, where they were measured."""
    _FOLDER.mkdir(exist_ok=True)
    for measure, of, name, title, across in _PLOTS:
        if measure in results.raw:
            _draw(name, title, across, _by_number(results, measure, of))


def _draw(name: str, title: str, across: str, rates: Mapping[int, float]) -> None:
    """Rates over numbers whose sizes differ by powers of ten: each has its place in the row."""
    figure = Figure(figsize=(7.2, 3.6), dpi=160, layout="constrained")
    axes = figure.subplots()
    places = range(len(rates))
    axes.plot(places, list(rates.values()), color=_LINE, linewidth=2.2, marker="o", markersize=6)
    for place, rate in zip(places, rates.values(), strict=True):
        axes.annotate(
            f"{rate:,.0f}",
            (place, rate),
            xytext=(0, 9),
            textcoords="offset points",
            ha="center",
            fontsize=10,
        )
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", pad=12)
    axes.set_xlabel(across)
    axes.set_ylabel("commands a second")
    axes.set_xticks(places, [f"{number:,}" for number in rates])
    axes.set_xlim(-0.4, len(rates) - 0.6)
    axes.set_ylim(0, max(rates.values()) * 1.18)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:,.0f}"))
    axes.grid(axis="y", color=_PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_PALE)
    axes.tick_params(length=0)
    figure.savefig(_FOLDER / f"{name}.png")


def _by_number(results: Results, name: str, of: str) -> Mapping[int, float]:
    rates = results.raw[name][of]
    assert isinstance(rates, Mapping)
    return rates
