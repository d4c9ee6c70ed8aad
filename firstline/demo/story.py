"""What the log's incidents say, retold as session commands.

Each incident is one first-line session on one PSA ticket. Its first row starts the session, the
first hand-over to another group escalates it, Resolved resolves it, and each row between adds a
step of the walk, or notes where there is nothing (left) to walk. What comes after is not first
line's and is left out. The rules that the log does not settle:

- A category with a flow is walked along it, one with a proposed flow along that, any other adhoc.
- Every walk goes to its end: steps for which the log has no row come right before the outcome.
- Handed over within the hour with nothing between, nothing was walked: `escalate_without_walk`.
- Of the ways through a flow that end as the incident did, its number picks one.
- Where nobody is known to have opened the incident it came by chat, otherwise through the PSA.
- Whoever changed the row picks the person who acts.
- `helpful` is "resolved and not reopened", and unknown where the log begins with Resolved.

Some things are added. Three are to be refused, each at every fiftieth session: an engineer who does
not cover for first line tries to end it; an impatient client, which says what version of the
session it answers, gives its first answer again under a new command id; a hasty one answers the
last node of the walk first. And the first flow that was handed over comes back: the engineer claims
the escalation and hands it back, and first line goes on in the linked session and resolves it.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
# Which of fifty sessions a client is so at.
_IMPATIENT, _BARRED, _HASTY = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Sent:
    """One record for a command topic. `at` is the log's time, `expected` the outcome or code.

    `after` is the command whose answer has to be seen first: between two sessions, Kafka keeps no
    order.
    """

    source: Source
    key: bytes
    value: bytes
    at: datetime
    command_id: str
    expected: str
    after: str | None = None


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
    returned = next((one for one in incidents if _comes_back(one)), None)
    told = [
        sent
        for place, incident in enumerate(incidents, start=1)
        for repetition in range(1, repeat + 1)
        for sent in _sessions(incident, place, repetition, returned=incident is returned)
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


def _sessions(incident: Incident, place: int, repetition: int, *, returned: bool) -> Iterator[Sent]:
    """Tell the session of an incident and, where its escalation comes back, the linked one."""
    ticket = incident.number if repetition == 1 else f"{incident.number}-{repetition}"
    session_id = uuid5(_NAMESPACE, ticket)
    if not returned:
        yield from _session(incident, ticket, session_id, _lines(incident, place))
        return
    linked_id = uuid5(session_id, "handed back")
    returning = _returned(incident.outcome, linked_id)
    first = list(_session(incident, ticket, session_id, [*_lines(incident, place), *returning]))
    yield from first
    linked = _linked(incident.outcome)
    for sent in _session(incident, ticket, linked_id, linked):
        yield replace(sent, after=first[-1].command_id)


def _session(
    incident: Incident, ticket: str, session_id: UUID, lines: Iterable[_Line]
) -> Iterator[Sent]:
    """Give the lines of one session their ids and bytes."""
    for number, line in enumerate(lines, start=1):
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
    yield from _work(between, _walk(target, incident), ending, place % _REFUSED_EVERY)
    end = _end(incident)
    if place % _REFUSED_EVERY == _BARRED:
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


def _work(between: Sequence[Row], walk: Sequence[Step], ending: Row, whim: int) -> Iterator[_Line]:
    """Turn rows into the steps of the walk, and into notes when it is over."""
    rows = [*between, *[ending] * (len(walk) - len(between))]
    if whim == _HASTY and len(walk) > 1:
        yield _Line(rows[0], "record_step", _answer(walk[-1]), expected="stale_node")
    for place, (row, step) in enumerate(zip(rows, walk, strict=False)):
        if whim == _IMPATIENT and place == 0:
            again = {**_answer(step), "expected_version": _STARTED}
            yield _Line(row, "record_step", again)
            yield _Line(row, "record_step", again, expected="stale_version")
        else:
            yield _Line(row, "record_step", _answer(step))
    left = between[len(walk) :]
    for count, row in enumerate(left, start=1):
        yield _Line(row, "update_notes", {"notes": [_note(noted) for noted in left[:count]]})


def _answer(step: Step) -> dict[str, object]:
    own: dict[str, object] = {"node_id": step.node_id, "answer": step.answer}
    return own if step.option_id is None else {**own, "option_id": step.option_id}


def _comes_back(incident: Incident) -> bool:
    """Whether the incident is a flow that was walked and handed over."""
    target = catalogue.targets().get(_category(incident.before[0]))
    walked = len(incident.before) > 1 and target is not None and target.kind == "flow"
    return incident.handed_over and walked


def _returned(row: Row, linked_id: UUID) -> Iterator[_Line]:
    """What the engineer does with the escalation."""
    engineer = catalogue.bystander()
    back = {
        "instructions": "The cause is mended on our side. Ask the caller to try again, and close.",
        "new_session_id": str(linked_id),
    }
    yield _Line(row, "claim_escalation", actor_id=engineer)
    yield _Line(row, "hand_back", back, engineer)


def _linked(row: Row) -> Iterator[_Line]:
    """What first line does with what was handed back."""
    noted = {"notes": [{"at": row.at.isoformat(), "text": "Called back: it works again."}]}
    yield _Line(row, "update_notes", noted)
    solved = {"helpful": True, "resolution_notes": "Mended by engineering, and seen to work."}
    yield _Line(row, "resolve", solved)


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
