"""The session commands as senders write them, version 1.

Models are strict: what JSON calls a string, an integer or a boolean has to be one. ``null`` equals
absent, except for ``helpful``, which has to be there. Unknown fields are ignored. ``type`` has a
default for those who build a model in Python; on the wire it picks the model, and has to be there.
"""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, FailFast, Field, TypeAdapter, model_validator
from pydantic.config import JsonDict

from schemas.fields import (
    UUID_PATTERN,
    Answer,
    CategoryOrEmpty,
    Correlation,
    Id,
    NodeId,
    OptionId,
    ReasonCategory,
    Text,
    TextOrEmpty,
    TicketId,
    Time,
    Version,
)

VALUE_LIMIT = 524_288
"""The largest value of a command record, in bytes."""

NOTES_LIMIT = 262_144
"""The largest notes, in bytes of compact JSON with nothing escaped that need not be."""

DEPTH_LIMIT = 64
"""How deep the arrays and objects of a value may nest."""

STEP_LIMIT = 1_000_000
"""The last time that people are told of an escalation again."""

_CANONICAL_UUID = re.compile(UUID_PATTERN)
_INTERNAL_TICKETS_HAVE_UUIDS: JsonDict = {
    "if": {"properties": {"ticket_kind": {"const": "internal"}}, "required": ["ticket_kind"]},
    "then": {"properties": {"ticket_id": {"pattern": UUID_PATTERN}}},
}


_STRICT = ConfigDict(strict=True, frozen=True, extra="ignore", use_attribute_docstrings=True)


class CommandModel(BaseModel):
    """The fields that every command has.

    ``actor_id`` may be absent on the internal topic alone, where the system itself acts.
    """

    model_config = _STRICT

    command_id: Id
    """Names this command for good; UUIDv7 recommended. Sent again, it has no second effect."""

    session_id: Id
    """Chosen by whoever starts the session; the record's key, too."""

    account_id: Id
    """The tenant."""

    actor_id: Id | None = None
    """The user who acts."""

    occurred_at: Time | None = None
    """When the sender saw it; kept in the event's data, never decides."""

    expected_version: Version | None = None
    """Refuse with ``stale_version`` where the session is elsewhere; a start accepts only 0."""

    correlation: Correlation | None = None
    """Echoed in the reply."""


class OnTicket(CommandModel):
    """A command that names a ticket: nearly always to bring a session into being on it."""

    model_config = ConfigDict(json_schema_extra=_INTERNAL_TICKETS_HAVE_UUIDS)

    ticket_id: TicketId
    ticket_kind: Literal["psa", "internal"]

    @model_validator(mode="after")
    def _internal_tickets_have_uuids(self) -> Self:
        if self.ticket_kind == "internal" and not _CANONICAL_UUID.fullmatch(self.ticket_id):
            msg = "the ticket_id of an internal ticket is a UUID"
            raise ValueError(msg)
        return self


class StartFlow(OnTicket):
    """Walk an authored flow of the account, at its newest version."""

    type: Literal["start_flow"] = "start_flow"
    flow_id: Id


class StartProposal(OnTicket):
    """Walk a proposed flow."""

    type: Literal["start_proposal"] = "start_proposal"
    flow_proposal_id: Id


class StartAdhoc(OnTicket):
    """Investigate freely."""

    type: Literal["start_adhoc"] = "start_adhoc"


class StartAiBuild(OnTicket):
    """Walk a tree that is written as it is walked."""

    type: Literal["start_ai_build"] = "start_ai_build"
    problem_text: Text
    category: CategoryOrEmpty | None = None


class RecordStep(CommandModel):
    """Record the answer to a node of the walk."""

    type: Literal["record_step"] = "record_step"
    node_id: NodeId
    answer: Answer
    option_id: OptionId | None = None
    question: TextOrEmpty | None = None
    note: TextOrEmpty | None = None


class UpdateNotes(CommandModel):
    """Replace the notes."""

    type: Literal["update_notes"] = "update_notes"
    # Only the first fault is told, and half a megabyte has room for a quarter of a million.
    notes: Annotated[list[dict[str, Any]], FailFast()]


class Resolve(CommandModel):
    """End the session as solved."""

    type: Literal["resolve"] = "resolve"
    helpful: bool | None
    resolution_notes: TextOrEmpty


class Escalate(CommandModel):
    """End the session by handing it to an engineer."""

    type: Literal["escalate"] = "escalate"
    reason: Text
    reason_category: ReasonCategory


class EscalateWithoutWalk(OnTicket):
    """Start a session that is escalated from its first moment."""

    type: Literal["escalate_without_walk"] = "escalate_without_walk"
    reason_category: ReasonCategory
    reason: TextOrEmpty | None = None


class Abandon(CommandModel):
    """End the session without an outcome."""

    type: Literal["abandon"] = "abandon"
    reason: TextOrEmpty | None = None


class Intake(OnTicket):
    """Start whichever kind of session fits the problem.

    A ``flow_id`` picks that flow, ``adhoc`` true an adhoc session; else the best matching flow,
    then validated proposal, else an AI-built walk where the account has articles that match; else
    there is no session, and the answer is ``aborted_no_kb``.
    """

    type: Literal["intake"] = "intake"
    problem_text: Text
    category: CategoryOrEmpty | None = None
    flow_id: Id | None = None
    adhoc: bool | None = None


class NextNode(CommandModel):
    """Show the pending node of an AI-built walk again, or ask for one."""

    type: Literal["next_node"] = "next_node"


class ClaimEscalation(CommandModel):
    """Take an escalation on, as any engineer of the account but the one who escalated."""

    type: Literal["claim_escalation"] = "claim_escalation"


class ReleaseEscalation(CommandModel):
    """Give a claimed escalation back to the queue."""

    type: Literal["release_escalation"] = "release_escalation"


class CloseEscalation(CommandModel):
    """End a claimed escalation as solved."""

    type: Literal["close_escalation"] = "close_escalation"
    resolution_notes: Text


class HandBack(CommandModel):
    """Return a claimed escalation to the first line, in a new session linked to this one."""

    type: Literal["hand_back"] = "hand_back"
    instructions: Text
    new_session_id: Id
    """Chosen by the sender, like every session's id, and not yet taken."""


class MoveTicket(OnTicket):
    """Go on on the ticket that the session's own was merged into; firstline's own command."""

    type: Literal["move_ticket"] = "move_ticket"


class EndWithTicket(OnTicket):
    """End the session with its ticket, unless it left that since; firstline's own command."""

    type: Literal["end_with_ticket"] = "end_with_ticket"
    reason: Text


class Renotify(CommandModel):
    """Tell people again of an escalation; firstline's own command."""

    type: Literal["renotify"] = "renotify"
    step: Annotated[int, Field(ge=1, le=STEP_LIMIT)]
    """Which time this is; what was done before is not done again."""


class ServedChoice(BaseModel):
    """One of the answers to a generated question."""

    model_config = _STRICT
    id: NodeId
    label: Answer


class ServedNode(BaseModel):
    """A generated node, its id made when it was stored. A question has options, others have none.

    Without ``article_id`` it rests on no article.
    """

    model_config = _STRICT
    id: NodeId
    type: Literal["question", "action", "article", "resolve", "escalate"]
    text: Text
    options: Annotated[list[ServedChoice], Field(min_length=2, max_length=8)] | None = None
    article_id: Id | None = None
    reason_category: ReasonCategory | None = None

    @model_validator(mode="after")
    def _has_what_its_type_has(self) -> Self:
        if (self.type == "question") != (self.options is not None):
            msg = "questions have options, and nothing else has"
            raise ValueError(msg)
        if (self.type == "escalate") != (self.reason_category is not None):
            msg = "escalate nodes have a reason_category, and nothing else has"
            raise ValueError(msg)
        return self


class ServeNode(CommandModel):
    """Show the node that was generated for a request; firstline's own command."""

    type: Literal["serve_node"] = "serve_node"
    request_id: Id
    """The id of the node_requested event that it answers."""

    node: ServedNode


INTERNAL_TYPES = frozenset({"move_ticket", "end_with_ticket", "renotify", "serve_node"})
"""Types that the internal topic alone carries; elsewhere they are ``invalid``."""

AnyCommand = (
    Intake
    | StartFlow
    | StartProposal
    | StartAdhoc
    | StartAiBuild
    | NextNode
    | RecordStep
    | UpdateNotes
    | Resolve
    | Escalate
    | EscalateWithoutWalk
    | Abandon
    | ClaimEscalation
    | ReleaseEscalation
    | CloseEscalation
    | HandBack
    | MoveTicket
    | EndWithTicket
    | Renotify
    | ServeNode
)

COMMANDS: TypeAdapter[AnyCommand] = TypeAdapter(Annotated[AnyCommand, Field(discriminator="type")])
"""Validates the bytes of one record's value."""
