"""The AsyncAPI 3.0 document: every topic, in and out, seen from firstline."""

from typing import Any

import yaml
from pydantic import BaseModel, TypeAdapter

from firstline.contracts.channels import CHANNELS, Channel
from firstline.contracts.json_schema import WireSchema, as_markdown
from firstline.contracts.messages import Message, messages
from firstline.settings import Settings
from firstline.topics import configuration
from producers import topics
from schemas.headers import CloudEventHeaders, DeadLetterHeaders, JsonHeaders

Json = dict[str, Any]

_BINDING = "0.5.0"
_REF = "#/components/schemas/{model}"
_TOMBSTONE = "session-state.deleted"
_DEAD_LETTER = "dead-letter"
_HEADERS: tuple[type[BaseModel], ...] = (CloudEventHeaders, DeadLetterHeaders, JsonHeaders)
_HEAD = "# Written by `firstline contracts`; change the models instead.\n"
_NOT_YET = " Not yet in use by this version."


def asyncapi() -> str:
    """The document as YAML. Topic layouts are those that `firstline topics` makes by default."""
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "firstline",
            "version": "1.0.0",
            "description": (
                "First-line support sessions over Kafka. Commands go in; every command has one"
                " effect and one answer, and every event comes out once and in order for those who"
                " read committed records."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {channel.name: _channel(channel) for channel in CHANNELS},
        "operations": {
            f"{action}.{channel.name}": _operation(channel, action)
            for channel in CHANNELS
            for action in _actions(channel)
        },
        "components": {
            "parameters": {
                "prefix": {
                    "description": "The installation's FIRSTLINE_TOPIC_PREFIX, its dot included.",
                    "default": _default("topic_prefix"),
                }
            },
            "messages": _messages(),
            "schemas": _schemas(),
        },
    }
    text = yaml.dump(document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=100)
    return _HEAD + as_markdown(text)


def _channel(channel: Channel) -> Json:
    layout = channel.layout
    settings = configuration(layout, _default("retention_days"), _default("replication"))
    return {
        "address": "{prefix}" + channel.name,
        "description": channel.description,
        "parameters": {"prefix": {"$ref": "#/components/parameters/prefix"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in _names(channel)},
        "bindings": {
            "kafka": {
                "partitions": 1 if layout.per_shard else _default("partitions"),
                "replicas": _default("replication"),
                "topicConfiguration": {name: _typed(name, text) for name, text in settings.items()},
                "bindingVersion": _BINDING,
            }
        },
    }


def _actions(channel: Channel) -> list[str]:
    return ["receive"] * channel.receives + ["send"] * channel.sends


def _operation(channel: Channel, action: str) -> Json:
    operation: Json = {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel.name}"},
        "messages": [_in_channel(channel.name, name) for name in _names(channel)],
    }
    if channel.name.startswith("commands."):
        operation["reply"] = {
            "channel": {"$ref": f"#/channels/{topics.REPLIES}"},
            "messages": [_in_channel(topics.REPLIES, "reply")],
        }
    return operation


def _in_channel(channel: str, message: str) -> Json:
    return {"$ref": f"#/channels/{channel}/messages/{message}"}


def _names(channel: Channel) -> list[str]:
    names = [message.name for message in messages() if channel.name in message.topics]
    if channel.name == topics.SESSION_STATE:
        names.append(_TOMBSTONE)
    if channel.name == topics.DEAD_LETTERS:
        names.append(_DEAD_LETTER)
    return names


def _messages() -> Json:
    keys = {name: channel.keyed_by for channel in CHANNELS for name in _names(channel)}
    described = {message.name: _message(message) for message in messages()} | {
        _TOMBSTONE: {
            "summary": "The session's account was deleted, and the session with it.",
            "headers": _ref(JsonHeaders.__name__),
            "payload": {"type": "null"},
        },
        _DEAD_LETTER: {
            "summary": "A record that could not be read or applied.",
            "contentType": "application/octet-stream",
            "headers": _ref(DeadLetterHeaders.__name__),
            "payload": {
                "description": "The original value, byte for byte; none where it was too large."
            },
        },
    }
    return {
        name: {"name": name}
        | made
        | {"bindings": {"kafka": {"key": keys[name], "bindingVersion": _BINDING}}}
        for name, made in described.items()
    }


def _message(message: Message) -> Json:
    made: Json = {"summary": message.summary + (_NOT_YET if message.planned else "")}
    if message.headers is CloudEventHeaders:
        made["contentType"] = "application/cloudevents+json"
    if message.headers is not None:
        made["headers"] = _ref(message.headers.__name__)
    made["payload"] = _ref(message.model)
    if correlated := _correlated(message):
        made["correlationId"] = {"location": f"$message.payload#/{correlated}"}
    return made | {"examples": [{"name": message.name, "payload": message.example}]}


def _correlated(message: Message) -> str | None:
    """The field that names the command: the reply's and the command's own, an event's cause."""
    if message.headers is CloudEventHeaders:
        return "causationid"
    return "command_id" if message.name == "reply" or message.name.startswith("command.") else None


def _schemas() -> Json:
    """The schemas of all payloads and headers, by the names of their models."""
    readers: dict[str, TypeAdapter[Any]] = {m.model: m.reader for m in messages()}
    readers |= {model.__name__: TypeAdapter(model) for model in _HEADERS}
    inputs, definitions = TypeAdapter.json_schemas(
        [(name, "validation", reader) for name, reader in readers.items()],
        ref_template=_REF,
        schema_generator=WireSchema,
    )
    # A model is defined under its name; a union has none, and its schema is its own input.
    schemas = {name: inputs[name, "validation"] for name in readers} | definitions["$defs"]
    return dict(sorted(schemas.items()))


def _ref(schema: str) -> Json:
    return {"$ref": _REF.format(model=schema)}


def _typed(name: str, text: str) -> object:
    """A topic's setting as the Kafka binding writes it."""
    if name == "cleanup.policy":
        return text.split(",")
    return int(text) if text.isdigit() else text


def _default(setting: str) -> Any:  # noqa: ANN401 - settings are of several types
    """What the setting is where nobody chose; the environment has no say in a contract."""
    return Settings.model_fields[setting].default


class _Plain(yaml.SafeDumper):
    """Writes what stands in two places twice: readers of contracts follow ``$ref``, not anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the library's hook
        return True
