"""Tickets as sessions see them: their state, and which sessions work or worked on them.

A start writes down that it knows of its ticket, so that there is a row on which it meets an event
that closes the ticket at the same time.
"""

from collections.abc import Collection, Mapping

from domain.tickets import Ticket, TicketKind, TicketRef, TicketStatus
from storage import tables
from storage.database import Transaction

AccountTicket = tuple[str, TicketRef]


async def make_known(tx: Transaction, tickets: Collection[AccountTicket]) -> None:
    """Have a row for each PSA ticket of an account that exists; internal ones are loaded."""
    psa = [ticket for ticket in tickets if ticket[1].kind is TicketKind.PSA]
    if not psa:
        return
    await tx.execute(
        """
        insert into tickets (account_id, kind, id)
        select distinct s.account_id, s.kind, s.id
        from unnest($1::uuid[], $2::text[], $3::text[]) as s(account_id, kind, id)
        join accounts a on a.id = s.account_id and a.ended_at is null
        order by s.account_id, s.kind, s.id
        on conflict do nothing
        """,
        *_columns(psa),
    )


async def lock(tx: Transaction, tickets: Collection[AccountTicket]) -> dict[AccountTicket, Ticket]:
    """Lock the tickets that are known, by id, and read them."""
    if not tickets:
        return {}
    rows = await tx.fetch(
        """
        select t.account_id::text, t.kind, t.id, t.status, t.title, t.resolution_notes,
            t.psa_status, t.priority, t.owner, t.url, t.updated_at, t.closed_at, t.reopened_at
        from (
            select * from unnest($1::uuid[], $2::text[], $3::text[]) as s(account_id, kind, id)
            order by account_id, kind, id
        ) s cross join lateral (
            select * from tickets t
            where t.account_id = s.account_id and t.kind = s.kind and t.id = s.id
            for no key update
        ) t
        """,
        *_columns(tickets),
    )
    found = {}
    for account_id, kind, ticket_id, status, *known in rows:
        ref = TicketRef(TicketKind(kind), ticket_id)
        found[account_id, ref] = Ticket(ref, TicketStatus(status), *known)
    return found


async def active_and_last_sessions(
    tx: Transaction, tickets: Collection[AccountTicket]
) -> tuple[dict[AccountTicket, str], dict[AccountTicket, str]]:
    """The session that is active on each ticket, where one is; the last, where it was reopened."""
    if not tickets:
        return {}, {}
    rows = await tx.fetch(
        """
        with asked as (
            select * from unnest($1::uuid[], $2::text[], $3::text[]) as s(account_id, kind, id)
        )
        select true as active, t.account_id::text, t.kind, t.id, active.id::text
        from asked t cross join lateral (
            select s.id from sessions s
            where s.account_id = t.account_id and s.ticket_kind = t.kind and s.ticket_id = t.id
                and s.status = 'active'
            limit 1
        ) active
        union all
        select false, t.account_id::text, t.kind, t.id, last.id::text
        from asked t cross join lateral (
            select from tickets known
            where known.account_id = t.account_id and known.kind = t.kind and known.id = t.id
                and known.reopened_at is not null
            limit 1
        ) reopened cross join lateral (
            select s.id from sessions s
            where s.account_id = t.account_id and s.ticket_kind = t.kind and s.ticket_id = t.id
            order by s.started_at desc, s.id desc
            limit 1
        ) last
        """,
        *_columns(tickets),
    )
    active: dict[AccountTicket, str] = {}
    last: dict[AccountTicket, str] = {}
    for is_active, account_id, kind, ticket_id, session_id in rows:
        ticket = account_id, TicketRef(TicketKind(kind), ticket_id)
        (active if is_active else last)[ticket] = session_id
    return active, last


async def update(tx: Transaction, tickets: Mapping[AccountTicket, Ticket]) -> None:
    """Write what became of tickets that are known."""
    if not tickets:
        return
    await tx.execute_later(
        tables.tickets,
        """
        update tickets t set
            status = c.status, title = c.title, resolution_notes = c.resolution_notes,
            psa_status = c.psa_status, priority = c.priority, owner = c.owner, url = c.url,
            updated_at = c.updated_at, closed_at = c.closed_at, reopened_at = c.reopened_at
        from unnest(
            $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[],
            $13::timestamptz[]
        ) as c(
            account_id, kind, id, status, title, resolution_notes, psa_status, priority, owner,
            url, updated_at, closed_at, reopened_at
        )
        where t.account_id = c.account_id and t.kind = c.kind and t.id = c.id
        """,
        *zip(
            *(
                (
                    account_id, ref.kind.value, ref.id, ticket.status.value, ticket.title,
                    ticket.resolution_notes, ticket.psa_status, ticket.priority, ticket.owner,
                    ticket.url, ticket.updated_at, ticket.closed_at, ticket.reopened_at,
                )
                for (account_id, ref), ticket in tickets.items()
            ),
            strict=True,
        ),
    )  # fmt: skip


def _columns(tickets: Collection[AccountTicket]) -> tuple[list[str], list[str], list[str]]:
    """The tickets as the arrays that ``unnest`` takes."""
    return (
        [account_id for account_id, _ in tickets],
        [ref.kind.value for _, ref in tickets],
        [ref.id for _, ref in tickets],
    )
