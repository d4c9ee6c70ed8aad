"""One session, as a tree for people or as one JSON object."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from pydantic_core import to_jsonable_python
from rich.text import Text
from rich.tree import Tree

from firstline.looking.inert import inert
from storage.looking import Row, SessionSeen

_STYLES: Mapping[str, str] = MappingProxyType(
    {
        "active": "green",
        "resolved": "blue",
        "escalated": "yellow",
        "abandoned": "red",
        "open": "yellow",
        "claimed": "green",
    }
)


def tree(session_id: str, seen: SessionSeen) -> Tree:
    """State, walk, notes, audit trail, escalation and parked commands; all text is inert."""
    missing = " does not exist: its commands are parked" if seen.session is None else ""
    root = Tree(Text.assemble(("session ", "bold"), session_id, missing))
    if seen.session is not None:
        _add_state(root, seen.session)
        _add_walk(root, seen.session, seen)
        _branch(root, "audit trail", map(_audited, seen.audit))
    if seen.escalation is not None:
        _add_escalation(root, seen.escalation)
    _branch(root, f"parked, {_count(len(seen.parked), 'command')}", map(_parked, seen.parked))
    return root


def as_json(seen: SessionSeen) -> str:
    """One object; times are RFC 3339, what is absent is null."""
    whole = {
        "session": seen.session,
        "walk": seen.steps,
        "notes": json.loads(seen.notes or "[]"),
        "audit": [{**entry, "details": json.loads(entry["details"])} for entry in seen.audit],
        "escalation": seen.escalation,
        "parked": seen.parked,
    }
    return inert(json.dumps(to_jsonable_python(whole), ensure_ascii=False))


def _add_state(root: Tree, session: Row) -> None:
    _line(root, "status", session["status"], _STYLES[session["status"]])
    _line(root, "version", session["version"])
    _line(root, "kind", " ".join(_of(session, "kind", "title", "flow_version")))
    _line(root, "account", " ".join(_of(session, "account", "account_id")))
    _line(root, "ticket", " ".join(_of(session, "ticket_kind", "ticket_id", "ticket_title")))
    actor = _of(session, "created_by_name", "created_by", "acting_as")
    _line(root, "started", f"{_at(session['started_at'])} by {' '.join(actor)}")
    if session["ended_at"] is not None:
        _line(root, "ended", _at(session["ended_at"]))
    else:
        _line(root, "last activity", _at(session["last_activity_at"]))
    for label, name in _TEXTS:
        if session[name] is not None:
            _line(root, label, session[name])


def _add_walk(root: Tree, session: Row, seen: SessionSeen) -> None:
    walk = f"walk, {_count(session['steps'], 'step')}"
    if session["walk_pruned_at"] is not None:
        _line(root, walk, f"kept no longer: deleted {_at(session['walk_pruned_at'])}, as the notes")
        return
    _branch(root, walk, map(_step, seen.steps))
    notes = json.loads(seen.notes or "[]")
    _branch(root, f"notes, {len(notes)}", (_json(one) for one in notes))


_TEXTS = (
    ("category", "category"),
    ("problem", "problem_text"),
    ("now at", "current_node_id"),
    ("continues", "previous_session_id"),
    ("helpful", "helpful"),
    ("resolution", "resolution_notes"),
    ("reason category", "reason_category"),
    ("reason", "reason"),
)


def _add_escalation(root: Tree, escalation: Row) -> None:
    branch = root.add(
        Text.assemble(
            ("escalation ", "bold"), (escalation["status"], _STYLES.get(escalation["status"], ""))
        )
    )
    _line(
        branch, "by", " ".join(dict.fromkeys(_of(escalation, "escalated_by_name", "escalated_by")))
    )
    if escalation["claimed_at"] is not None:
        claimer = " ".join(_of(escalation, "claimed_by_name", "claimed_by"))
        _line(branch, "claimed", f"{_at(escalation['claimed_at'])} by {claimer}")
    if escalation["notified"]:
        _line(branch, "told again", _count(escalation["notified"], "time"))
    if escalation["ended_at"] is not None:
        _line(branch, "ended", _at(escalation["ended_at"]))
    for label, name in _MOVED:
        if escalation[name] is not None:
            _line(branch, label, escalation[name])


_MOVED = (
    ("resolution", "resolution_notes"),
    ("instructions", "instructions"),
    ("goes on in", "new_session_id"),
)


def _branch(root: Tree, title: str, children: Iterator[Text]) -> None:
    """A branch where there is anything to hang on it."""
    branch = Tree(Text(title, "bold"))
    for child in children:
        branch.add(child)
    if branch.children:
        root.children.append(branch)


def _step(step: Row) -> Text:
    told = Text.assemble(
        (f"{step['position']:>3} {_at(step['recorded_at'])} ", "dim"),
        (inert(step["node_id"]), "cyan"),
        # a step sent without its question has none
        f"\n{_shown(step['question'])}" if step["question"] else "",
        ("\n→ ", "bold"),
        _shown(step["answer"]),
    )
    if step["option_id"] is not None:
        told.append(f" ({inert(step['option_id'])})", "dim")
    if step["note"] is not None:
        told.append("\nnote: ", "dim")
        told.append(_shown(step["note"]))
    return told


def _audited(entry: Row) -> Text:
    actor = " ".join(dict.fromkeys(_of(entry, "actor_name", "actor_id", "acting_as")))
    return Text.assemble(
        (f"{_at(entry['recorded_at'])} ", "dim"), (entry["action"], "cyan"), f" by {inert(actor)}"
    )


def _parked(letter: Row) -> Text:
    return Text.assemble(
        (f"{_at(letter['recorded_at'])} ", "dim"),
        (letter["reason"], "red" if letter["reason"] == "poison" else "yellow"),
        f" command {letter['command_id']}, {letter['topic']}/{letter['partition']} at"
        f" {letter['offset']}: {inert(letter['detail'])}",
    )


def _json(value: object) -> Text:
    return Text(inert(json.dumps(value, ensure_ascii=False)))


def _line(branch: Tree, label: str, text: object, style: str = "") -> None:
    branch.add(Text.assemble((f"{label}: ", "dim"), (_shown(str(text)), style)))


def _shown(text: str) -> str:
    """Inert but for its line ends: a tree's own lines cannot be taken for what is within."""
    return "\n".join(inert(line) for line in text.split("\n"))


def _of(row: Row, *names: str) -> list[str]:
    return [str(row[name]) for name in names if row[name] is not None]


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
