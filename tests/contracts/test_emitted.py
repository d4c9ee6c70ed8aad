"""What the program writes is what it publishes."""

import json

import pytest

from firstline.contracts.messages import messages
from producers import topics
from storage.headers import unpack
from storage.outbox import Message
from tests.contracts.emitted import emitted
from tests.contracts.reading import message_of, must_be_published

EMITTED = emitted()


@pytest.mark.parametrize("message", EMITTED.values(), ids=EMITTED)
def test_a_message_that_is_written_is_as_published(message: Message) -> None:
    must_be_published(message.topic, message.value, unpack(message.headers))


def test_every_message_that_is_not_planned_is_written() -> None:
    published = {
        message.name
        for message in messages()
        if not message.planned and not message.name.startswith(("command.", "ticket-event"))
    }
    written = {
        message_of(value, message.topic).name
        for message in EMITTED.values()
        if message.topic != topics.DEAD_LETTERS and (value := _value(message)) is not None
    }
    assert written == published - {"relay-progress"}


def _value(message: Message) -> object:
    return None if message.value is None else json.loads(message.value)
