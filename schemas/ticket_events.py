"""What happened to a ticket, as webhooks of ticket systems publish it.

Sources repeat and reorder. ``event_id`` deduplicates within account and provider; of the ticket's
own fields, the later ``updated_at`` wins.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

from schemas.fields import Id, TextOrEmpty, TicketId, TicketIdOrEmpty, Time

_Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


class _FromOutside(BaseModel):
    model_config = ConfigDict(
        strict=True, frozen=True, extra="ignore", use_attribute_docstrings=True
    )


class TicketSnapshot(_FromOutside):
    """The ticket as the source saw it."""

    kind: Literal["psa", "internal"]
    id: TicketId
    title: TextOrEmpty | None = None
    status: TextOrEmpty | None = None
    priority: TextOrEmpty | None = None
    owner: TextOrEmpty | None = None
    url: TextOrEmpty | None = None
    updated_at: Time | None = None


class TicketActor(_FromOutside):
    """Who did it, by the source's own account."""

    name: TextOrEmpty | None = None
    is_self: bool | None = None
    """Whether the source says that firstline did it; changes nothing."""


class TicketEvent(_FromOutside):
    """Something happened to a ticket; keyed by ``account_id:ticket_kind:ticket_id``.

    A person who closes, deletes or reassigns a ticket ends its active session as abandoned.
    """

    event_id: _Name
    account_id: Id
    provider: _Name
    action: Literal["created", "updated", "closed", "reopened", "reassigned", "merged", "deleted"]
    ticket: TicketSnapshot
    merged_into: TicketIdOrEmpty | None = None
    """Of ``merged``: the id of the ticket that goes on."""

    actor: TicketActor | None = None
    occurred_at: Time | None = None
