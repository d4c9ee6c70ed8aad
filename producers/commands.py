"""What firstline asks of itself: session commands on the internal topic."""

from collections.abc import Mapping

from pydantic_core import to_json

from producers import topics
from producers.events import JSON_HEADERS
from storage.outbox import Message


def message(command: Mapping[str, object], trace: bytes = b"") -> Message:
    """The command, keyed by its session; ``trace`` is the context that it goes on with, packed."""
    key = str(command["session_id"]).encode()
    return Message(topics.INTERNAL_COMMANDS, key, to_json(command), JSON_HEADERS + trace)
