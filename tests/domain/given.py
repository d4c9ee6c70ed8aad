"""``given(events).when(command).then(events | code)``: a decision told as a story."""

from collections.abc import Sequence
from dataclasses import dataclass

from domain.commands import Command
from domain.context import Context, Walkable
from domain.decide import decide
from domain.decisions import Accepted, Code, Decision, NoKnowledge, Rejected
from domain.events import Event
from domain.evolve import evolve
from domain.sessions import Session, Unborn
from tests.builders import MAIL, NOW, REQUEST, a_user, made


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a command."""

    decision: Decision

    def then(self, *expected: Event | Code | NoKnowledge) -> None:
        """Expect these events in order, this code alone, or that nothing had to happen."""
        match self.decision:
            case Accepted(events):
                assert events == expected
            case Rejected(code):
                assert (code,) == expected
            case NoKnowledge():
                assert (NoKnowledge(),) == expected


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
    """Acme's technician acts, `MAIL` is walked, and nothing is known of the ticket."""
    known = {
        "now": NOW,
        "user": a_user(),
        "event_id": lambda _: REQUEST,
        "walkable": Walkable(MAIL, 1),
    }
    return made(Context, known, more)
