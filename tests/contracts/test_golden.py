"""What version 1 wrote and read stays readable for ever."""

import base64
import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest

from consumers.decode import decode
from consumers.decode_news import decode_news
from consumers.records import Delivery, Heard, Source
from firstline.contracts.messages import messages
from producers import topics
from tests.consumers.wire import ARecord, encode
from tests.contracts.emitted import emitted
from tests.contracts.reading import message_of, must_be_published

Golden = dict[str, Any]

GOLDEN = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted((Path(__file__).parent / "golden" / "v1").glob("*.json"))
}
EMITTED = {
    name: one
    for name, one in emitted().items()
    if one.value is not None and one.topic != topics.DEAD_LETTERS
}
# While a node is being generated there is none to be answered.
NO_MORE = {"session-state.requested": {"/current_node_id"}}
COMMANDS = {name: one for name, one in GOLDEN.items() if one["topic"].startswith("commands.")}
TICKET_EVENTS = {name: one for name, one in GOLDEN.items() if one["topic"] == topics.TICKET_EVENTS}
WRITTEN = {name: one for name, one in GOLDEN.items() if name not in COMMANDS | TICKET_EVENTS}


@pytest.mark.parametrize("golden", COMMANDS.values(), ids=COMMANDS)
def test_a_golden_command_decodes_to_the_same_command(golden: Golden) -> None:
    source = Source(golden["topic"].removeprefix("commands."))
    decoded = decode(ARecord(encode(golden["value"]), golden["key"].encode()), source)
    assert isinstance(decoded, Delivery)
    # Fields that came later have their defaults.
    plain = json.loads(json.dumps(asdict(decoded.command)))
    command = {"kind": type(decoded.command).__name__, **plain}
    assert {name: command[name] for name in golden["command"]} == golden["command"]
    later = [one for one in fields(decoded.command) if one.name not in golden["command"]]
    assert all(command[one.name] == one.default for one in later)


@pytest.mark.parametrize(
    "golden", (COMMANDS | TICKET_EVENTS).values(), ids=COMMANDS | TICKET_EVENTS
)
def test_the_published_model_reads_a_golden_message_that_comes_in(golden: Golden) -> None:
    message_of(golden["value"], golden["topic"]).reader.validate_json(encode(golden["value"]))


@pytest.mark.parametrize("golden", TICKET_EVENTS.values(), ids=TICKET_EVENTS)
def test_a_golden_ticket_event_is_heard(golden: Golden) -> None:
    heard = decode_news(ARecord(encode(golden["value"]), golden["key"].encode()))
    assert isinstance(heard, Heard)
    assert heard.news.action == golden["value"]["action"]


@pytest.mark.parametrize("golden", WRITTEN.values(), ids=WRITTEN)
def test_a_golden_message_that_went_out_is_as_published_today(golden: Golden) -> None:
    must_be_published(
        golden["topic"],
        _value(golden),
        [(name.encode(), value and value.encode()) for name, value in golden["headers"]],
    )


@pytest.mark.parametrize("name", EMITTED)
def test_whatever_a_golden_message_tells_is_told_today(name: str) -> None:
    """A field that may be left out is not, where there is something to tell."""
    missing = told(WRITTEN[name]["value"]) - told(json.loads(EMITTED[name].value or b""))
    assert missing == NO_MORE.get(name, set())


def told(value: object, path: str = "") -> set[str]:
    """Each place in the value that holds something."""
    inner: dict[Any, object] = {}
    if isinstance(value, dict):
        inner = value
    elif isinstance(value, list):
        inner = dict(enumerate(value))
    places = (told(one, f"{path}/{name}") for name, one in inner.items())
    return {path}.union(*places)


def test_there_is_a_golden_message_of_every_kind_that_is_read_or_written() -> None:
    golden = {
        message_of(one["value"], one["topic"]).name
        for one in GOLDEN.values()
        if one["topic"] != topics.DEAD_LETTERS
    }
    incoming = {one.name for one in messages() if one.name.startswith(("command.", "ticket-event"))}
    written = {one.name for one in messages() if not one.planned}
    assert golden == (incoming | written) - {"relay-progress"}


def _value(golden: Golden) -> bytes | None:
    if "value_base64" in golden:
        return base64.b64decode(golden["value_base64"])
    return None if golden["value"] is None else encode(golden["value"])
