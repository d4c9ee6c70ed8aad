"""Messages that wait for the relay.

A row is a ready-made message. Rows of one session are in order, because their ids are drawn while
the session is locked. The relay takes them in intents: `storage.intents`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from storage import tables
from storage.database import Transaction


class Message(NamedTuple):
    """What goes to Kafka; ``topic`` is without the prefix. No value is a tombstone.

    ``headers`` are packed as `storage.headers` does it. Like a row, a tuple: there are three of
    them a command, and a frozen dataclass takes three times as long to make.
    """

    topic: str
    key: bytes | None
    value: bytes | None
    headers: bytes = b""


class Row(NamedTuple):
    """A message in the outbox."""

    id: int
    message: Message


class MessageTooLarge(Exception):
    """A message exceeds what the topics take. It is the fault of the record that caused it."""


async def stage(
    tx: Transaction, messages: Sequence[Message], most_bytes: int, shard: int = 0
) -> None:
    """Append messages, in order. Raises `MessageTooLarge`."""
    if not messages:
        return
    largest = max(messages, key=size)
    if size(largest) > most_bytes:
        msg = f"a message for {largest.topic} has {size(largest)} bytes"
        raise MessageTooLarge(msg)
    # No id may be drawn by a transaction that has none itself: see `storage.floor`.
    await tx.take_id()
    await tx.append(
        tables.outbox,
        ("shard", "topic", "key", "headers", "value"),
        [
            (shard, message.topic, message.key, message.headers, message.value)
            for message in messages
        ],
    )
    await tx.flush()  # their ids are drawn here


def size(message: Message) -> int:
    """Bytes of key, headers and value."""
    return len(message.key or b"") + len(message.value or b"") + len(message.headers)
