"""Ids that follow from what they name, so that repeating the work repeats the id."""

from functools import lru_cache
from hashlib import sha1
from uuid import UUID

_NAMESPACE = UUID("5c8bd1f0-52a1-5f6b-9f5e-3f6d6f2c7a01").bytes
# A hexadecimal digit with its upper two bits as RFC 9562 has them.
_VARIANTS = {f"{digit:x}": "89ab"[digit & 3] for digit in range(16)}


def event_id(command_id: str, place: int) -> str:
    """The id of a command's event, by its place among the command's events."""
    return derived(f"event:{command_id}:{place}")


@lru_cache(maxsize=1024)
def dead_letter_id(topic: str, partition: int, offset: int, timestamp: int) -> str:
    """The id of the dead letter that a record became.

    The broker's ``timestamp``, in milliseconds, tells records of a topic that was made anew apart.
    """
    return derived(f"dead-letter:{topic}:{partition}:{offset}:{timestamp}")


def derived(name: str) -> str:
    """The id of what has this name, a UUID of version 5 (RFC 9562, section 5.5) as text.

    By hand, because building the standard library's UUID object costs more than the hash.
    """
    digest = sha1(_NAMESPACE + name.encode(), usedforsecurity=False).hexdigest()
    variant = _VARIANTS[digest[16]]
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
