"""What each topic is for, whether firstline reads or writes it, and how its records are keyed."""

from dataclasses import dataclass
from typing import Any

from producers import topics
from schemas.fields import UUID_PATTERN

Json = dict[str, Any]

_SESSION_ID: Json = {
    "type": "string",
    "format": "uuid",
    "pattern": UUID_PATTERN,
    "description": "The session's id; murmur2 of the key's bytes picks the partition.",
}
_TICKET: Json = {
    "type": "string",
    "pattern": f"{UUID_PATTERN.removesuffix('$')}:(psa|internal):.{{1,64}}$",
    "description": "`account_id:ticket_kind:ticket_id`.",
}
_ORIGINAL: Json = {"description": "The original record's key, byte for byte; none if it had none."}
_SHARD: Json = {"type": "string", "pattern": "^[0-9]+$", "description": "The relay's shard."}


@dataclass(frozen=True, slots=True)
class Channel:
    """A topic, by its name without the prefix."""

    name: str
    description: str
    receives: bool = False
    sends: bool = False
    key: Json | None = None

    @property
    def layout(self) -> topics.Topic:
        """How `firstline topics` creates it."""
        (found,) = (topic for topic in topics.ALL if topic.name == self.name)
        return found

    @property
    def keyed_by(self) -> Json:
        """The schema of its records' keys."""
        return _SESSION_ID if self.key is None else self.key


CHANNELS = (
    Channel(
        topics.CHAT_COMMANDS,
        "Session commands of chat integrations. Only they may write here: the topic is the source.",
        receives=True,
    ),
    Channel(
        topics.PSA_COMMANDS,
        "Session commands of PSA integrations. Only they may write here: the topic is the source.",
        receives=True,
    ),
    Channel(
        topics.INTERNAL_COMMANDS,
        "firstline's own commands, and some types that it alone may send. Here `actor_id` may be"
        " absent, and then the system acts.",
        receives=True,
    ),
    Channel(
        topics.TICKET_EVENTS,
        "What happened to tickets, from webhooks.",
        receives=True,
        key=_TICKET,
    ),
    Channel(topics.NODE_REQUESTS, "AI-built walks that need their next question.", sends=True),
    Channel(topics.SESSION_EVENTS, "Every event of every session, in order.", sends=True),
    Channel(
        topics.SESSION_STATE,
        "The latest state of each session; null once its account is deleted.",
        sends=True,
    ),
    Channel(topics.TICKETING, "What the ticket system must do.", sends=True),
    Channel(
        topics.ENGINEER_NOTIFICATIONS,
        "Who must be told about an escalation, and what.",
        sends=True,
    ),
    Channel(
        topics.REPLIES,
        "The answer to every readable command, found by its command_id; keyed by the session_id of"
        " the command's body.",
        sends=True,
    ),
    Channel(
        topics.DEAD_LETTERS,
        "Records that could not be read or applied, untouched, with headers that say why.",
        sends=True,
        key=_ORIGINAL,
    ),
    Channel(
        topics.RELAY_PROGRESS,
        "How far the relay has come, a partition a shard: its own, and not to be mirrored.",
        receives=True,
        sends=True,
        key=_SHARD,
    ),
)
