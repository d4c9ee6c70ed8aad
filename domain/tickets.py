"""The ticket that a session works on, as far as firstline knows it."""

from datetime import datetime
from enum import StrEnum

from domain.values import value


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


@value
class TicketRef:
    """A ticket within its account: any text of 1-64 characters for a PSA, a UUID for our own."""

    kind: TicketKind
    id: str


@value
class Ticket:
    """What is known of a ticket; a PSA's is known once a session or an event named it.

    ``updated_at`` is of the event whose fields stand here; ``closed_at`` and ``reopened_at`` are
    of the latest events of their kind, because sources repeat and reorder.
    """

    ref: TicketRef
    status: TicketStatus
    title: str | None = None
    resolution_notes: str | None = None
    psa_status: str | None = None
    priority: str | None = None
    owner: str | None = None
    url: str | None = None
    updated_at: datetime | None = None
    closed_at: datetime | None = None
    reopened_at: datetime | None = None


TICKET_CLOSED = "ticket_closed"
TICKET_DELETED = "ticket_deleted"
TICKET_REASSIGNED = "ticket_reassigned"
TICKET_MERGED = "ticket_merged"

TICKET_ENDED = frozenset({TICKET_CLOSED, TICKET_DELETED, TICKET_MERGED})
"""Why the system abandons a session whose ticket a human ended. A reassigned one goes on."""
