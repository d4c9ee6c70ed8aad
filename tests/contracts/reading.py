"""Which of the published messages a record is, and whether it is one."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from firstline.contracts.messages import Message, messages
from producers import topics
from schemas.headers import DeadLetterHeaders

ROOT = Path(__file__).parents[2]
JSON_SCHEMAS = ROOT / "schemas" / "json"

Headers = Sequence[tuple[bytes, bytes | None]]


def message_of(value: Any, topic: str | None = None) -> Message:  # noqa: ANN401 - any JSON
    """The one message that a value says it is, on this topic or on any."""
    kind = value.get("type") if isinstance(value, dict) else None
    found = [
        message
        for message in messages()
        if (topic is None or topic in message.topics) and message.type == kind
    ]
    if topic is None and kind is None:
        found = [message for message in found if message.name == "reply"]
    # What the session's own event says, the events for others say too, and more.
    assert found, f"no message of type {kind!r} on {topic}"
    return found[0]


def must_be_published(topic: str, value: bytes | None, headers: Headers) -> None:
    """Fail where a record that firstline wrote is not exactly as published.

    Read by the models, which must know every field, and held against the file of its JSON Schema.
    """
    if topic == topics.DEAD_LETTERS:
        ours = [header for header in headers if header[0].startswith(b"fl_")]
        DeadLetterHeaders.model_validate_strings(_text(ours), extra="forbid")
        return
    if value is None:
        assert topic == topics.SESSION_STATE
        return
    message = message_of(json.loads(value), topic)
    message.reader.validate_json(value, extra="forbid")
    assert not schema_faults(message, json.loads(value))
    if message.headers is not None:
        message.headers.model_validate(_text(headers), extra="forbid")


def schema_faults(message: Message, value: object) -> list[str]:
    """What the file of the message's JSON Schema has against a value."""
    return [error.message for error in _validator(message.name).iter_errors(value)]


@cache
def _validator(name: str) -> Draft202012Validator:
    schema = json.loads((JSON_SCHEMAS / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def _text(headers: Headers) -> dict[str, str]:
    """The headers as text; a name that comes twice is a fault."""
    named = [(name.decode(), (value or b"").decode()) for name, value in headers]
    assert len(dict(named)) == len(named)
    return dict(named)
