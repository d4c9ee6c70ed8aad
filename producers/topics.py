"""The topics of the wire contract, by their names without the prefix."""

from dataclasses import dataclass

CHAT_COMMANDS = "commands.chat"
PSA_COMMANDS = "commands.psa"
INTERNAL_COMMANDS = "commands.internal"
TICKET_EVENTS = "ticket-events"
NODE_REQUESTS = "node-requests"
SESSION_EVENTS = "session-events"
SESSION_STATE = "session-state"
TICKETING = "ticketing"
ENGINEER_NOTIFICATIONS = "engineer-notifications"
REPLIES = "replies"
DEAD_LETTERS = "dead-letters"
RELAY_PROGRESS = "relay-progress"

MESSAGE_LIMIT = 900 * 1024
"""The largest message that firstline writes, in bytes of key, headers and value."""


@dataclass(frozen=True, slots=True)
class Topic:
    """How a topic is laid out.

    ``incoming`` topics are what a worker applies, most of it written by others: the broker stamps
    their records, because a sender's wrong clock would otherwise make Kafka delete commands unread.
    """

    name: str
    compacted: bool = False
    incoming: bool = False
    per_shard: bool = False


ALL = (
    Topic(CHAT_COMMANDS, incoming=True),
    Topic(PSA_COMMANDS, incoming=True),
    Topic(INTERNAL_COMMANDS, incoming=True),
    Topic(TICKET_EVENTS, incoming=True),
    Topic(NODE_REQUESTS),
    Topic(SESSION_EVENTS),
    Topic(SESSION_STATE, compacted=True),
    Topic(TICKETING),
    Topic(ENGINEER_NOTIFICATIONS),
    Topic(REPLIES),
    Topic(DEAD_LETTERS),
    Topic(RELAY_PROGRESS, compacted=True, per_shard=True),
)
