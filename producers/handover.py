"""What an engineer is handed: the walk so far, cut to what a notification may carry."""

import json

from pydantic_core import to_json

from domain.events import StepRecorded
from domain.history import Walk
from domain.sessions import Escalated

SUMMARY_LIMIT = 64 * 1024
"""The largest summary, in bytes of JSON."""

CUT = "… [cut]"
"""What stands at the end of a text, or in the place of entries, that did not fit."""

_LONGEST_TEXT = 2_000
_NOTES_SHARE = 16 * 1024


def summary(session: Escalated, walk: Walk) -> dict[str, object]:
    """The hand-over summary, at most `SUMMARY_LIMIT` bytes of JSON, the same for the same walk.

    Where it does not fit, long texts are cut, and of notes and steps the latest stay. Whatever was
    left out is marked.
    """
    notes: list[object] = json.loads(walk.notes or "[]")
    made: dict[str, object] = {
        "problem": session.origin.problem_text or "",
        "steps": [],
        "notes": notes,
        "reason": session.reason or "",
        "reason_category": session.reason_category,
    }
    if _characters(walk) <= SUMMARY_LIMIT:
        made["steps"] = [_step(step) for step in walk.steps]
        if len(to_json(made)) <= SUMMARY_LIMIT:
            return made
    made |= {
        "problem": shortened(session.origin.problem_text or ""),
        "steps": [],
        "notes": _latest(notes, _NOTES_SHARE),
        "reason": shortened(session.reason or ""),
    }
    made["steps"] = path(walk, SUMMARY_LIMIT - len(to_json(made)))
    return made


def path(walk: Walk, limit: int) -> list[object]:
    """The walked steps, in order, in at most ``limit`` bytes of JSON.

    Where they do not fit, long texts are cut, and the latest stay.
    """
    if _characters(walk) <= limit:
        whole: list[object] = [_step(step) for step in walk.steps]
        if len(to_json(whole)) <= limit:
            return whole
    return _latest([_cut(step) for step in walk.steps], limit)


def _characters(walk: Walk) -> int:
    """How long the texts of the steps are: their JSON has as many bytes or more.

    To write a long walk only to see that it does not fit takes a quarter of a second.
    """
    return sum(len(step.question) + len(step.answer) + len(step.note or "") for step in walk.steps)


def shortened(text: str) -> str:
    """The text, or its beginning with a mark."""
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - len(CUT)] + CUT


def _step(step: StepRecorded) -> dict[str, object]:
    return {
        "node_id": step.node_id,
        "question": step.question,
        "answer": step.answer,
        "note": step.note,
    }


def _cut(step: StepRecorded) -> dict[str, object]:
    return {
        "node_id": step.node_id,
        "question": shortened(step.question),
        "answer": shortened(step.answer),
        "note": None if step.note is None else shortened(step.note),
    }


def _latest(entries: list[object], limit: int) -> list[object]:
    """The last entries whose JSON fits, after a mark where some were left out."""
    mark: dict[str, object] = {"cut": CUT}
    room = limit - len(to_json([mark])) - 1
    kept = len(entries)
    while kept and (size := len(to_json(entries[kept - 1])) + 1) <= room:
        room -= size
        kept -= 1
    return [mark, *entries[kept:]] if kept else entries
