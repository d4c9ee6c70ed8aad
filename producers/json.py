"""JSON as firstline writes it: UTF-8, compact, times in RFC 3339 with microseconds and a Z."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache

from pydantic_core import to_json


@lru_cache(maxsize=256)
def rfc3339(moment: datetime) -> str:
    """A UTC moment as text; a batch has one moment, so nearly every call is answered from here."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def spliced(head: dict[str, object], name: str, value: bytes) -> bytes:
    """The object ``head`` with one more field whose value is JSON already."""
    return to_json(head)[:-1] + b',"' + name.encode() + b'":' + value + b"}"


def without_absent(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields that are there."""
    return {name: value for name, value in fields.items() if value is not None}
