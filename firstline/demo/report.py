"""What a replay brought, as tables for a person."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.columns import Columns
from rich.console import Console
from rich.table import Table

from firstline.demo.checks import answered, outcomes
from firstline.demo.readback import Left
from firstline.demo.replay import Replayed
from firstline.demo.story import Sent

_BOX = box.HORIZONTALS


def show(console: Console, sent: Sequence[Sent], replayed: Replayed, left: Left) -> None:
    """Print what came out, from what was read back."""
    for tables in (
        [_sessions(left), _commands(sent, left)],
        [_published(left), _told(left)],
        [_waits(replayed)],
    ):
        console.print()
        console.print(Columns(tables, padding=(1, 6)))
    console.print()
    console.print(_pace(replayed), highlight=False)
    console.print()


def percentile(values: Iterable[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def _sessions(left: Left) -> Table:
    counts = outcomes(left.events["session-events"])
    statuses = ["resolved", "escalated", *(["active"] if _active(counts) else [])]
    table = _table("Sessions", "kind", *statuses, "all")
    for kind in ("flow", "proposal", "adhoc"):
        row = [counts[kind, status] for status in statuses]
        table.add_row(kind, *map(_number, [*row, sum(row)]))
    table.add_section()
    columns = [sum(n for (_, of), n in counts.items() if of == status) for status in statuses]
    table.add_row("all", *map(_number, [*columns, sum(columns)]))
    return table


def _active(counts: Counter[tuple[str, str]]) -> bool:
    return any(status == "active" for _, status in counts)


def _commands(sent: Sequence[Sent], left: Left) -> Table:
    new = Counter(answered(reply) for reply in left.replies if not reply["duplicate"])
    again = sum(1 for reply in left.replies if reply["duplicate"])
    table = _table("Commands", "answer", "replies")
    for answer, count in new.most_common():
        table.add_row(answer if answer == "accepted" else f"rejected: {answer}", _number(count))
    table.add_row("sent twice, first answer again", _number(again))
    table.add_section()
    table.add_row(f"all, to {_number(len(sent))} records", _number(len(left.replies)))
    return table


def _published(left: Left) -> Table:
    table = _table("Published", "topic", "what", "messages")
    for topic, messages in left.events.items():
        counts = Counter(_what(topic, message) for message in messages)
        for place, (what, count) in enumerate(counts.most_common()):
            table.add_row("" if place else topic, what, _number(count))
        table.add_section()
    return table


def _what(topic: str, message: dict[str, Any]) -> str:
    if topic == "ticketing":
        return str(message["data"]["action"])
    return str(message["type"]).removeprefix("firstline.").removesuffix(".v1")


def _told(left: Left) -> Table:
    notices = [
        notice
        for notice in left.events["engineer-notifications"]
        if notice["type"] == "firstline.session.escalated.v1"
    ]
    counts: dict[str, Counter[str]] = {}
    for notice in notices:
        people = ", ".join(person["email"] for person in notice["data"]["recipients"])
        category = notice["data"]["summary"]["reason_category"]
        counts.setdefault(category, Counter())[people or "nobody"] += 1
    table = _table("Escalations", "because of", "told", "times")
    for category, told in sorted(counts.items(), key=lambda item: -item[1].total()):
        for who, count in told.items():
            table.add_row(category, who, _number(count))
    return table


def _waits(replayed: Replayed) -> Table:
    """Tell the first second apart: worker, broker and clients are cold in it."""
    table = _table("From append to visible answer", "sent", "p50", "p99", "at most", "answers")
    warm = min((wait.appended for wait in replayed.waits), default=0) + 1
    for label, waits in (
        ("in the first second", [w.seconds for w in replayed.waits if w.appended < warm]),
        ("after it", [w.seconds for w in replayed.waits if w.appended >= warm]),
    ):
        if waits:
            shares = (percentile(waits, share) for share in (0.5, 0.99, 1))
            table.add_row(label, *(f"{1000 * s:.0f} ms" for s in shares), _number(len(waits)))
    return table


def _pace(replayed: Replayed) -> str:
    rate = replayed.sent / replayed.seconds
    return (
        f"{_number(replayed.sent)} records went out in {replayed.seconds:.1f} s, {rate:.0f} a "
        "second. Append is the broker's timestamp; visible is an answer in the hands of a "
        "read_committed consumer."
    )


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", header_style="", box=_BOX)
    table.show_edge = False
    table.pad_edge = False
    for place, column in enumerate(columns):
        is_count = place > 0 and column not in {"what", "told"}
        table.add_column(column, justify="right" if is_count else "left")
    return table


def _number(count: int) -> str:
    return f"{count:,}"
