"""How figures are written for people: rates, times, weeks, names."""

from collections.abc import Sequence
from datetime import date, timedelta

from firstline.looking.inert import inert
from firstline.reporting.figures import Figures, Share

NONE = "\N{EN DASH}"
REOPENS_WITHIN = timedelta(days=14)
_LONGEST_NAME = 28
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def rate(share: Share) -> str:
    """``62 %``, or a dash where there is nothing to divide by."""
    return NONE if share.rate is None else f"{100 * share.rate:.0f} %"


def of(share: Share) -> str:
    """``271 of 437``."""
    return f"{share.part:,} of {share.whole:,}"


def span(seconds: float | None) -> str:
    """A time in its largest unit: ``40 s``, ``12 min``, ``3.4 h``, ``2.5 d``."""
    if seconds is None:
        return NONE
    for unit, name in ((_DAY, "d"), (_HOUR, "h")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    if seconds >= _MINUTE:
        return f"{seconds / _MINUTE:.0f} min"
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - 3.2 s, 32 s


def count(number: float | None) -> str:
    """A number of steps, which a median may put half-way: ``3``, ``3.5``."""
    return NONE if number is None else f"{number:.1f}".removesuffix(".0")


def category(name: str | None) -> str:
    """A category's name, made safe and cut to a line's length."""
    return short(name) if name else "no category"


def short(name: str) -> str:
    """A name that somebody chose, made safe to show, and cut where it is long."""
    shown = inert(name)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 1]}…"


def weeks(found: Sequence[date]) -> str:
    """``in the week from 2 March 2026``, or ``from 2 March to 29 March 2026``."""
    first, last = found[0], found[-1] + timedelta(days=6)
    if len(found) == 1:
        return f"in the week from {_day(first)} to {_day(last)} {last.year}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"in {len(found)} weeks, from {_day(first)}{year} to {_day(last)} {last.year}"


def unsettled(figures: Figures, today: date) -> int:
    """How many of the last weeks may still see sessions reopen that were resolved in them."""
    return sum(week + timedelta(days=7) + REOPENS_WITHIN > today for week in figures.weeks)


def _day(day: date) -> str:
    return f"{day.day} {day:%B}"
