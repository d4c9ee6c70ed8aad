"""Whether a figure that was taken again and again has stopped growing."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

_WARM = 0.4


@dataclass(frozen=True, slots=True)
class Rule:
    """How much a figure may grow from the time after warm-up to the end.

    ``slack`` is added, for figures so small that a share of them says nothing.
    """

    growth: float
    slack: float = 0.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A figure's way through a run: after warm-up, in the end, and at its highest."""

    name: str
    early: float
    late: float
    most: float
    flat: bool


def judge(name: str, figures: Sequence[float], rule: Rule) -> Finding:
    """Compare what is usual in the third after warm-up with what is usual in the last third.

    The first two fifths are warm-up: caches fill, and nothing is old enough to be deleted.
    """
    warm = figures[int(len(figures) * _WARM) :]
    third = max(len(warm) // 3, 1)
    early, late = median(warm[:third]), median(warm[-third:])
    return Finding(name, early, late, max(figures), late <= early * (1 + rule.growth) + rule.slack)


def bounded(name: str, figures: Sequence[float], most: float) -> Finding:
    """Judge a figure that goes up and down by its highest."""
    found = judge(name, figures, Rule(float("inf")))
    return Finding(name, found.early, found.late, found.most, found.most <= most)


def table(findings: Sequence[Finding]) -> str:
    """One line a figure."""
    lines = [f"{'':<34}{'warm':>14}{'end':>14}{'most':>14}"]
    for one in findings:
        figures = "".join(f"{figure:>14,.0f}" for figure in (one.early, one.late, one.most))
        lines.append(f"{one.name:<34}{figures}  {'flat' if one.flat else 'GROWS'}")
    return "\n".join(lines)
