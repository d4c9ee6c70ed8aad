"""What happened to a session: one frozen type an event, in the past tense.

Every event moves the session's version by one. ``at`` is when firstline recorded it.
"""

from datetime import datetime

from domain.built_nodes import BuiltNode
from domain.people import Actor
from domain.sessions import SessionKind
from domain.tickets import TicketRef
from domain.values import keyword_value


@keyword_value
class SessionStarted:
    """A session came to be. Which of the optional fields are set follows from ``kind``."""

    at: datetime
    session_id: str
    account_id: str
    kind: SessionKind
    ticket: TicketRef
    started_by: Actor
    flow_id: str | None = None
    flow_version: int | None = None
    flow_proposal_id: str | None = None
    current_node_id: str | None = None
    category: str | None = None
    problem_text: str | None = None
    previous_session_id: str | None = None


@keyword_value
class StepRecorded:
    """A node was answered. ``position`` counts the walk's steps from 1.

    ``next_node_id`` is what to show next; None where it has to be generated.
    """

    at: datetime
    position: int
    node_id: str
    question: str
    answer: str
    option_id: str | None = None
    note: str | None = None
    next_node_id: str | None = None


@keyword_value
class NotesUpdated:
    """The notes were replaced by ``notes``, a JSON array of objects as compact JSON text."""

    at: datetime
    notes: str


@keyword_value
class NodeRequested:
    """An AI-built walk needs its next node. ``request_id`` is the id of this event itself."""

    at: datetime
    request_id: str


@keyword_value
class NodeServed:
    """An AI-built walk got the node that ``request_id`` asked for."""

    at: datetime
    request_id: str
    node: BuiltNode


@keyword_value
class SessionResolved:
    """The problem is solved."""

    at: datetime
    helpful: bool | None
    resolution_notes: str


@keyword_value
class SessionEscalated:
    """An engineer has to take over. ``by`` is who escalated, and may not claim it."""

    at: datetime
    by: str
    reason: str | None
    reason_category: str


@keyword_value
class SessionAbandoned:
    """The session ended without an outcome."""

    at: datetime
    reason: str | None


@keyword_value
class TicketChanged:
    """The session goes on on another ticket: the PSA merged the two."""

    at: datetime
    ticket: TicketRef


@keyword_value
class EscalationClaimed:
    """An engineer took the escalation on."""

    at: datetime
    by: str


@keyword_value
class EscalationReleased:
    """The engineer gave it back to the queue."""

    at: datetime


@keyword_value
class EscalationClosed:
    """The engineer solved it."""

    at: datetime
    resolution_notes: str


@keyword_value
class HandedBack:
    """The engineer handed it back to first line, where a new session goes on."""

    at: datetime
    instructions: str
    new_session_id: str


@keyword_value
class Renotified:
    """Nobody acted in time, and people were told again. ``step`` counts these from 1."""

    at: datetime
    step: int


SessionEvent = (
    SessionStarted
    | StepRecorded
    | NotesUpdated
    | NodeRequested
    | NodeServed
    | SessionResolved
    | SessionEscalated
    | SessionAbandoned
    | TicketChanged
)
"""What happens to a session itself; each is activity."""

EscalationEvent = (
    EscalationClaimed | EscalationReleased | EscalationClosed | HandedBack | Renotified
)
"""What happens to an escalation after its session has ended: no activity of first line."""

Event = SessionEvent | EscalationEvent
