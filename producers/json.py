"""JSON as firstline writes it: UTF-8, compact, times in RFC 3339 with microseconds and a Z."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from pydantic_core import to_json


@lru_cache(maxsize=256)
def rfc3339(moment: datetime) -> str:
    """A UTC moment as text; a batch has one moment, so nearly every call is answered from here."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def quoted(text: str) -> str:
    """A text as JSON."""
    return to_json(text).decode()


def more(fields: Mapping[str, object]) -> str:
    """The fields as they go on in an object that has some already, each after a comma."""
    return f",{to_json(fields)[1:-1].decode()}" if fields else ""


def without_absent(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields that are there."""
    return {name: value for name, value in fields.items() if value is not None}
