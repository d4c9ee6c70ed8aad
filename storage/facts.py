"""What the decisions of a batch are made on, locked and read in one order everywhere.

Accounts, sessions, tickets, proposals: locked each by id. A locking select by primary key returns
the row as it is once the lock is held; what depends on more than one row is read in a statement
of its own after the locks.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from domain.commands import (
    Command,
    Escalate,
    EscalateWithoutWalk,
    RecordStep,
    Start,
    StartFlow,
    StartProposal,
)
from domain.events import StepRecorded
from domain.history import Walk
from domain.people import Recipient, Role, User
from domain.sessions import Born, Session, SessionKind, Unborn
from domain.tickets import Ticket, TicketKind, TicketRef, TicketStatus
from storage import sessions
from storage.database import Transaction

AccountTicket = tuple[str, TicketRef]


@dataclass(slots=True)
class Facts:
    """Everything that is known before a batch; the fold moves it along.

    Keys are ids; what belongs to an account is keyed by the account's id and its own. What is
    ``stored`` stays as it was read.
    """

    sessions: dict[str, Born] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    tickets: dict[AccountTicket, Ticket] = field(default_factory=dict)
    active: dict[AccountTicket, str] = field(default_factory=dict)
    flow_versions: dict[tuple[str, str], int] = field(default_factory=dict)
    proposals: set[tuple[str, str]] = field(default_factory=set)
    recipients: dict[tuple[str, str], list[Recipient]] = field(default_factory=dict)
    default_recipients: dict[str, list[Recipient]] = field(default_factory=dict)
    walks: dict[str, Walk] = field(default_factory=dict)
    stored_sessions: frozenset[str] = frozenset()
    stored_tickets: dict[AccountTicket, Ticket] = field(default_factory=dict)

    def session(self, session_id: str) -> Session:
        """The session as it stands, `Unborn` where there is none."""
        return self.sessions.get(session_id, _UNBORN)

    def born(self, session_id: str) -> Born:
        """The session, which exists. Raises KeyError where it does not."""
        return self.sessions[session_id]


_UNBORN = Unborn()


async def lock(tx: Transaction, commands: Collection[Command], others: Collection[str]) -> Facts:
    """Lock and read what ``commands`` are decided on; ``others`` are sessions only looked at."""
    facts = Facts()
    await _lock_accounts(tx, {command.account_id for command in commands})
    facts.sessions = await sessions.lock(tx, {command.session_id for command in commands})
    looked_at = set(others) - facts.sessions.keys()
    if looked_at:
        facts.sessions |= await sessions.read(tx, looked_at)

    starts = [command for command in commands if isinstance(command, Start)]
    started_on = {(start.account_id, start.ticket) for start in starts}
    facts.tickets = await _lock_tickets(tx, started_on | _tickets_of(facts.sessions.values()))
    proposals = {
        (start.account_id, start.flow_proposal_id)
        for start in starts
        if isinstance(start, StartProposal)
    }
    facts.proposals = await _lock_proposals(tx, proposals | _proposals_of(facts.sessions.values()))

    facts.active = await _active_sessions(tx, started_on)
    facts.users = await _users(tx, {c.actor_id for c in commands if c.actor_id is not None})
    facts.flow_versions = await _newest_versions(
        tx, {start.flow_id for start in starts if isinstance(start, StartFlow)}
    )
    escalations = [c for c in commands if isinstance(c, (Escalate, EscalateWithoutWalk))]
    if escalations:
        await _read_recipients(tx, facts, {(c.account_id, c.reason_category) for c in escalations})
    facts.walks = await _walks(tx, _told_of(commands, facts))
    facts.stored_sessions = frozenset(facts.sessions)
    facts.stored_tickets = dict(facts.tickets)
    return facts


def _tickets_of(found: Iterable[Born]) -> set[AccountTicket]:
    """The tickets that firstline keeps itself, and that the sessions may resolve or escalate."""
    return {
        (session.origin.account_id, session.origin.ticket)
        for session in found
        if session.origin.ticket.kind is TicketKind.INTERNAL
    }


def _proposals_of(found: Iterable[Born]) -> set[tuple[str, str]]:
    return {
        (session.origin.account_id, session.origin.flow_proposal_id)
        for session in found
        if session.origin.flow_proposal_id is not None
    }


def _told_of(commands: Iterable[Command], facts: Facts) -> set[str]:
    """Sessions whose walk so far goes into a message."""
    told = set()
    for command in commands:
        session = facts.session(command.session_id)
        if isinstance(session, Unborn):
            continue
        built = session.origin.kind is SessionKind.AI_BUILD
        if isinstance(command, Escalate) or (built and isinstance(command, RecordStep)):
            told.add(command.session_id)
    return told


async def _lock_accounts(tx: Transaction, account_ids: Collection[str]) -> None:
    """Keep the accounts from being deleted; share them with every other batch."""
    await tx.execute(
        "select 1 from accounts where id = any($1::uuid[]) order by id for key share",
        list(account_ids),
    )


async def _lock_tickets(
    tx: Transaction, tickets: Collection[AccountTicket]
) -> dict[AccountTicket, Ticket]:
    if not tickets:
        return {}
    rows = await tx.fetch(
        """
        select t.account_id::text, t.kind, t.id, t.status, t.title, t.resolution_notes
        from tickets t
        join unnest($1::uuid[], $2::text[], $3::text[]) as s(account_id, kind, id)
            on t.account_id = s.account_id and t.kind = s.kind and t.id = s.id
        order by t.account_id, t.kind, t.id
        for no key update of t
        """,
        *_columns(tickets),
    )
    found = {}
    for account_id, kind, ticket_id, status, title, notes in rows:
        ref = TicketRef(TicketKind(kind), ticket_id)
        found[account_id, ref] = Ticket(ref, TicketStatus(status), title, notes)
    return found


async def _lock_proposals(
    tx: Transaction, proposals: Collection[tuple[str, str]]
) -> set[tuple[str, str]]:
    if not proposals:
        return set()
    rows = await tx.fetch(
        """
        select account_id::text, id::text from flow_proposals
        where id = any($1::uuid[]) order by id for no key update
        """,
        [proposal_id for _, proposal_id in proposals],
    )
    return {(account_id, proposal_id) for account_id, proposal_id in rows}


async def _active_sessions(
    tx: Transaction, tickets: Collection[AccountTicket]
) -> dict[AccountTicket, str]:
    if not tickets:
        return {}
    rows = await tx.fetch(
        """
        select s.account_id::text, s.ticket_kind, s.ticket_id, s.id::text
        from sessions s
        join unnest($1::uuid[], $2::text[], $3::text[]) as t(account_id, kind, id)
            on s.account_id = t.account_id and s.ticket_kind = t.kind and s.ticket_id = t.id
        where s.status = 'active'
        """,
        *_columns(tickets),
    )
    return {
        (account_id, TicketRef(TicketKind(kind), ticket_id)): session_id
        for account_id, kind, ticket_id, session_id in rows
    }


async def _users(tx: Transaction, user_ids: Collection[str]) -> dict[str, User]:
    rows = await tx.fetch(
        """
        select id::text, account_id::text, name, role, l1_coverage, deleted_at is not null
        from users where id = any($1::uuid[])
        """,
        list(user_ids),
    )
    return {
        user_id: User(user_id, account_id, name, Role(role), coverage, deleted)
        for user_id, account_id, name, role, coverage, deleted in rows
    }


async def _newest_versions(
    tx: Transaction, flow_ids: Collection[str]
) -> dict[tuple[str, str], int]:
    if not flow_ids:
        return {}
    rows = await tx.fetch(
        """
        select f.account_id::text, f.id::text, max(v.version)
        from flows f join flow_versions v on v.account_id = f.account_id and v.flow_id = f.id
        where f.id = any($1::uuid[]) and not f.archived
        group by f.account_id, f.id
        """,
        list(flow_ids),
    )
    return {(account_id, flow_id): version for account_id, flow_id, version in rows}


async def _read_recipients(
    tx: Transaction, facts: Facts, categories: Collection[tuple[str, str]]
) -> None:
    rows = await tx.fetch(
        """
        select r.account_id::text, r.reason_category, u.email, u.id::text
        from recipients r
        join unnest($1::uuid[], $2::text[]) as s(account_id, category)
            on r.account_id = s.account_id and r.reason_category = s.category
        join users u on u.account_id = r.account_id and u.id = r.user_id
        where u.deleted_at is null
        order by u.email, u.id
        """,
        [account_id for account_id, _ in categories],
        [category for _, category in categories],
    )
    for account_id, category, email, user_id in rows:
        known = facts.recipients.setdefault((account_id, category), [])
        known.append(Recipient(email, user_id))
    rows = await tx.fetch(
        "select id::text, default_recipients from accounts where id = any($1::uuid[])",
        [account_id for account_id, _ in categories],
    )
    facts.default_recipients = {
        account_id: [Recipient(email) for email in emails] for account_id, emails in rows
    }


async def _walks(tx: Transaction, session_ids: Collection[str]) -> dict[str, Walk]:
    if not session_ids:
        return {}
    rows = await tx.fetch(
        """
        select session_id::text, recorded_at, position, node_id, question, answer, option_id, note
        from walk_steps where session_id = any($1::uuid[]) order by session_id, position
        """,
        list(session_ids),
    )
    steps: dict[str, list[StepRecorded]] = {session_id: [] for session_id in session_ids}
    for session_id, at, position, node_id, question, answer, option_id, note in rows:
        step = StepRecorded(
            at=at,
            position=position,
            node_id=node_id,
            question=question,
            answer=answer,
            option_id=option_id,
            note=note,
        )
        steps[session_id].append(step)
    noted = await tx.fetch(
        """
        select session_id::text, notes::text from session_notes
        where session_id = any($1::uuid[])
        """,
        list(session_ids),
    )
    notes: dict[str, str] = dict(noted)
    return {
        session_id: Walk(tuple(walked), notes.get(session_id))
        for session_id, walked in steps.items()
    }


def _columns(tickets: Collection[AccountTicket]) -> tuple[list[str], list[str], list[str]]:
    """The tickets as the arrays that ``unnest`` takes."""
    return (
        [account_id for account_id, _ in tickets],
        [ref.kind.value for _, ref in tickets],
        [ref.id for _, ref in tickets],
    )
