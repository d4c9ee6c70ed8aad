"""The AsyncAPI document is whole: everything it names is there, and every topic is in it."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from producers import topics
from tests.contracts.reading import ROOT

Json = dict[str, Any]

DOCUMENT: Json = yaml.safe_load((ROOT / "docs" / "asyncapi.yaml").read_text(encoding="utf-8"))
TOPICS = {topic.name: topic for topic in topics.ALL}
INCOMING = {topic.name for topic in topics.ALL if topic.incoming}


def test_every_reference_leads_somewhere() -> None:
    references = [node["$ref"] for node in _nodes(DOCUMENT) if "$ref" in node]
    assert len(references) > len(TOPICS)
    for reference in references:
        assert isinstance(_follow(reference), dict), reference


def test_every_topic_is_a_channel_laid_out_as_it_is_created() -> None:
    channels = DOCUMENT["channels"]
    assert channels.keys() == TOPICS.keys()
    for name, channel in channels.items():
        assert channel["address"] == "{prefix}" + name
        kafka = channel["bindings"]["kafka"]
        assert kafka["partitions"] == (1 if TOPICS[name].per_shard else 12)
        settings = kafka["topicConfiguration"]
        assert (settings.get("cleanup.policy") == ["compact"]) == TOPICS[name].compacted
        assert ("message.timestamp.type" in settings) == (name in INCOMING)


def test_every_channel_is_received_from_or_sent_to_with_all_its_messages() -> None:
    used: dict[str, set[str]] = {}
    for operation in DOCUMENT["operations"].values():
        name = operation["channel"]["$ref"].removeprefix("#/channels/")
        assert operation["action"] == "receive" or name not in INCOMING
        assert operation["action"] == "send" or name in INCOMING | {topics.RELAY_PROGRESS}
        messages = [
            one["$ref"].removeprefix(f"#/channels/{name}/messages/")
            for one in operation["messages"]
        ]
        assert messages == list(DOCUMENT["channels"][name]["messages"])
        used.setdefault(name, set()).add(operation["action"])
    assert used.keys() == DOCUMENT["channels"].keys()


def test_every_command_is_answered_on_replies_and_found_by_its_id() -> None:
    for name in (topics.CHAT_COMMANDS, topics.PSA_COMMANDS, topics.INTERNAL_COMMANDS):
        reply = DOCUMENT["operations"][f"receive.{name}"]["reply"]
        assert reply["channel"] == {"$ref": f"#/channels/{topics.REPLIES}"}
        for message in (*_messages_of(name), *_messages_of(topics.REPLIES)):
            assert message["correlationId"]["location"] == "$message.payload#/command_id"


def test_every_message_has_a_payload_a_key_and_examples_that_are_such_messages() -> None:
    for name, message in DOCUMENT["components"]["messages"].items():
        assert message["payload"], name
        assert message["bindings"]["kafka"]["key"], name
        for example in message.get("examples", []):
            # AsyncAPI's own schema language is draft 07 and a little more.
            schema = message["payload"] | {"components": DOCUMENT["components"]}
            assert not list(Draft7Validator(schema).iter_errors(example["payload"])), name


@pytest.mark.parametrize("name", sorted(TOPICS.keys() - INCOMING - {topics.RELAY_PROGRESS}))
def test_what_is_sent_says_which_headers_it_has(name: str) -> None:
    for message in _messages_of(name):
        headers = _follow(message["headers"]["$ref"])["properties"]
        assert "fl_reason" in headers if name == topics.DEAD_LETTERS else "content-type" in headers


def _messages_of(channel: str) -> list[Json]:
    references = DOCUMENT["channels"][channel]["messages"].values()
    return [_follow(reference["$ref"]) for reference in references]


def _follow(reference: str) -> Json:
    found: Any = DOCUMENT
    for name in reference.removeprefix("#/").split("/"):
        found = found[name]
    while isinstance(found, dict) and "$ref" in found:
        found = _follow(found["$ref"])
    return dict(found)


def _nodes(part: object) -> Iterator[Json]:
    if isinstance(part, dict):
        yield part
        for value in part.values():
            yield from _nodes(value)
    elif isinstance(part, list):
        for value in part:
            yield from _nodes(value)
