"""Values: objects that are equal where their fields are, and that nobody changes."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

_T = TypeVar("_T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[_T]) -> type[_T]:
    """Make a slotted dataclass, hashed by its fields, that the type checker holds to be frozen.

    At run time it is not: one that is sets each field by a call around its own refusal, and takes
    three times as long to make. A command takes a dozen of them from Kafka to the outbox.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def keyword_value(cls: type[_T]) -> type[_T]:
    """Make a `value` whose fields are given by name."""
    return dataclass(slots=True, unsafe_hash=True, kw_only=True)(cls)
