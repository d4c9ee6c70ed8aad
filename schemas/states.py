"""Plain JSON of firstline: where each session stands, and which walk needs its next question."""

from typing import Annotated, Any, Literal

from pydantic import Field, RootModel

from schemas.fields import CategoryOrEmpty, Id
from schemas.published import (
    FlowVersion,
    Kind,
    Published,
    SessionVersion,
    Status,
    Ticket,
    WrittenTime,
)


class EscalationState(Published):
    """How far an escalation has come."""

    status: Literal["open", "claimed", "closed", "handed_back"]
    claimed_by: Id | None = None


class SessionState(Published):
    """The latest state of a session, without its notes and steps.

    The topic is compacted; a null value means that the session's account was deleted.
    """

    session_id: Id
    account_id: Id
    status: Status
    kind: Kind
    version: SessionVersion
    ticket: Ticket
    category: CategoryOrEmpty | None = None
    flow_id: Id | None = None
    flow_version: FlowVersion | None = None
    current_node_id: str | None = None
    steps: Annotated[int, Field(ge=0)]
    """How many nodes were answered."""

    started_at: WrittenTime
    last_activity_at: WrittenTime
    ended_at: WrittenTime | None = None
    escalation: EscalationState | None = None


class NodeRequest(Published):
    """An AI-built walk needs its next question."""

    request_id: Id
    """The id of the node_requested event."""

    session_id: Id
    account_id: Id
    category: CategoryOrEmpty | None = None
    problem_text: str
    path: list[dict[str, Any]]
    """The walk so far, in order: each step's node_id, question, answer and note.

    Where the oldest steps did not fit, the first entry is ``{"cut": "…"}`` instead.
    """


class RelayProgress(RootModel[Annotated[int, Field(ge=0)]]):
    """The number of the last intent that a shard of the relay published; of no use to others."""
