"""The ticket that a session works on, as far as firstline knows it."""

from dataclasses import dataclass
from enum import StrEnum


class TicketKind(StrEnum):
    """Who keeps the ticket: an outside PSA, or firstline itself."""

    PSA = "psa"
    INTERNAL = "internal"


class TicketStatus(StrEnum):
    """Where a ticket stands. Only `CLOSED` refuses a new session: a resolved call may come back."""

    OPEN = "open"
    RESOLVED = "resolved"
    ESCALATED = "escalated"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class TicketRef:
    """A ticket within its account: any text of 1-64 characters for a PSA, a UUID for our own."""

    kind: TicketKind
    id: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is known of a ticket; a PSA's is known once an event about it arrived."""

    ref: TicketRef
    status: TicketStatus
    title: str | None = None
    resolution_notes: str | None = None


TICKET_CLOSED = "ticket_closed"
TICKET_DELETED = "ticket_deleted"
TICKET_REASSIGNED = "ticket_reassigned"

TICKET_ENDED = frozenset({TICKET_CLOSED, TICKET_DELETED, TICKET_REASSIGNED})
"""Why the system abandons a session whose ticket a human ended or took away."""
