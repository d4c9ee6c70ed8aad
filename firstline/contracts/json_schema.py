"""JSON Schema 2020-12 from the models: what may stand on the wire, not what Python may build."""

import json

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from firstline.contracts.messages import Message, messages
from schemas.commands import INTERNAL_TYPES, CommandModel


class WireSchema(GenerateJsonSchema):
    """A schema without the titles that only repeat a field's name, and without OpenAPI's words.

    Of commands it requires what Python may leave out: the type, and the actor, whom only commands
    of the internal topic may lack.
    """

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic's hook
        """Never: a title that repeats the field's name says nothing."""
        return False

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """One of the choices; ``discriminator`` is no word of JSON Schema."""
        made = super().tagged_union_schema(schema)
        made.pop("discriminator", None)
        return made

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """The model's schema; a command's as a sender of chat or PSA commands has to write it."""
        made = super().model_schema(schema)
        if issubclass(schema["cls"], CommandModel):
            properties = made["properties"]
            properties["type"].pop("default", None)
            for name, field in properties.items():
                if field.get("default", ...) is None:
                    del properties[name]["default"]
            made["required"] = ["type", *made["required"]]
            if properties["type"]["const"] not in INTERNAL_TYPES:
                actor = properties["actor_id"]
                (choice,) = (one for one in actor.pop("anyOf") if one != {"type": "null"})
                properties["actor_id"] = actor | choice
                made["required"].append("actor_id")
        return made


def json_schemas() -> dict[str, str]:
    """The text of each message's schema by its file's name, which is also its ``$id``."""
    return {_name(message): _text(message) for message in messages()}


def _name(message: Message) -> str:
    return f"{message.name}.json"


def _text(message: Message) -> str:
    schema = message.reader.json_schema(schema_generator=WireSchema)
    head = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": _name(message),
        "title": message.name,
    }
    made = head | {name: part for name, part in schema.items() if name != "title"}
    made["examples"] = [message.example]
    return as_markdown(json.dumps(made, ensure_ascii=False, indent=2)) + "\n"


def as_markdown(text: str) -> str:
    """The text with code marked as Markdown does, which both formats use; docstrings differ."""
    return text.replace("``", "`")
