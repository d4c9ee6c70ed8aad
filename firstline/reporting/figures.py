"""The figures of an account as data: shares with their trends, and how long outcomes take."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from firstline.looking.ask import NothingToShow, asking, check_id
from storage import reports
from storage.looking import Row

WEEK = timedelta(weeks=1)
OUTCOMES = ("resolved", "escalated", "abandoned")


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole, both counts of sessions."""

    part: int = 0
    whole: int = 0

    @property
    def rate(self) -> float | None:
        """Between 0 and 1; None where there is nothing to divide by."""
        return self.part / self.whole if self.whole else None

    def __add__(self, other: "Share") -> "Share":
        return Share(self.part + other.part, self.whole + other.whole)


@dataclass(frozen=True, slots=True)
class Trend:
    """A share over all weeks, and by week, of which none is left out."""

    total: Share
    weekly: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the sessions of an outcome took, in seconds and steps; None where none counts.

    ``weekly_seconds`` are the medians by week.
    """

    sessions: int
    median_seconds: float | None
    p90_seconds: float | None
    median_steps: float | None
    p90_steps: float | None
    weekly_seconds: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """What an account's ended sessions come to. ``weeks`` are Mondays, without a gap.

    ``by_category`` has the escalations, the largest category first; its key is None for sessions
    that have none. `firstline.session` rows that are still active are in no figure.
    """

    account_id: str
    name: str
    weeks: tuple[date, ...]
    outcomes: dict[str, int]
    first_level_resolution: Trend
    escalation: Trend
    abandonment: Trend
    reopening: Trend
    flow_hits: Trend
    by_category: dict[str | None, Share]
    paces: dict[str, Pace]

    @property
    def sessions(self) -> int:
        """How many sessions ended."""
        return sum(self.outcomes.values())


async def figures(database_url: str, account_id: str | None, since: date | None) -> list[Figures]:
    """The figures of an account or of all, from the week of ``since`` on.

    Raises `NothingToShow` where there is no such account, or none at all.
    """
    if account_id is not None:
        check_id(account_id)
    monday = None if since is None else since - timedelta(days=since.weekday())
    async with asking(database_url) as tx:
        accounts = await reports.accounts(tx, account_id)
        shares = _by_account(await reports.shares(tx, account_id, monday))
        times = _by_account(await reports.weekly_times(tx, account_id, monday))
        paces = _by_account(await reports.paces(tx, account_id, monday))
    if not accounts:
        msg = f"there is no account {account_id}" if account_id else "there are no accounts yet"
        raise NothingToShow(msg)
    return [
        _of_account(account, shares[id_], times[id_], paces[id_])
        for account in accounts
        for id_ in (account["account_id"],)
    ]


def _of_account(
    account: Row, shares: Sequence[Row], times: Sequence[Row], paces: Sequence[Row]
) -> Figures:
    weeks = _weeks({row["week"] for row in shares})
    counted = {row["outcome"]: row["sessions"] for row in paces}
    return Figures(
        account_id=account["account_id"],
        name=account["name"],
        weeks=weeks,
        outcomes={outcome: counted.get(outcome, 0) for outcome in OUTCOMES},
        first_level_resolution=_trend(shares, "first_level_resolution", weeks),
        escalation=_trend(shares, "escalation", weeks),
        abandonment=_trend(shares, "abandonment", weeks),
        reopening=_trend(shares, "reopening", weeks),
        flow_hits=_trend(shares, "flow_hits", weeks),
        by_category=_by_category(row for row in shares if row["figure"] == "escalation"),
        paces={row["outcome"]: _pace(row, times, weeks) for row in paces},
    )


def _trend(rows: Iterable[Row], figure: str, weeks: Sequence[date]) -> Trend:
    weekly: defaultdict[date, Share] = defaultdict(Share)
    for row in rows:
        if row["figure"] == figure:
            weekly[row["week"]] += Share(row["part"], row["whole"])
    return Trend(sum(weekly.values(), Share()), tuple(weekly[week] for week in weeks))


def _by_category(rows: Iterable[Row]) -> dict[str | None, Share]:
    found: defaultdict[str | None, Share] = defaultdict(Share)
    for row in rows:
        found[row["category"]] += Share(row["part"], row["whole"])
    return dict(sorted(found.items(), key=lambda item: (-item[1].whole, item[0] or "")))


def _pace(row: Row, times: Iterable[Row], weeks: Sequence[date]) -> Pace:
    weekly = {
        one["week"]: one["median_seconds"] for one in times if one["outcome"] == row["outcome"]
    }
    return Pace(
        sessions=row["sessions"],
        median_seconds=row["median_seconds"],
        p90_seconds=row["p90_seconds"],
        median_steps=row["median_steps"],
        p90_steps=row["p90_steps"],
        weekly_seconds=tuple(weekly.get(week) for week in weeks),
    )


def _weeks(found: set[date]) -> tuple[date, ...]:
    """Every Monday from the first found to the last."""
    if not found:
        return ()
    first = min(found)
    return tuple(first + count * WEEK for count in range((max(found) - first) // WEEK + 1))


def _by_account(rows: Iterable[Row]) -> defaultdict[str, list[Row]]:
    sorted_out: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        sorted_out[row["account_id"]].append(row)
    return sorted_out
