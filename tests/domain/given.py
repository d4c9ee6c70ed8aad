"""``given(events).when(command).then(events | code)``: a decision told as a story."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.commands import Command
from domain.decide import Context, decide
from domain.decisions import Accepted, Code, Decision, Rejected
from domain.events import Event
from domain.evolve import evolve
from domain.sessions import Session, Unborn
from tests.builders import NOW, a_user, made


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command."""

    decision: Decision

    def then(self, *expected: Event | Code) -> None:
        """Expect these events in order, this code alone, or that nothing had to happen."""
        match self.decision:
            case Accepted(events):
                assert events == expected
            case Rejected(code):
                assert (code,) == expected


@dataclass(frozen=True, slots=True)
class Story:
    """A session with its history so far."""

    session: Session

    def when(self, command: Command, **knowing: object) -> Outcome:
        """Decide the command, where all that it names exists but for what ``knowing`` says."""
        return Outcome(decide(self.session, command, a_context(**knowing)))


def given(*events: Event) -> Story:
    """A session to which these events happened; none has the id where there are none."""
    return Story(after(events))


def after(events: Sequence[Event], session: Session | None = None) -> Session:
    """The session after the events."""
    session = session or Unborn()
    for event in events:
        session = evolve(session, event)
    return session


def a_context(**more: object) -> Context:
    """Acme's technician acts, flow and proposal exist, and nothing is known of the ticket."""
    known = {"now": NOW, "user": a_user(), "flow_version": 1, "proposal_exists": True}
    return made(Context, known, more)
