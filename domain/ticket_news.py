"""What news of a ticket changes: what is known of it, and the session that works on it."""

from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum

from domain.tickets import (
    TICKET_CLOSED,
    TICKET_DELETED,
    TICKET_MERGED,
    TICKET_REASSIGNED,
    Ticket,
    TicketRef,
    TicketStatus,
)
from domain.values import keyword_value, value


class TicketAction(StrEnum):
    """What a ticket's source says happened."""

    CREATED = "created"
    UPDATED = "updated"
    CLOSED = "closed"
    REOPENED = "reopened"
    REASSIGNED = "reassigned"
    MERGED = "merged"
    DELETED = "deleted"


@keyword_value
class TicketNews:
    """One event of a ticket's source. ``at`` is when, by its clock; None where it does not say."""

    event_id: str
    provider: str
    account_id: str
    action: TicketAction
    ticket: TicketRef
    at: datetime | None = None
    title: str | None = None
    psa_status: str | None = None
    priority: str | None = None
    owner: str | None = None
    url: str | None = None
    merged_into: TicketRef | None = None
    is_self: bool = False


@value
class End:
    """The session on the ticket ends, for this reason."""

    reason: str


@value
class MoveTo:
    """The session on the ticket goes on on another. A merge that names no other is an `End`."""

    ticket: TicketRef


@value
class TakeIn:
    """A session may start on the ticket, where the account wants that."""

    problem_text: str


Effect = End | MoveTo | TakeIn
# When a ticket was reopened that nobody ever said a time of: before whatever is said of it later.
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_ENDS = {
    TicketAction.CLOSED: TICKET_CLOSED,
    TicketAction.DELETED: TICKET_DELETED,
    TicketAction.REASSIGNED: TICKET_REASSIGNED,
    TicketAction.MERGED: TICKET_MERGED,
}


def hear(ticket: Ticket, news: TicketNews) -> tuple[Ticket, Effect | None]:
    """Take in one piece of news, in whatever order it comes.

    Of the ticket's fields the later news win. What ends a session acts whenever it arrives,
    unless the ticket was reopened after it. What firstline itself did changes nothing.
    """
    if news.is_self:
        return ticket, None
    known = _fields(ticket, news)
    match news.action:
        case TicketAction.CREATED:
            return known, TakeIn(known.title) if known.title else None
        case TicketAction.UPDATED:
            return known, None
        case TicketAction.REOPENED:
            return _reopened(known, news)
        case TicketAction.REASSIGNED:
            return known, None if _outdated(ticket, news) else End(TICKET_REASSIGNED)
        case TicketAction.CLOSED | TicketAction.DELETED | TicketAction.MERGED:
            if _outdated(ticket, news):
                return known, None
            closed = replace(
                known, status=TicketStatus.CLOSED, closed_at=_later(known.closed_at, news.at)
            )
            other = news.merged_into if news.action is TicketAction.MERGED else None
            if other is not None and other != known.ref:
                return closed, MoveTo(other)
            return closed, End(_ENDS[news.action])


def _fields(ticket: Ticket, news: TicketNews) -> Ticket:
    """The ticket with what the news say of its fields, unless later news were heard before."""
    if news.at is not None and ticket.updated_at is not None and news.at < ticket.updated_at:
        return ticket
    return replace(
        ticket,
        title=news.title or ticket.title,
        psa_status=news.psa_status or ticket.psa_status,
        priority=news.priority or ticket.priority,
        owner=news.owner or ticket.owner,
        url=news.url or ticket.url,
        updated_at=news.at or ticket.updated_at,
    )


def _reopened(ticket: Ticket, news: TicketNews) -> tuple[Ticket, Effect | None]:
    if ticket.closed_at is not None and news.at is not None and news.at < ticket.closed_at:
        return ticket, None
    opened = replace(
        ticket,
        status=TicketStatus.OPEN,
        reopened_at=_later(ticket.reopened_at, news.at) or ticket.updated_at or _LONG_AGO,
    )
    return opened, TakeIn(opened.title) if opened.title else None


def _outdated(ticket: Ticket, news: TicketNews) -> bool:
    """Whether the ticket was reopened after what the news tell of."""
    return news.at is not None and ticket.reopened_at is not None and ticket.reopened_at > news.at


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return max(one, other)
