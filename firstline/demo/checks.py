"""What must hold after a replay, each as a sentence that says what did not."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from firstline.demo.readback import Left
from firstline.demo.story import Sent

Message = Mapping[str, Any]

_ENDS = {
    "firstline.session.resolved.v1": "resolved",
    "firstline.session.escalated.v1": "escalated",
}
_HANDED_BACK = "firstline.escalation.handed_back.v1"
_SHOWN = 3


def violations(sent: Sequence[Sent], left: Left) -> list[str]:
    """List what was lost, doubled, out of order or not as told; nothing, when all is well."""
    events = left.events["session-events"]
    for_tickets, for_engineers = (
        {event["causationid"] for event in events if tells(event["type"])}
        for tells in (_tells_tickets, _tells_engineers)
    )
    return [
        *_one_reply_a_record(sent, left.replies),
        *_replies_as_told(sent, left.replies),
        *_unique_ids(left.events),
        *_gapless(events),
        *_one_effect(sent, left.replies, events),
        *_told_once("ticketing", left.events["ticketing"], for_tickets),
        *_told_once("engineer-notifications", left.events["engineer-notifications"], for_engineers),
        *_same_in_postgres(left),
        *_sentence("Records that became dead letters", left.dead_letters),
    ]


def _tells_tickets(event_type: str) -> bool:
    return event_type in _ENDS or event_type == _HANDED_BACK


def _tells_engineers(event_type: str) -> bool:
    return event_type == "firstline.session.escalated.v1" or "escalation." in event_type


def outcomes(events: Sequence[Message]) -> Counter[tuple[str, str]]:
    """Count sessions by kind and by status, as their events tell it."""
    status: dict[str, tuple[str, str]] = {}
    for event in events:
        session = event["subject"]
        status[session] = (
            event["data"]["session_kind"],
            _ENDS.get(event["type"], status.get(session, ("", "active"))[1]),
        )
    return Counter(status.values())


def _one_reply_a_record(sent: Sequence[Sent], replies: Sequence[Message]) -> Iterator[str]:
    records = Counter(record.command_id for record in sent)
    answered = Counter(reply["command_id"] for reply in replies)
    yield from _sentence("Records that got no reply", (records - answered).elements())
    yield from _sentence("Replies to nothing that was sent", (answered - records).elements())
    first = Counter(reply["command_id"] for reply in replies if not reply["duplicate"])
    yield from _sentence(
        "Commands answered as new more than once, or only as duplicates",
        [command_id for command_id in records & answered if first[command_id] != 1],
    )


def _replies_as_told(sent: Sequence[Sent], replies: Sequence[Message]) -> Iterator[str]:
    told = {record.command_id: record.expected for record in sent}
    yield from _sentence(
        "Replies other than the story expects",
        [
            f"{reply['correlation']}: {answered(reply)}"
            for reply in replies
            if reply["command_id"] in told and answered(reply) != told[reply["command_id"]]
        ],
    )


def answered(reply: Message) -> str:
    """Say in a word what a reply says: its outcome, or the code of a rejection."""
    return str(reply.get("code", reply["outcome"]))


def _unique_ids(topics: Mapping[str, Sequence[Message]]) -> Iterator[str]:
    for topic, messages in topics.items():
        ids = Counter(message["id"] for message in messages)
        yield from _sentence(f"Event ids used more than once on {topic}", _repeated(ids))


def _gapless(events: Sequence[Message]) -> Iterator[str]:
    sequences: defaultdict[str, list[int]] = defaultdict(list)
    for event in events:
        sequences[event["subject"]].append(int(event["sequence"]))
    yield from _sentence(
        "Sessions whose events are not numbered 1, 2, 3 … in order",
        [
            session
            for session, numbers in sequences.items()
            if numbers != list(range(1, len(numbers) + 1))
        ],
    )


def _one_effect(
    sent: Sequence[Sent], replies: Sequence[Message], events: Sequence[Message]
) -> Iterator[str]:
    """Hold effects against commands.

    An effect is a run of events of one session; handing back has one in each of two sessions.
    """
    accepted = {reply["command_id"] for reply in replies if reply["outcome"] == "accepted"}
    effects: defaultdict[str, list[list[str]]] = defaultdict(list)
    for session in _by_session(events):
        for command_id, run in groupby(session, key=lambda event: event["causationid"]):
            effects[command_id].append([event["type"] for event in run])
    caused = accepted & {record.command_id for record in sent}
    yield from _sentence("Accepted commands without an effect", caused - set(effects))
    yield from _sentence("Effects without an accepted command", set(effects) - caused)
    twice = [command_id for command_id, runs in effects.items() if _is_doubled(runs)]
    yield from _sentence("Commands that took effect twice", twice)


def _is_doubled(runs: Sequence[Sequence[str]]) -> bool:
    types = [type_ for run in runs for type_ in run]
    return len(set(types)) < len(types) or len(runs) > 1 + (_HANDED_BACK in types)


def _by_session(events: Sequence[Message]) -> list[list[Message]]:
    sessions: defaultdict[str, list[Message]] = defaultdict(list)
    for event in events:
        sessions[event["subject"]].append(event)
    return list(sessions.values())


def _told_once(topic: str, messages: Sequence[Message], causes: set[str]) -> Iterator[str]:
    told = Counter(message["causationid"] for message in messages)
    yield from _sentence(f"Outcomes missing on {topic}", causes - set(told))
    yield from _sentence(f"Outcomes told more than once on {topic}", _repeated(told))
    yield from _sentence(f"Messages without an outcome on {topic}", set(told) - causes)


def _same_in_postgres(left: Left) -> Iterator[str]:
    published = outcomes(left.events["session-events"])
    if published != left.sessions:
        difference = dict((published - left.sessions) + (left.sessions - published))
        yield f"Kafka and Postgres disagree about the sessions: {difference}."


def _repeated(counted: Counter[str]) -> list[str]:
    return [name for name, count in counted.items() if count > 1]


def _sentence(what: str, found: Iterable[str]) -> Iterator[str]:
    names = sorted(found)
    if names:
        more = ", …" if len(names) > _SHOWN else ""
        yield f"{what}: {len(names)} ({', '.join(names[:_SHOWN])}{more})."
