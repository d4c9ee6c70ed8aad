"""The service desk's log, row by row, in the order in which things happened."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files

UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Row:
    """What one change left behind: the incident as it stood after it."""

    incident: str
    at: datetime
    state: str
    reassigned: int
    reopened: int
    priority: str
    category: str
    group: str
    created_by: str
    updated_by: str
    closed_code: str


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident's rows, cut at its first-line outcome.

    `outcome` is the first row that hands it to another group or says Resolved; `before` are the
    rows up to there. Where the very first row says Resolved, it is both.
    """

    number: str
    before: tuple[Row, ...]
    outcome: Row
    handed_over: bool
    reopened: bool


def read_log() -> list[Row]:
    """Read the extract that is packaged with the demo, all 3,019 rows."""
    text = files(__package__).joinpath("service_desk.csv").read_text(encoding="utf-8")
    return [_row(record) for record in csv.DictReader(text.splitlines())]


def incidents(rows: Iterable[Row]) -> list[Incident]:
    """Gather rows into incidents, in the order in which they began.

    One without an outcome is left out; the extract has none.
    """
    gathered: dict[str, list[Row]] = {}
    for row in rows:
        gathered.setdefault(row.incident, []).append(row)
    return [incident for history in gathered.values() if (incident := _incident(history))]


def _incident(history: list[Row]) -> Incident | None:
    first = history[0]
    for place, row in enumerate(history):
        handed_over = row.reassigned > first.reassigned
        if handed_over or row.state in {"Resolved", "Closed"}:
            return Incident(
                number=row.incident,
                before=tuple(history[: max(place, 1)]),
                outcome=row,
                handed_over=handed_over,
                reopened=any(later.reopened > row.reopened for later in history[place:]),
            )
    return None


def _row(record: dict[str, str]) -> Row:
    return Row(
        incident=record["number"],
        at=datetime.fromisoformat(record["sys_updated_at"]),
        state=record["incident_state"],
        reassigned=int(record["reassignment_count"]),
        reopened=int(record["reopen_count"]),
        priority=record["priority"],
        category=record["category"],
        group=record["assignment_group"],
        created_by=record["sys_created_by"],
        updated_by=record["sys_updated_by"],
        closed_code=record["closed_code"],
    )
