"""What the contract says about single records: how to read one, which partition is a key's."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

Json = dict[str, Any]
Headers = Sequence[tuple[str, bytes | None]]

MAX_VALUE = 524_288
MAX_DEPTH = 64
MAX_NOTES = 262_144
MAX_STEPS = 500

COMMAND_TOPICS = ("commands.chat", "commands.psa", "commands.internal")
TICKET_EVENTS = "ticket-events"

_CANONICAL_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_UTF8_BOM = b"\xef\xbb\xbf"
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Record:
    """One record as it lies in Kafka; `topic` goes without the installation's prefix."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def place(self) -> tuple[str, int, int]:
        """Topic, partition and offset, of which no two records have the same."""
        return self.topic, self.partition, self.offset

    @property
    def json(self) -> Json:
        """The value of a record that firstline wrote; raises ValueError where it is none.

        Shared by all who ask, as the checker asks often: not to be changed.
        """
        if self.value is None:
            message = f"no value at {self.place}"
            raise ValueError(message)
        parsed = _parsed(self.value)
        if not isinstance(parsed, dict):
            message = f"no JSON object at {self.place}"
            raise ValueError(message)  # noqa: TRY004 -- one kind of exception for every bad value
        return parsed

    def header(self, name: str) -> str | None:
        """Return the only header of this name as text, or `None`; raises where there are two."""
        found = [value for key, value in self.headers if key == name]
        if len(found) > 1:
            message = f"{len(found)} headers named {name} at {self.place}"
            raise ValueError(message)
        return found[0].decode() if found and found[0] is not None else None


def is_canonical_id(text: object) -> bool:
    """Say whether this is a UUID in the one spelling that the wire knows."""
    return isinstance(text, str) and _CANONICAL_ID.fullmatch(text) is not None


@cache
def read_command(value: bytes | None) -> Json | None:
    """Return the command in a record's value, or `None` where the record is not readable.

    Numbers are left as the text they were sent as: a number beyond every range is readable.
    """
    if value is None or len(value) > MAX_VALUE or value.startswith(_UTF8_BOM):
        return None
    try:
        text = value.decode("utf-8")
        if _depth(text) > MAX_DEPTH:
            return None
        command = json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)
    except ValueError:
        return None
    if not isinstance(command, dict):
        return None
    if not is_canonical_id(command.get("command_id")):
        return None
    if not is_canonical_id(command.get("session_id")):
        return None
    return command


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that `murmur2_random` gives a key."""
    return (_murmur2(key) & 0x7FFFFFFF) % partitions


@cache
def _parsed(value: bytes) -> object:
    return json.loads(value)


def _refuse(constant: str) -> None:
    message = f"{constant} is not JSON"
    raise ValueError(message)


def _depth(text: str) -> int:
    """Return how deep the brackets nest; the outermost counts as 1."""
    depth = deepest = 0
    for character in _STRINGS.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


@cache
def _murmur2(data: bytes) -> int:
    """Hash as Kafka's own clients do: MurmurHash2 of Austin Appleby, 32 bits, this seed."""
    multiplier, shift, mask = 0x5BD1E995, 24, 0xFFFFFFFF
    hashed = (0x9747B28C ^ len(data)) & mask
    whole = len(data) // 4 * 4
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little")
        word = (word * multiplier) & mask
        word ^= word >> shift
        word = (word * multiplier) & mask
        hashed = ((hashed * multiplier) & mask) ^ word
    rest = data[whole:]
    if rest:
        hashed ^= int.from_bytes(rest, "little")
        hashed = (hashed * multiplier) & mask
    hashed ^= hashed >> 13
    hashed = (hashed * multiplier) & mask
    return hashed ^ (hashed >> 15)
