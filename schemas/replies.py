"""The answer to a command, on the replies topic: accepted, rejected, or aborted for want of a flow.

Every readable command gets one, keyed by its ``session_id``. A record that repeats a command gets
the first answer again, marked as a duplicate.
"""

from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from schemas.fields import Correlation, Id
from schemas.published import Kind, Published, SessionVersion, ShownNode, Status, WrittenTime

Code = Literal[
    "invalid",
    "key_mismatch",
    "notes_too_large",
    "command_id_reused",
    "forbidden",
    "unknown_session",
    "session_exists",
    "stale_version",
    "not_active",
    "not_escalated",
    "already_claimed",
    "not_claimed",
    "wrong_kind",
    "unknown_flow",
    "unknown_proposal",
    "unknown_ticket",
    "ticket_closed",
    "ticket_has_active_session",
    "stale_node",
    "unknown_option",
    "path_too_long",
    "discarded",
]
"""Why a command was refused: the first that applies, in this order."""


class SessionView(Published):
    """A session in a reply: enough to draw it."""

    status: Status
    kind: Kind
    current_node_id: str | None = None


class Candidate(Published):
    """Something that the account knows and that matches a problem."""

    kind: Literal["flow", "proposal", "article"]
    id: Id
    title: str
    score: Annotated[float, Field(ge=0)]
    """How well it matches; higher is better, and only comparable within one reply."""


class IntakeView(Published):
    """What an intake found. A picked article stands for an AI-built walk."""

    picked: Candidate
    runners_up: list[Candidate]
    """At most three of each kind, best first of each."""


class _Reply(Published):
    command_id: Id
    session_id: Id
    duplicate: bool
    """Whether the command came before; the rest is what was answered then."""

    node: ShownNode | None = None
    """What to show next; on a rejection, what to show again."""

    correlation: Correlation | None = None
    """What the command said."""

    recorded_at: WrittenTime


class Accepted(_Reply):
    """The command took effect, or what it asks for was so already."""

    outcome: Literal["accepted"]
    account_id: Id
    version: SessionVersion
    session: SessionView
    intake: IntakeView | None = None
    """Of an intake that had to pick."""


class Rejected(_Reply):
    """The command changed nothing; a corrected one needs a new ``command_id``.

    ``version``, ``session`` and ``node`` are there only where the sender's account owns the
    session, ``account_id`` where the command had a readable one.
    """

    outcome: Literal["rejected"]
    account_id: Id | None = None
    code: Code
    message: str
    """A sentence for people, without any text of the sender's."""

    active_session_id: Id | None = None
    """With ``ticket_has_active_session``: which."""

    version: SessionVersion | None = None
    session: SessionView | None = None


class AbortedNoKb(_Reply):
    """Nothing is known about the problem, and no session was started.

    ``escalate_without_walk`` is the way on.
    """

    outcome: Literal["aborted_no_kb"]
    account_id: Id


Reply = Accepted | Rejected | AbortedNoKb

REPLIES: TypeAdapter[Reply] = TypeAdapter(Annotated[Reply, Field(discriminator="outcome")])
"""Validates the bytes of one record's value."""
