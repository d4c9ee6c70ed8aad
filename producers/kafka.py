"""Kafka's connection settings, and how a key picks its partition."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from aiokafka.partitioner import murmur2


@dataclass(frozen=True, slots=True)
class Kafka:
    """Where Kafka is, and the prefix of this deployment's topics, its dot included.

    ``security`` holds the client's keyword arguments for TLS and SASL, as
    `producers.security.client_arguments` makes them; the password among them is never shown.
    """

    bootstrap: str
    prefix: str
    security: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def topic(self, name: str) -> str:
        """The full name of a topic."""
        return self.prefix + name

    def connection(self) -> dict[str, Any]:
        """What every client of the library is made with."""
        return {"bootstrap_servers": self.bootstrap, **self.security}


_SHORT_KEY = 128


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key: Kafka's murmur2, of the positive sign, modulo.

    The hash is written in Python; a session has several messages, most of them close together.
    What others chose as a key may be long, and is not kept.
    """
    return _remembered(key, partitions) if len(key) <= _SHORT_KEY else _hashed(key, partitions)


def _hashed(key: bytes, partitions: int) -> int:
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % partitions


_remembered = lru_cache(maxsize=65_536)(_hashed)
