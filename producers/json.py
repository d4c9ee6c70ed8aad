"""JSON as firstline writes it: UTF-8, compact, times in RFC 3339 with microseconds and a Z.

Members of enumerations go in as texts, made by ``str`` or ``!s``. To format one takes three times
as long as that, and to find out what one is takes the encoder 2 µs.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring

from pydantic_core import to_json


@lru_cache(maxsize=256)
def rfc3339(moment: datetime) -> str:
    """A UTC moment as text; a batch has one moment, so nearly every call is answered from here."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


quoted: Callable[[str], str] = encode_basestring
"""A text as JSON. For one text alone, an encoder of everything takes five times as long."""


def optional(name: str, text: str | None) -> str:
    """A field as it goes on in an object that has some already, or nothing where it is absent."""
    return "" if text is None else f',"{name}":{quoted(text)}'


def optional_number(name: str, number: int | None) -> str:
    """The same, of a number."""
    return "" if number is None else f',"{name}":{number}'


def more(fields: Mapping[str, object]) -> str:
    """The fields as they go on in an object that has some already, each after a comma."""
    return f",{to_json(fields)[1:-1].decode()}" if fields else ""


def without_absent(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields that are there."""
    return {name: value for name, value in fields.items() if value is not None}
