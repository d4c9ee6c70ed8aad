"""What the models of outgoing messages share: how they are read, and the parts they are made of.

A field that may be absent is left out, never null; a field that may be null is always there.
Readers ignore fields that they do not know: later versions add some.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StringConstraints,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from schemas.fields import UUID_PATTERN, Id

WrittenTime = Annotated[
    str,
    StringConstraints(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z$"
    ),
    Field(json_schema_extra={"format": "date-time"}),
]
"""A time as firstline writes it: UTC, microseconds, a Z; as text, such times sort as times."""

SessionVersion = Annotated[int, Field(ge=1)]
"""How many events a session has had; the number of its latest."""

FlowVersion = Annotated[int, Field(ge=1)]
Kind = Literal["flow", "proposal", "adhoc", "ai_build"]
Status = Literal["active", "resolved", "escalated", "abandoned"]
ActorId = Annotated[str, StringConstraints(pattern=f"^system$|{UUID_PATTERN}")]


class Published(BaseModel):
    """A JSON object that firstline writes, and that others read."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _left_out_rather_than_null(cls, data: Any) -> Any:  # noqa: ANN401 - whatever came
        if isinstance(data, dict):
            for name in _may_be_absent(cls):
                if name in data and data[name] is None:
                    msg = f"{name} is null; what is absent is left out"
                    raise ValueError(msg)
        return data

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Say of fields that may be absent that they are never null."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name in _may_be_absent(cls):
            properties[name] = _never_null(properties[name])
        return schema


class Ticket(Published):
    """The ticket that a session works on."""

    kind: Literal["psa", "internal"]
    id: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Actor(Published):
    """Who acted: a user of the account, or ``system``."""

    id: ActorId
    name: str
    acting_as: Literal["l1_coverage"] | None
    """``l1_coverage`` for an engineer who covers the first line, null for anybody else."""


class ShownOption(Published):
    """One of the answers to a question."""

    id: str
    label: str


class ShownNode(Published):
    """What to show next."""

    id: str
    type: Literal["question", "action", "article", "resolve", "escalate"]
    text: str
    options: list[ShownOption] | None = None
    """Of a question: what may be chosen; its id goes into ``option_id`` of ``record_step``."""

    article_id: Id | None = None
    """Of an article: which. Of a generated node: the one it rests on, if on any."""

    reason_category: str | None = None
    """Of an escalate node: what to escalate with."""


def _may_be_absent(model: type[BaseModel]) -> list[str]:
    return [name for name, field in model.model_fields.items() if not field.is_required()]


def _never_null(schema: JsonSchemaValue) -> JsonSchemaValue:
    """The schema of an optional field without its default and its null."""
    kept = {name: value for name, value in schema.items() if name not in {"default", "anyOf"}}
    for choice in schema.get("anyOf", []):
        if choice != {"type": "null"}:
            kept |= choice
    return kept
