"""Every message of the wire contract: its name, its model, and the topics that carry it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from inspect import getdoc
from typing import Any, get_args

from pydantic import BaseModel, TypeAdapter

from producers import topics
from producers.events import TYPES
from schemas import events, outcomes
from schemas.commands import INTERNAL_TYPES, AnyCommand
from schemas.examples import EXAMPLES
from schemas.headers import CloudEventHeaders, JsonHeaders
from schemas.replies import REPLIES
from schemas.states import NodeRequest, RelayProgress, SessionState
from schemas.ticket_events import TicketEvent

_EVENTS: dict[str, tuple[type[BaseModel], ...]] = {
    topics.SESSION_EVENTS: (
        events.SessionStarted,
        events.StepRecorded,
        events.NotesUpdated,
        events.NodeRequested,
        events.NodeServed,
        events.SessionResolved,
        events.SessionEscalated,
        events.SessionAbandoned,
        events.TicketChanged,
        events.EscalationClaimed,
        events.EscalationReleased,
        events.EscalationClosed,
        events.EscalationHandedBack,
        events.EscalationRenotified,
    ),
    topics.TICKETING: (
        outcomes.TicketResolved,
        outcomes.TicketEscalated,
        outcomes.TicketAbandoned,
        outcomes.TicketClosed,
        outcomes.TicketHandedBack,
    ),
    topics.ENGINEER_NOTIFICATIONS: (
        outcomes.EscalatedNotification,
        outcomes.RenotifiedNotification,
        outcomes.ClaimedNotification,
        outcomes.ReleasedNotification,
        outcomes.ClosedNotification,
        outcomes.HandedBackNotification,
    ),
}


@dataclass(frozen=True, slots=True)
class Message:
    """One kind of message, whose values ``reader`` reads as the ``model`` of this name.

    ``type`` is what a command or an event says it is. ``planned`` messages belong to the contract,
    but this version of the program does not send them.
    """

    name: str
    model: str
    summary: str
    topics: tuple[str, ...]
    reader: TypeAdapter[Any]
    headers: type[BaseModel] | None = None
    type: str | None = None
    planned: bool = False

    @property
    def example(self) -> object:
        """What the value of such a message may be."""
        return EXAMPLES[self.name]


@cache
def messages() -> tuple[Message, ...]:
    """All but dead letters and tombstones, whose values say nothing."""
    return (*_commands(), *_plain(), *_events())


def _commands() -> Iterator[Message]:
    carried = (topics.CHAT_COMMANDS, topics.PSA_COMMANDS, topics.INTERNAL_COMMANDS)
    for model in get_args(AnyCommand):
        kind = _type(model)
        yield Message(
            f"command.{kind}",
            model.__name__,
            _summary(model),
            carried[-1:] if kind in INTERNAL_TYPES else carried,
            TypeAdapter(model),
            type=kind,
        )


def _plain() -> Iterator[Message]:
    for name, model, topic, headers in (
        ("ticket-event", TicketEvent, topics.TICKET_EVENTS, None),
        ("session-state", SessionState, topics.SESSION_STATE, JsonHeaders),
        ("node-request", NodeRequest, topics.NODE_REQUESTS, JsonHeaders),
        ("relay-progress", RelayProgress, topics.RELAY_PROGRESS, None),
    ):
        reader: TypeAdapter[Any] = TypeAdapter(model)
        yield Message(name, model.__name__, _summary(model), (topic,), reader, headers)
    yield Message(
        "reply", "Reply", "The answer to a command.", (topics.REPLIES,), REPLIES, JsonHeaders
    )


def _events() -> Iterator[Message]:
    sent = set(TYPES.values())
    for topic, models in _EVENTS.items():
        for model in models:
            kind = _type(model)
            yield Message(
                f"{topic}.{kind.split('.')[2]}",
                model.__name__,
                _summary(model),
                (topic,),
                TypeAdapter(model),
                CloudEventHeaders,
                kind,
                planned=kind not in sent,
            )


def _type(model: type[BaseModel]) -> str:
    (kind,) = get_args(model.model_fields["type"].annotation)
    return str(kind)


def _summary(model: type[BaseModel]) -> str:
    return (getdoc(model) or "").splitlines()[0]
