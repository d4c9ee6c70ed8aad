"""What happened to a session: one frozen type an event, in the past tense.

Every event moves the session's version by one. ``at`` is when firstline recorded it.
"""

from dataclasses import dataclass
from datetime import datetime

from domain.people import Actor
from domain.sessions import SessionKind
from domain.tickets import TicketRef


@dataclass(frozen=True, slots=True, kw_only=True)
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
    category: str | None = None
    problem_text: str | None = None
    previous_session_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecorded:
    """A node was answered. ``position`` counts the walk's steps from 1."""

    at: datetime
    position: int
    node_id: str
    question: str
    answer: str
    option_id: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotesUpdated:
    """The notes were replaced by ``notes``, a JSON array of objects as compact JSON text."""

    at: datetime
    notes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRequested:
    """An AI-built walk needs its next question."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionResolved:
    """The problem is solved."""

    at: datetime
    helpful: bool | None
    resolution_notes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEscalated:
    """An engineer has to take over."""

    at: datetime
    reason: str | None
    reason_category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionAbandoned:
    """The session ended without an outcome."""

    at: datetime
    reason: str | None


Event = (
    SessionStarted
    | StepRecorded
    | NotesUpdated
    | NodeRequested
    | SessionResolved
    | SessionEscalated
    | SessionAbandoned
)
