"""What a batch consists of: records as they came, and what decoding makes of each.

Record ──decode──► Delivery     a command, to be applied
                 │ Heard        news of a ticket, which nobody gets an answer to
                 │ Refused      readable, but refused for what the record alone says
                 └ DeadLetter   none of these: kept as it is, no reply
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Protocol

from consumers.reasons import Reason
from domain.commands import Command
from domain.decisions import Rejected
from domain.ticket_news import TicketNews
from domain.values import value


class Record(Protocol):
    """A record as Kafka gave it; the client's own record type fits."""

    @property
    def topic(self) -> str:
        """The full name, prefix included."""

    @property
    def partition(self) -> int:
        """The partition's number."""

    @property
    def offset(self) -> int:
        """Where in the partition it stands."""

    @property
    def timestamp(self) -> int:
        """The broker's time of the record, in milliseconds since 1970."""

    @property
    def key(self) -> bytes | None:
        """The key's bytes."""

    @property
    def value(self) -> bytes | None:
        """The value's bytes; None for a tombstone."""

    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]:
        """Names and values, in order; names may repeat."""


class Source(StrEnum):
    """Who sent a command: the topic it arrived on, never a claim in its body."""

    CHAT = "chat"
    PSA = "psa"
    INTERNAL = "internal"


@lru_cache(maxsize=64)
def source_of(topic: str) -> Source | None:
    """Who sends to a topic, by its full name; None where it carries no commands."""
    return next((one for one in Source if topic.endswith(f"commands.{one.value}")), None)


@value
class Delivery:
    """A command as it arrived. ``digest`` is the SHA-256 of the value's bytes."""

    record: Record
    source: Source
    command: Command
    digest: bytes


@value
class Refused:
    """A readable record that is refused without looking at anything but itself."""

    record: Record
    command_id: str
    session_id: str
    account_id: str | None
    correlation: str | None
    rejected: Rejected


@value
class DeadLetter:
    """A record that nobody can be answered for. ``detail`` has no text of the payload."""

    record: Record
    reason: Reason
    detail: str


@value
class Heard:
    """News of a ticket, as they arrived."""

    record: Record
    news: TicketNews


Decoded = Delivery | Refused | DeadLetter


@value
class Poison:
    """A command that cannot be applied for a reason of its own; it parks its session."""

    delivery: Delivery
    detail: str

    @property
    def record(self) -> Record:
        """The record that it came as."""
        return self.delivery.record


@value
class Discarded:
    """A parked command that an operator gave up."""

    delivery: Delivery

    @property
    def record(self) -> Record:
        """The record that it came as."""
        return self.delivery.record


Item = Decoded | Heard | Poison | Discarded
