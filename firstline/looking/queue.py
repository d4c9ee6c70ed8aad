"""The escalations that wait for an engineer, as a table or one JSON a line."""

import json
from collections.abc import Sequence
from datetime import timedelta

from pydantic_core import to_jsonable_python
from rich.table import Table
from rich.text import Text

from firstline.looking.inert import inert
from storage.looking import Row


def table(rows: Sequence[Row]) -> Table:
    """Oldest first; ids are never cut, so that they can be copied."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    made.add_column("age", justify="right", no_wrap=True)
    for column in ("reason", "ticket", "escalated by", "account"):
        made.add_column(column, overflow="fold")
    made.add_column("session", no_wrap=True)
    for row in rows:
        texts = (
            row["reason_category"],
            f"{row['ticket_kind']} {row['ticket_id']}",
            row["escalated_by_name"],
            row["account"],
        )
        made.add_row(
            age(row["age"]), *(Text(inert(text)) for text in texts), Text(row["session_id"], "cyan")
        )
    return made


def as_json(row: Row) -> str:
    """One escalation; ``age_seconds`` is a number."""
    told = {**row, "age_seconds": int(row["age"].total_seconds())}
    del told["age"]
    return inert(json.dumps(to_jsonable_python(told), ensure_ascii=False))


def age(span: timedelta) -> str:
    """A span in its two largest units: ``3d 4h``, ``2h 5m``, ``40s``."""
    seconds = max(int(span.total_seconds()), 0)
    days, hours, minutes = seconds // 86_400, seconds // 3_600 % 24, seconds // 60 % 60
    if days:
        return f"{days}d {hours}h"
    if hours:
        return f"{hours}h {minutes}m"
    return f"{minutes}m {seconds % 60}s" if minutes else f"{seconds}s"
