"""The JSON Schema files say what the models and the decoder say."""

import json
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from consumers.decode import decode
from consumers.reasons import Reason
from consumers.records import Delivery, Source
from domain.decisions import Code
from domain.people import L1_COVERAGE
from domain.sessions import SessionKind, SessionStatus
from domain.tickets import TicketKind
from firstline.contracts.messages import Message, messages
from producers import topics
from schemas import published, replies
from schemas.commands import INTERNAL_TYPES
from schemas.headers import DeadLetterHeaders
from tests.builders import an_id
from tests.consumers.wire import REQUIRED, ARecord, command, encode
from tests.contracts.reading import message_of, schema_faults

MESSAGES = {message.name: message for message in messages()}
OBJECTS = {name: one for name, one in MESSAGES.items() if isinstance(one.example, dict)}


@pytest.mark.parametrize("message", MESSAGES.values(), ids=MESSAGES)
def test_the_example_is_such_a_message(message: Message) -> None:
    message.reader.validate_json(json.dumps(message.example), extra="forbid")
    assert not schema_faults(message, message.example)


@pytest.mark.parametrize("message", OBJECTS.values(), ids=OBJECTS)
def test_schema_and_model_refuse_the_same_where_a_field_is_missing_null_or_of_another_type(
    message: Message,
) -> None:
    example = _object(message)
    for name in example:
        for changed in (_without(example, name), example | {name: None}, example | {name: [7]}):
            assert bool(schema_faults(message, changed)) == _model_refuses(message, changed), (
                changed
            )


@pytest.mark.parametrize("message", OBJECTS.values(), ids=OBJECTS)
def test_readers_are_to_ignore_what_they_do_not_know(message: Message) -> None:
    later = _object(message) | {"from_a_later_version": {"x": 1}}
    message.reader.validate_json(json.dumps(later))
    assert not schema_faults(message, later)


@pytest.mark.parametrize(
    "changed",
    [
        {"command_id": an_id(1).upper().replace("0", "A")},
        {"session_id": an_id(1).replace("-", "")},
        {"occurred_at": "2026-03-01T12:00:00"},
        {"expected_version": -1},
        {"expected_version": True},
        {"correlation": "x" * 129},
        {"ticket_id": ""},
        {"ticket_id": "x" * 65},
        {"ticket_id": "a\0b"},
        {"ticket_kind": "other"},
        {"ticket_kind": "internal"},
        {"problem_text": "🐢" * 20_001},
        {"category": "x" * 101},
    ],
    ids=str,
)
def test_what_the_schema_of_a_command_refuses_the_decoder_refuses(changed: dict[str, Any]) -> None:
    made = command("start_ai_build", **changed)
    assert schema_faults(MESSAGES["command.start_ai_build"], made)
    assert not isinstance(_decode(made), Delivery)


@pytest.mark.parametrize("kind", REQUIRED)
def test_what_the_schema_of_a_command_allows_the_decoder_takes(kind: str) -> None:
    made = command(kind)
    assert not schema_faults(message_of(made), made)
    assert isinstance(_decode(made), Delivery)


@pytest.mark.parametrize("kind", sorted(INTERNAL_TYPES))
def test_the_internal_topic_alone_carries_the_commands_of_the_system(kind: str) -> None:
    message = MESSAGES[f"command.{kind}"]
    assert message.topics == (topics.INTERNAL_COMMANDS,)
    assert isinstance(_decode(_object(message), Source.INTERNAL), Delivery)
    assert not isinstance(_decode(_object(message)), Delivery)


def test_the_words_on_the_wire_are_the_words_of_the_domain() -> None:
    assert set(get_args(published.Kind)) == set(SessionKind)
    assert set(get_args(published.Status)) == set(SessionStatus)
    ticket_kinds = get_args(published.Ticket.model_fields["kind"].annotation)
    assert set(ticket_kinds) == set(TicketKind)
    assert L1_COVERAGE in str(published.Actor.model_fields["acting_as"].annotation)
    reasons = get_args(DeadLetterHeaders.model_fields["fl_reason"].annotation)
    assert set(reasons) == set(Reason)


def test_codes_are_published_in_the_order_in_which_they_are_looked_at() -> None:
    order = get_args(replies.Code)
    assert [code for code in order if code in set(Code)] == list(Code)


def _object(message: Message) -> dict[str, Any]:
    assert isinstance(message.example, dict)
    return message.example


def _without(example: dict[str, Any], name: str) -> dict[str, Any]:
    return {other: value for other, value in example.items() if other != name}


def _model_refuses(message: Message, value: dict[str, Any]) -> bool:
    wanted = ("type",) if message.type in INTERNAL_TYPES else ("type", "actor_id")
    if message.name.startswith("command.") and not _has(value, *wanted):
        return True  # Python may leave them out; a sender of chat or PSA commands may not
    try:
        message.reader.validate_json(json.dumps(value))
    except ValidationError:
        return True
    return False


def _has(value: dict[str, Any], *names: str) -> bool:
    return all(value.get(name) is not None for name in names)


def _decode(made: dict[str, Any], source: Source = Source.CHAT) -> object:
    return decode(ARecord(encode(made), str(made["session_id"]).encode()), source)
