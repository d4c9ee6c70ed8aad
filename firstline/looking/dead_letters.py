"""Dead letters as a table, a tree, lines of JSON and differences; nothing in them acts."""

import base64
import difflib
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from pydantic_core import to_jsonable_python
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from consumers.dead_letter_desk import Came
from consumers.strict_json import NotJson, read_object
from firstline.looking import records
from firstline.looking import session as sessions
from firstline.looking.inert import inert
from storage.dead_letter_desk import Row, Seen
from storage.looking import SessionSeen
from storage.outbox import Message

_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[\[\]{},:]|[^\s\[\]{},:"]++')
_MOST_SHOWN = 16_384
_MOST_LINES = 500
_STYLES = {"poison": "red", "parked": "yellow", "+": "green", "-": "red"}


def table(rows: Sequence[Row]) -> Table:
    """Newest first; ids are never cut, so that they can be copied."""
    made = Table(box=None, pad_edge=False, header_style="bold")
    made.add_column("id", no_wrap=True)
    for column in ("when", "reason", "why", "record", "session", "behind", "done"):
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(
            Text(row["id"], "cyan"),
            _at(row),
            Text(row["reason"], _STYLES.get(row["reason"], "")),
            Text(inert(row["detail"])),
            Text(inert(f"{row['topic']}/{row['partition']} at {row['offset']}")),
            row["session_id"] or "",
            str(row["behind"] or ""),
            Text(inert(_last_act(row))),
        )
    return made


def as_line(row: Row) -> str:
    """One letter of a list as JSON."""
    return inert(json.dumps(to_jsonable_python(row), ensure_ascii=False))


def as_json(seen: Seen) -> str:
    """One letter in full; bytes are base64, and text beside it where they are text."""
    letter = seen.letter
    whole = {
        "id": letter.id,
        "reason": letter.reason,
        "status": letter.status,
        "detail": letter.detail,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "recorded_at": letter.recorded_at,
        "account_id": letter.account_id,
        "session_id": letter.session_id,
        "command_id": letter.command_id,
        **_bytes("key", letter.key),
        "headers": [
            _bytes("name", name) | _bytes("value", value) for name, value in letter.headers
        ],
        **_bytes("value", letter.value),
        **_bytes("edited", letter.edited),
        "behind": seen.behind,
        "acts": [_without_value(act) | _bytes("value", act["value"]) for act in seen.acts],
    }
    return inert(json.dumps(to_jsonable_python(whole), ensure_ascii=False))


def tree(seen: Seen) -> Tree:
    """One letter for people: in full, but for what no screen has room for."""
    letter = seen.letter
    root = Tree(
        Text.assemble(
            ("dead letter ", "bold"),
            letter.id,
            ", ",
            (letter.reason, _STYLES.get(letter.reason, "")),
            f", {letter.status}",
        )
    )
    root.add(_labelled("why", letter.detail))
    root.add(
        _labelled(
            "record",
            f"{letter.topic}/{letter.partition} at {letter.offset},"
            f" {letter.recorded_at:%Y-%m-%d %H:%M:%S}Z",
        )
    )
    for label, told in (
        ("command", letter.command_id),
        ("session", letter.session_id),
        ("account", letter.account_id),
    ):
        if told is not None:
            root.add(_labelled(label, told))
    root.add(_labelled("key", "none" if letter.key is None else _decoded(letter.key)))
    _branch(root, f"headers, {len(letter.headers)}", (_header(*one) for one in letter.headers))
    size = "none" if letter.value is None else f"{len(letter.value)} bytes"
    _branch(root, f"value, {size}", _lines(text(letter.value or b"")))
    if letter.edited is not None:
        changes = difference(text(letter.value or b""), text(letter.edited))
        _branch(root, "as edited", iter(changes))
    _branch(root, f"waiting behind it, {len(seen.behind)}", map(_waiting, seen.behind))
    _branch(root, "what was done", map(_act, seen.acts))
    return root


def text(value: bytes) -> str:
    """The bytes as text; a JSON object is indented, and nothing else of it is changed."""
    try:
        read_object(value)
    except NotJson:
        return _decoded(value)
    return _indented(value.decode())


def difference(before: str, after: str) -> list[Text]:
    """What was taken away and what was added, with the lines around."""
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), lineterm="", n=2)
    return [Text(inert(_cut(line)), _STYLES.get(line[0], "dim")) for line in list(lines)[2:]]


def print_diff(console: Console, before: str, after: str) -> None:
    """The differences between two texts, line by line."""
    for line in difference(before, after):
        console.print(line, soft_wrap=True)


def print_rehearsal(console: Console, came: Came) -> None:
    """The session before and after, and every message that would go out."""
    print_diff(console, _state(came.before), _state(came.after))
    for message in came.messages:
        console.print(Text(_message(message)), soft_wrap=True)


def _state(seen: SessionSeen | None) -> str:
    return "" if seen is None else _indented(sessions.as_json(seen))


def _message(message: Message) -> str:
    value = None if message.value is None else json.loads(message.value)
    key = None if message.key is None else _decoded(message.key)
    return records.as_line({"topic": message.topic, "key": key, "value": value})


def _indented(line: str) -> str:
    """JSON with line ends and indents between its tokens, which stay as they are written."""
    parts: list[str] = []
    depth, opened = 0, False
    for part in _TOKEN.findall(line):
        closes = part in "]}"
        depth -= closes
        # nothing stands between the brackets of what is empty
        if opened != closes or parts[-1:] == [","]:
            parts.append("\n" + "  " * depth)
        parts.append(": " if part == ":" else part)
        opened = part in "[{"
        depth += opened
    return "".join(parts)


def _bytes(name: str, value: bytes | None) -> dict[str, str | None]:
    """The bytes as base64 and, where they are text, as text."""
    if value is None:
        return {name: None}
    told: dict[str, str | None] = {f"{name}_base64": base64.b64encode(value).decode()}
    try:
        return {name: value.decode(), **told}
    except UnicodeDecodeError:
        return told


def _decoded(value: bytes) -> str:
    return value.decode(errors="backslashreplace")


def _header(name: bytes, value: bytes | None) -> Text:
    return _labelled(_decoded(name), "null" if value is None else _decoded(value))


def _waiting(row: Row) -> Text:
    return Text(
        inert(
            f"{row['recorded_at']:%Y-%m-%d %H:%M:%S}Z {row['id']} {row['reason']}, command"
            f" {row['command_id']}"
        )
    )


def _act(act: Row) -> Text:
    why = f": {act['because']}" if act["because"] else ""
    detail = f" ({act['detail']})" if act["detail"] else ""
    return Text(
        inert(f"{act['acted_at']:%Y-%m-%d %H:%M:%S}Z {act['act']} by {act['actor']}{detail}{why}")
    )


def _last_act(row: Row) -> str:
    return "" if row["last_act"] is None else f"{row['last_act']} by {row['last_actor']}"


def _without_value(act: Row) -> Row:
    return {name: told for name, told in act.items() if name != "value"}


def _lines(shown: str) -> Iterator[Text]:
    return (Text(inert(line)) for line in _cut(shown).split("\n") if line)


def _cut(text: str) -> str:
    """What a screen has room for; the JSON has all of it."""
    if len(text) <= _MOST_SHOWN:
        return text
    return f"{text[:_MOST_SHOWN]}\n… and {len(text) - _MOST_SHOWN} characters"


def _branch(root: Tree, title: str, children: Iterator[Text]) -> None:
    branch = root.add(Text(title, "bold"))
    for child in islice(children, _MOST_LINES):
        branch.add(child)
    if more := sum(1 for _ in children):
        branch.add(Text(f"… and {more} more", "dim"))


def _labelled(label: str, told: str) -> Text:
    return Text.assemble((f"{inert(_cut(label))}: ", "dim"), inert(_cut(told)))


def _at(row: Row) -> str:
    return f"{row['recorded_at']:%Y-%m-%d %H:%M:%S}Z"
