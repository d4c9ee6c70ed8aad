"""What was recorded: an event together with what surrounds it."""

from domain.commands import Command
from domain.events import Event, StepRecorded
from domain.people import Actor, Recipient
from domain.sessions import Born
from domain.values import value


@value
class Walk:
    """How far a session has been walked: its steps in order, its notes as JSON text."""

    steps: tuple[StepRecorded, ...] = ()
    notes: str | None = None


@value
class Recorded:
    """An event, the command that caused it, who acted, and the session right after it.

    The session's version is the event's sequence number. ``place`` counts the command's events
    from 0. ``walk`` is given where the event tells of the walk (escalations, requested nodes),
    ``recipients`` with escalations.
    """

    event: Event
    session: Born
    command: Command
    place: int
    actor: Actor
    source: str
    walk: Walk = Walk()
    recipients: tuple[Recipient, ...] = ()
