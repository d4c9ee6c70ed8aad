"""Recorded events as messages: CloudEvents 1.0 in structured mode, attributes also as headers.

The JSON event format of CloudEvents 1.0.2 and its Kafka protocol binding; ``sequence``,
``partitionkey`` and ``recordedtime`` are registered extensions, ``causationid`` is ours.
"""

from pydantic_core import to_json

from domain.events import (
    EscalationClaimed,
    EscalationClosed,
    EscalationEvent,
    EscalationReleased,
    Event,
    HandedBack,
    NodeRequested,
    NodeServed,
    NotesUpdated,
    Renotified,
    SessionAbandoned,
    SessionEscalated,
    SessionResolved,
    SessionStarted,
    StepRecorded,
    TicketChanged,
)
from domain.history import Recorded
from domain.people import SYSTEM
from domain.sessions import Escalated
from domain.tickets import TICKET_ENDED
from producers import topics
from producers.event_data import event_data
from producers.handover import path, summary
from producers.ids import event_id
from producers.json import more, quoted, rfc3339, without_absent
from storage.headers import pack
from storage.outbox import Message

CONTENT_TYPE = "application/cloudevents+json; charset=UTF-8"
_PATH_LIMIT = 512 * 1024
TYPES = {
    SessionStarted: "firstline.session.started.v1",
    StepRecorded: "firstline.session.step_recorded.v1",
    NotesUpdated: "firstline.session.notes_updated.v1",
    NodeRequested: "firstline.session.node_requested.v1",
    NodeServed: "firstline.session.node_served.v1",
    SessionResolved: "firstline.session.resolved.v1",
    SessionEscalated: "firstline.session.escalated.v1",
    SessionAbandoned: "firstline.session.abandoned.v1",
    TicketChanged: "firstline.session.ticket_changed.v1",
    EscalationClaimed: "firstline.escalation.claimed.v1",
    EscalationReleased: "firstline.escalation.released.v1",
    EscalationClosed: "firstline.escalation.closed.v1",
    HandedBack: "firstline.escalation.handed_back.v1",
    Renotified: "firstline.escalation.renotified.v1",
}


def messages(recorded: Recorded, trace: bytes = b"") -> list[Message]:
    """Everything that goes out because of one event, with its command's trace context, packed."""
    event = recorded.event
    identity = event_id(recorded.command.command_id, recorded.place)
    envelope, headers = _attributes(recorded, identity)
    told, key = f"{envelope}{event_data(recorded)}", recorded.session.origin.session_id.encode()
    headers += trace

    def message(topic: str, added: str) -> Message:
        return Message(topic, key, f"{told}{added}}}}}".encode(), headers)

    found = [message(topics.SESSION_EVENTS, _notes(event))]
    if isinstance(event, StepRecorded):  # most are, and go nowhere else
        return found
    if (asked := _asked_of_ticketing(recorded)) is not None:
        action, note = asked
        found.append(message(topics.TICKETING, f',"action":"{action}","note":{quoted(note)}'))
    if isinstance(event, (SessionEscalated, EscalationEvent)):
        found.append(message(topics.ENGINEER_NOTIFICATIONS, more(_notification(recorded))))
    if isinstance(event, NodeRequested):
        request = _node_request(recorded, identity)
        found.append(Message(topics.NODE_REQUESTS, key, request, JSON_HEADERS + trace))
    return found


def _asked_of_ticketing(recorded: Recorded) -> tuple[str, str] | None:
    """What the ticket system must do, and the note to leave there.

    It is not told of an abandonment that its own ticket's end caused.
    """
    match recorded.event:
        case SessionResolved(resolution_notes=notes) | EscalationClosed(resolution_notes=notes):
            return "close", notes
        case SessionEscalated(reason=reason):
            return "escalate", reason or ""
        case SessionAbandoned(reason=reason):
            if recorded.actor == SYSTEM and reason in TICKET_ENDED:
                return None
            return "note", reason or ""
        case HandedBack(instructions=instructions):
            return "note", instructions
        case _:
            return None


def _attributes(recorded: Recorded, identity: str) -> tuple[str, bytes]:
    """The attributes twice: as the beginning of the JSON object up to its data, and as headers.

    Every one of them is ours and plain ASCII, ids, times and names of types, so that nothing
    needs quoting; building the two texts costs a fraction of two dictionaries and an encoder.
    """
    session_id = recorded.session.origin.session_id
    account_id = recorded.session.origin.account_id
    kind = TYPES[type(recorded.event)]
    time = rfc3339(recorded.event.at)
    sequence = str(recorded.session.version).zfill(10)
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
    return envelope, headers.encode()


def _notes(event: Event) -> str:
    """The notes as they go on in the data, JSON already."""
    return f',"notes":{event.notes}' if isinstance(event, NotesUpdated) else ""


def _notification(recorded: Recorded) -> dict[str, object]:
    session = recorded.session
    if not isinstance(session, Escalated):
        msg = "an escalation's event left a session that is not escalated"
        raise TypeError(msg)
    recipients = [
        without_absent({"email": recipient.email, "user_id": recipient.user_id})
        for recipient in recorded.recipients
    ]
    return {
        "dedup_key": f"firstline:{session.origin.session_id}",
        "recipients": recipients,
        "summary": summary(session, recorded.walk),
    }


def _node_request(recorded: Recorded, identity: str) -> bytes:
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
    return to_json(value)


JSON_HEADERS = pack([(b"content-type", b"application/json; charset=UTF-8")])
"""The headers of messages that are not CloudEvents."""
