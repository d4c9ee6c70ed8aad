"""The events of sessions and escalations: CloudEvents 1.0 in structured mode, by type.

An event's ``id`` never changes, and is unique per topic. On session-events, a session's
``sequence`` is 1, 2, 3 … in order, for whoever reads committed records only.
"""

from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, StringConstraints

from schemas.fields import UUID_PATTERN, Id, Time
from schemas.published import Actor, FlowVersion, Kind, Published, ShownNode, Ticket, WrittenTime

_Data = TypeVar("_Data", bound="EventData")


class EventData(Published):
    """What the data of every event has."""

    account_id: Id
    session_id: Id
    session_kind: Kind
    source: Literal["chat", "psa", "internal"]
    """The topic that the command arrived on."""

    actor: Actor
    ticket: Ticket
    occurred_at: Time | None = None
    """When the sender saw it, as the sender wrote it."""


class CloudEvent(Published, Generic[_Data]):
    """The attributes of every event."""

    specversion: Literal["1.0"]
    id: Id
    """Derived from the command's id and the event's place in it; deduplicate by it."""

    source: Annotated[
        str, StringConstraints(pattern=f"^/firstline/accounts/{UUID_PATTERN.removeprefix('^')}")
    ]
    subject: Id
    """The session's id."""

    time: WrittenTime
    datacontenttype: Literal["application/json"]
    sequence: Annotated[str, StringConstraints(pattern="^[0-9]{10}$")]
    """The session's version at this event, zero-padded."""

    partitionkey: Id
    """The session's id, which is the record's key."""

    causationid: Id
    """The id of the command that caused it."""

    recordedtime: WrittenTime
    data: _Data


# -- data --------------------------------------------------------------------------------------


class StartedData(EventData):
    """What a session is; which of the optional fields are there follows from its kind."""

    flow_id: Id | None = None
    flow_version: FlowVersion | None = None
    flow_proposal_id: Id | None = None
    category: str | None = None
    problem_text: str | None = None
    previous_session_id: Id | None = None
    """The session that was handed back as this one, or the last one on a reopened ticket."""


class StepRecordedData(EventData):
    """A node and its answer, as they stood when it was answered."""

    node_id: str
    question: str
    """What was asked; empty where nobody said."""

    option_id: str | None = None
    answer: str
    note: str | None = None
    position: Annotated[int, Field(ge=1)]
    """The step's place in the walk."""


class NotesUpdatedData(EventData):
    """The notes, whole."""

    notes: list[dict[str, Any]]


class NodeServedData(EventData):
    """The question that an AI-built walk goes on with."""

    node: ShownNode


class OutcomeData(EventData):
    """What every outcome tells of the session that it ends."""

    started_at: WrittenTime
    ended_at: WrittenTime
    steps: Annotated[int, Field(ge=0)]
    """How many nodes were answered."""

    category: str | None = None
    flow_id: Id | None = None
    flow_version: FlowVersion | None = None


class ResolvedData(OutcomeData):
    """The problem is solved."""

    outcome: Literal["resolved"]
    helpful: bool | None
    """Null where nobody could tell."""

    resolution_notes: str


class EscalatedData(OutcomeData):
    """An engineer has to take over. ``reason`` is null where none was given."""

    outcome: Literal["escalated"]
    reason: str | None
    reason_category: str


class AbandonedData(OutcomeData):
    """Nobody finished it. ``reason`` is null where none was given."""

    outcome: Literal["abandoned"]
    reason: str | None


class RenotifiedData(EventData):
    """Which time people were told again, from 1."""

    step: Annotated[int, Field(ge=1)]


class ClosedData(EventData):
    """The engineer solved it."""

    resolution_notes: str


class HandedBackData(EventData):
    """The engineer returned it to the first line."""

    instructions: str
    new_session_id: Id
    """The session that goes on."""


# -- events ------------------------------------------------------------------------------------


class SessionStarted(CloudEvent[StartedData]):
    """A session came to be."""

    type: Literal["firstline.session.started.v1"]


class StepRecorded(CloudEvent[StepRecordedData]):
    """A node was answered."""

    type: Literal["firstline.session.step_recorded.v1"]


class NotesUpdated(CloudEvent[NotesUpdatedData]):
    """The notes were replaced."""

    type: Literal["firstline.session.notes_updated.v1"]


class NodeRequested(CloudEvent[EventData]):
    """An AI-built walk needs its next question."""

    type: Literal["firstline.session.node_requested.v1"]


class NodeServed(CloudEvent[NodeServedData]):
    """An AI-built walk has its next question."""

    type: Literal["firstline.session.node_served.v1"]


class SessionResolved(CloudEvent[ResolvedData]):
    """The problem was solved."""

    type: Literal["firstline.session.resolved.v1"]


class SessionEscalated(CloudEvent[EscalatedData]):
    """An engineer has to take over."""

    type: Literal["firstline.session.escalated.v1"]


class SessionAbandoned(CloudEvent[AbandonedData]):
    """The session ended without an outcome."""

    type: Literal["firstline.session.abandoned.v1"]


class TicketChanged(CloudEvent[EventData]):
    """The session goes on on another ticket, into which its own was merged: that in the data."""

    type: Literal["firstline.session.ticket_changed.v1"]


class EscalationClaimed(CloudEvent[EventData]):
    """An engineer took the escalation on."""

    type: Literal["firstline.escalation.claimed.v1"]


class EscalationReleased(CloudEvent[EventData]):
    """The escalation is in the queue again."""

    type: Literal["firstline.escalation.released.v1"]


class EscalationClosed(CloudEvent[ClosedData]):
    """The engineer solved it."""

    type: Literal["firstline.escalation.closed.v1"]


class EscalationHandedBack(CloudEvent[HandedBackData]):
    """The first line goes on, in another session."""

    type: Literal["firstline.escalation.handed_back.v1"]


class EscalationRenotified(CloudEvent[RenotifiedData]):
    """Nothing happened to the escalation for too long, and people are told again."""

    type: Literal["firstline.escalation.renotified.v1"]
