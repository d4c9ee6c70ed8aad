"""Recorded events as messages: CloudEvents 1.0 in structured mode, attributes also as headers.

The JSON event format of CloudEvents 1.0.2 and its Kafka protocol binding; ``sequence``,
``partitionkey`` and ``recordedtime`` are registered extensions, ``causationid`` is ours.
"""

from collections.abc import Iterator

from pydantic_core import to_json

from domain.events import (
    NodeRequested,
    NotesUpdated,
    SessionAbandoned,
    SessionEscalated,
    SessionResolved,
    SessionStarted,
    StepRecorded,
)
from domain.history import Recorded
from domain.sessions import Born, Ended, status
from producers import topics
from producers.handover import path, summary
from producers.ids import event_id
from producers.json import rfc3339, spliced, without_absent
from storage.headers import pack
from storage.outbox import Message

CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
_PATH_LIMIT = 512 * 1024
TYPES = {
    SessionStarted: "firstline.session.started.v1",
    StepRecorded: "firstline.session.step_recorded.v1",
    NotesUpdated: "firstline.session.notes_updated.v1",
    NodeRequested: "firstline.session.node_requested.v1",
    SessionResolved: "firstline.session.resolved.v1",
    SessionEscalated: "firstline.session.escalated.v1",
    SessionAbandoned: "firstline.session.abandoned.v1",
}


def messages(recorded: Recorded) -> Iterator[Message]:
    """Everything that goes out because of one event."""
    identity = event_id(recorded.command.command_id, recorded.place)
    envelope, headers = _attributes(recorded, identity)
    key = recorded.command.session_id.encode()

    def message(topic: str, data: bytes) -> Message:
        return Message(topic, key, b"%b%b}" % (envelope, data), headers)

    data = _data(recorded)
    yield message(topics.SESSION_EVENTS, _with_notes(recorded, data))
    match recorded.event:
        case SessionResolved(resolution_notes=notes):
            yield message(topics.TICKETING, to_json({**data, "action": "close", "note": notes}))
        case SessionEscalated() as event:
            note = event.reason or ""
            yield message(topics.TICKETING, to_json({**data, "action": "escalate", "note": note}))
            yield message(topics.ENGINEER_NOTIFICATIONS, _notification(recorded, event, data))
        case SessionAbandoned(reason=reason):
            yield message(
                topics.TICKETING, to_json({**data, "action": "note", "note": reason or ""})
            )
        case NodeRequested():
            yield _node_request(recorded, identity, key)


def _attributes(recorded: Recorded, identity: str) -> tuple[bytes, bytes]:
    """The attributes twice: as the beginning of the JSON object up to its data, and as headers.

    Every one of them is ours and plain ASCII, ids, times and names of types, so that nothing
    needs quoting; building the two texts costs a fraction of two dictionaries and an encoder.
    """
    session_id = recorded.session.origin.session_id
    account_id = recorded.session.origin.account_id
    kind = TYPES[type(recorded.event)]
    time = rfc3339(recorded.event.at)
    sequence = f"{recorded.session.version:010}"
    cause = recorded.command.command_id
    envelope = (
        f'{{"specversion":"1.0","id":"{identity}","type":"{kind}",'
        f'"source":"/firstline/accounts/{account_id}","subject":"{session_id}","time":"{time}",'
        f'"datacontenttype":"application/json","sequence":"{sequence}",'
        f'"partitionkey":"{session_id}","causationid":"{cause}","recordedtime":"{time}","data":'
    )
    headers = (
        f"content-type\0{CONTENT_TYPE}\0ce_specversion\x001.0\0ce_id\0{identity}\0"
        f"ce_type\0{kind}\0ce_source\0/firstline/accounts/{account_id}\0"
        f"ce_subject\0{session_id}\0ce_time\0{time}\0"
        f"ce_datacontenttype\0application/json\0ce_sequence\0{sequence}\0"
        f"ce_partitionkey\0{session_id}\0ce_causationid\0{cause}\0ce_recordedtime\0{time}\0"
    )
    return envelope.encode(), headers.encode()


def _data(recorded: Recorded) -> dict[str, object]:
    """What every event's data has, and what its type adds; notes are spliced in later."""
    session, command = recorded.session, recorded.command
    origin, actor = session.origin, recorded.actor
    data: dict[str, object] = {
        "account_id": origin.account_id,
        "session_id": origin.session_id,
        "session_kind": origin.kind,
        "source": recorded.source,
        "actor": {"id": actor.id, "name": actor.name, "acting_as": actor.acting_as},
        "ticket": {"kind": origin.ticket.kind, "id": origin.ticket.id},
    }
    if command.occurred_at is not None:
        data["occurred_at"] = command.occurred_at
    match recorded.event:
        case SessionStarted() as event:
            data |= without_absent(
                {
                    "flow_id": event.flow_id,
                    "flow_version": event.flow_version,
                    "flow_proposal_id": event.flow_proposal_id,
                    "category": event.category,
                    "problem_text": event.problem_text,
                    "previous_session_id": event.previous_session_id,
                }
            )
        case StepRecorded() as event:
            data |= {
                "node_id": event.node_id,
                "question": event.question,
                "answer": event.answer,
                "position": event.position,
            }
            data |= without_absent({"option_id": event.option_id, "note": event.note})
        case SessionResolved() as event:
            data |= _outcome(session) | {
                "helpful": event.helpful,
                "resolution_notes": event.resolution_notes,
            }
        case SessionEscalated() as event:
            data |= _outcome(session) | {
                "reason": event.reason,
                "reason_category": event.reason_category,
            }
        case SessionAbandoned() as event:
            data |= _outcome(session) | {"reason": event.reason}
    return data


def _outcome(session: Born) -> dict[str, object]:
    """What every outcome tells of the session that it ends."""
    origin = session.origin
    return {
        "outcome": status(session),
        "started_at": rfc3339(origin.started_at),
        "ended_at": rfc3339(session.ended_at) if isinstance(session, Ended) else None,
        "steps": session.steps,
    } | without_absent(
        {
            "category": origin.category,
            "flow_id": origin.flow_id,
            "flow_version": origin.flow_version,
        }
    )


def _with_notes(recorded: Recorded, data: dict[str, object]) -> bytes:
    if isinstance(recorded.event, NotesUpdated):
        return spliced(data, "notes", recorded.event.notes.encode())
    return to_json(data)


def _notification(recorded: Recorded, event: SessionEscalated, data: dict[str, object]) -> bytes:
    origin = recorded.session.origin
    recipients = [
        without_absent({"email": recipient.email, "user_id": recipient.user_id})
        for recipient in recorded.recipients
    ]
    return to_json(
        {
            **data,
            "dedup_key": f"firstline:{origin.session_id}",
            "recipients": recipients,
            "summary": summary(origin, event, recorded.walk),
        }
    )


def _node_request(recorded: Recorded, identity: str, key: bytes) -> Message:
    origin = recorded.session.origin
    value = without_absent(
        {
            "request_id": identity,
            "session_id": origin.session_id,
            "account_id": origin.account_id,
            "category": origin.category,
            "problem_text": origin.problem_text,
            "path": path(recorded.walk, _PATH_LIMIT),
        }
    )
    return Message(topics.NODE_REQUESTS, key, to_json(value), JSON_HEADERS)


JSON_HEADERS = pack([(b"content-type", b"application/json; charset=UTF-8")])
"""The headers of messages that are not CloudEvents."""
