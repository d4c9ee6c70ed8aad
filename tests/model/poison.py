"""Commands that nobody can apply, told by their correlation."""

from dataclasses import replace

from domain.commands import Command
from domain.context import Context
from domain.decide import decide
from domain.decisions import Accepted, Decision
from domain.events import (
    EscalationClosed,
    Event,
    HandedBack,
    SessionAbandoned,
    SessionEscalated,
    SessionResolved,
    SessionStarted,
    StepRecorded,
)
from domain.sessions import Session

RAISES, UNSTORABLE = "raises", "unstorable"
"""Deciding such a command fails, or Postgres refuses a text of its first event."""

UNSTORABLE_FIELDS: dict[type[Event], str] = {
    SessionStarted: "category",
    StepRecorded: "answer",
    SessionResolved: "resolution_notes",
    SessionEscalated: "reason",
    SessionAbandoned: "reason",
    EscalationClosed: "resolution_notes",
    HandedBack: "instructions",
}
"""The text that makes a command's first event unstorable. Notes may be replaced unstored."""


def decide_or_fail(session: Session, command: Command, context: Context) -> Decision:
    """Decide, but for commands that are poison to whoever does."""
    if command.correlation == RAISES:
        raise ZeroDivisionError
    decision = decide(session, command, context)
    if command.correlation == UNSTORABLE and isinstance(decision, Accepted) and decision.events:
        first, *others = decision.events
        if field := UNSTORABLE_FIELDS.get(type(first)):
            first = replace(first, **{field: "\0"})  # type: ignore[arg-type]
        return Accepted((first, *others))
    return decision
