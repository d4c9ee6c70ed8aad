"""What the log's incidents say, retold as session commands.

Each incident is one first-line session on one PSA ticket. Its first row starts the session, the
first hand-over to another group escalates it, Resolved resolves it, and each row between adds a
step of the walk, or notes where there is nothing (left) to walk. What comes after is not first
line's and is left out. The rules that the log does not settle:

- A category with a flow is walked along it, one with a proposed flow along that, any other adhoc.
- Handed over within the hour with nothing between, nothing was walked: `escalate_without_walk`.
- Of the ways through a flow that end as the incident did, its number picks one.
- Where nobody is known to have opened the incident it came by chat, otherwise through the PSA.
- Whoever changed the row picks the person who acts.
- `helpful` is "resolved and not reopened", and unknown where the log begins with Resolved.

Two things are added, to be refused: at every fiftieth session an engineer who does not cover for
first line tries to end it, and in every fiftieth an impatient client, which says what version of
the session it answers, gives its first answer again under a new command id.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid5

from firstline.demo import catalogue
from firstline.demo.catalogue import Step, Target
from firstline.demo.log import UNKNOWN, Incident, Row

Source = Literal["chat", "psa"]

_NAMESPACE = UUID("7f1c3c6e-5d0b-5a44-9f43-0a4a7d2f4c11")
_AT_ONCE = timedelta(hours=1)
_REFUSED_EVERY = 50
_STARTED = 1  # the version of a session that has started and nothing else
_RESENT_EVERY = 10


@dataclass(frozen=True, slots=True)
class Sent:
    """One record for a command topic. `at` is the log's time, `expected` the outcome or code."""

    source: Source
    key: bytes
    value: bytes
    at: datetime
    command_id: str
    expected: str


@dataclass(frozen=True, slots=True)
class _Line:
    """A command as the story has it, before it belongs to a session with an id."""

    row: Row
    type: str
    own: Mapping[str, Any] = field(default_factory=dict)
    actor_id: str = ""
    expected: str = "accepted"


def story(incidents: Sequence[Incident], *, repeat: int = 1) -> list[Sent]:
    """Retell all incidents in the order of the log's clock, `repeat` times side by side.

    Repetitions are distinct sessions on distinct tickets. All ids follow from the incident and
    the repetition: the same story has the same bytes.
    """
    told = [
        sent
        for place, incident in enumerate(incidents, start=1)
        for repetition in range(1, repeat + 1)
        for sent in _session(incident, place, repetition)
    ]
    return sorted(told, key=lambda sent: sent.at)


def with_resends(told: Sequence[Sent]) -> list[Sent]:
    """Send every tenth command a second time, byte for byte, behind the ten that follow it."""
    sent: list[Sent] = []
    again: Sequence[Sent] = ()
    for start in range(0, len(told), _RESENT_EVERY):
        ten = told[start : start + _RESENT_EVERY]
        sent += [*ten, *again]
        again = ten[_RESENT_EVERY - 1 :]
    return [*sent, *again]


def _session(incident: Incident, place: int, repetition: int) -> Iterator[Sent]:
    """Give the lines of one session their ids and bytes."""
    ticket = incident.number if repetition == 1 else f"{incident.number}-{repetition}"
    session_id = uuid5(_NAMESPACE, ticket)
    for number, line in enumerate(_lines(incident, place), start=1):
        command_id = str(uuid5(session_id, str(number)))
        command = {
            "type": line.type,
            "command_id": command_id,
            "session_id": str(session_id),
            "account_id": catalogue.account_id(),
            "actor_id": line.actor_id or _walker(line.row),
            "occurred_at": line.row.at.isoformat(),
            "correlation": f"{ticket}/{number}",
            **line.own,
        }
        if line.type in {"start_flow", "start_proposal", "start_adhoc", "escalate_without_walk"}:
            command |= {"ticket_kind": "psa", "ticket_id": ticket}
        yield Sent(
            source="chat" if incident.before[0].created_by == UNKNOWN else "psa",
            key=str(session_id).encode(),
            value=json.dumps(command, ensure_ascii=False, separators=(",", ":")).encode(),
            at=line.row.at,
            command_id=command_id,
            expected=line.expected,
        )


def _lines(incident: Incident, place: int) -> Iterator[_Line]:
    first, *between = incident.before
    ending = incident.outcome
    if incident.handed_over and not between and ending.at - first.at <= _AT_ONCE:
        yield _Line(ending, "escalate_without_walk", _hand_over(incident))
        return

    target = catalogue.targets().get(_category(first))
    yield _start(first, target)
    yield from _work(between, _walk(target, incident), impatient=place % _REFUSED_EVERY == 0)
    end = _end(incident)
    if place % _REFUSED_EVERY == 1:
        yield _Line(ending, end.type, end.own, catalogue.bystander(), "forbidden")
    yield end


def _start(first: Row, target: Target | None) -> _Line:
    match target:
        case None:
            return _Line(first, "start_adhoc")
        case Target(kind="flow"):
            return _Line(first, "start_flow", {"flow_id": target.id})
        case _:
            return _Line(first, "start_proposal", {"flow_proposal_id": target.id})


def _walk(target: Target | None, incident: Incident) -> Sequence[Step]:
    if target is None:
        return ()
    walks = target.walks("escalate" if incident.handed_over else "resolve")
    return walks[_number(incident.number) % len(walks)]


def _work(between: Sequence[Row], walk: Sequence[Step], *, impatient: bool) -> Iterator[_Line]:
    """Turn rows into the steps of the walk, and into notes when it is over."""
    for row, step in zip(between, walk, strict=False):
        own: dict[str, object] = {"node_id": step.node_id, "answer": step.answer}
        if step.option_id is not None:
            own["option_id"] = step.option_id
        if impatient and row is between[0]:
            own["expected_version"] = _STARTED
            yield _Line(row, "record_step", own)
            yield _Line(row, "record_step", own, expected="stale_version")
        else:
            yield _Line(row, "record_step", own)
    left = between[len(walk) :]
    for count, row in enumerate(left, start=1):
        yield _Line(row, "update_notes", {"notes": [_note(noted) for noted in left[:count]]})


def _end(incident: Incident) -> _Line:
    ending = incident.outcome
    if incident.handed_over:
        return _Line(ending, "escalate", _hand_over(incident))
    seen_from_the_start = incident.before[0] is not ending
    return _Line(
        ending,
        "resolve",
        {
            "helpful": not incident.reopened if seen_from_the_start else None,
            "resolution_notes": f"{ending.group} closed it with {ending.closed_code}.",
        },
    )


def _hand_over(incident: Incident) -> dict[str, str]:
    last, ending = incident.before[-1], incident.outcome
    return {
        "reason_category": _category(incident.before[0]),
        "reason": f"Handed over from {_group(last)} to {_group(ending)}, {ending.priority}.",
    }


def _note(row: Row) -> dict[str, str]:
    return {"at": row.at.isoformat(), "text": f"{row.state}, {row.priority}, with {_group(row)}"}


def _group(row: Row) -> str:
    return "a group that is not named" if row.group == UNKNOWN else row.group


def _category(row: Row) -> str:
    return catalogue.CATEGORIES.get(row.category, catalogue.OTHER)


def _walker(row: Row) -> str:
    people = catalogue.walkers()
    return people[_number(row.updated_by) % len(people)]


def _number(name: str) -> int:
    return int("".join(character for character in name if character.isdigit()))
