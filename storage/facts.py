"""What the decisions of a batch are made on, locked and read in one order everywhere.

Accounts, sessions, tickets, proposals: locked each by id. What depends on more than one row is
read in a statement of its own after the locks.
"""

from collections.abc import Collection, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from domain.commands import (
    Command,
    EndWithTicket,
    Escalate,
    EscalateWithoutWalk,
    EscalationMove,
    HandBack,
    Intake,
    MoveTicket,
    NextNode,
    RecordStep,
    Renotify,
    Resolve,
    Start,
    StartFlow,
    StartProposal,
)
from domain.context import Walkable
from domain.drafts import Draft
from domain.history import Walk
from domain.intake import Candidate
from domain.people import Recipient, User
from domain.sessions import Active, Born, Escalated, Session, SessionKind, Unborn
from domain.ticket_news import TicketNews
from domain.tickets import Ticket, TicketKind
from storage import drafts, people, search, sessions, tickets, walkables, walks
from storage.database import Transaction
from storage.drafts import AccountTopic
from storage.people import Account, AccountCategory
from storage.search import Problem
from storage.tickets import AccountTicket
from storage.walkables import AccountFlow, AccountFlowVersion


@dataclass(slots=True)
class Facts:
    """Everything that is known before a batch; the fold moves it along.

    Keys are ids; what belongs to an account is keyed by the account's id and its own. What is
    ``stored`` stays as it was read; ``taken`` are ids of other sessions that are in use.
    """

    accounts: dict[str, Account] = field(default_factory=dict)
    sessions: dict[str, Born] = field(default_factory=dict)
    stored_sessions: frozenset[str] = frozenset()
    taken: set[str] = field(default_factory=set)
    users: dict[str, User] = field(default_factory=dict)
    tickets: dict[AccountTicket, Ticket] = field(default_factory=dict)
    stored_tickets: dict[AccountTicket, Ticket] = field(default_factory=dict)
    active: dict[AccountTicket, str] = field(default_factory=dict)
    previous: dict[AccountTicket, str] = field(default_factory=dict)
    newest_flows: dict[AccountFlow, Walkable] = field(default_factory=dict)
    flows: dict[AccountFlowVersion, Walkable] = field(default_factory=dict)
    proposals: dict[AccountFlow, Walkable] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    stored_drafts: dict[str, Draft] = field(default_factory=dict)
    candidates: dict[Problem, tuple[Candidate, ...]] = field(default_factory=dict)
    recipients: dict[AccountCategory, list[Recipient]] = field(default_factory=dict)
    default_recipients: dict[str, list[Recipient]] = field(default_factory=dict)
    escalation_steps: dict[str, list[list[Recipient]]] = field(default_factory=dict)
    walks: dict[str, Walk] = field(default_factory=dict)

    def session(self, session_id: str) -> Session:
        """The session as it stands, `Unborn` where there is none."""
        return self.sessions.get(session_id, _UNBORN)

    def found_for(self, command: Command) -> tuple[Candidate, ...]:
        """What is known about the problem of an intake; nothing for any other command."""
        problem = _problem(command) if isinstance(command, Intake) else None
        return self.candidates.get(problem, ()) if problem is not None else ()

    def walkable(self, session: Session) -> Walkable | None:
        """What the session walks along, None for kinds that have nothing of the sort."""
        if isinstance(session, Unborn):
            return None
        origin = session.origin
        if origin.flow_proposal_id is not None:
            return self.proposals.get((origin.account_id, origin.flow_proposal_id))
        if origin.flow_id is None or origin.flow_version is None:
            return None
        return self.flows.get((origin.account_id, origin.flow_id, origin.flow_version))


_UNBORN = Unborn()


async def lock(
    tx: Transaction,
    commands: Collection[Command],
    others: Collection[str],
    news: Collection[TicketNews] = (),
    accounts: AbstractSet[str] = frozenset(),
) -> Facts:
    """Lock and read what ``commands`` and ``news`` are decided on.

    ``others`` are sessions that are only looked at, and ``accounts`` further ones to be kept.
    """
    facts = Facts()
    facts.accounts, facts.users = await people.lock_accounts(
        tx,
        {command.account_id for command in commands} | {one.account_id for one in news} | accounts,
        {command.actor_id for command in commands if command.actor_id is not None},
    )
    facts.sessions = await sessions.lock(tx, {command.session_id for command in commands})
    if looked_at := set(others) - facts.sessions.keys():
        facts.sessions |= await sessions.read(tx, looked_at)
    await _read_walked(tx, facts, commands)
    await _lock_tickets(tx, facts, commands, {(one.account_id, one.ticket) for one in news})
    facts.drafts = await drafts.lock(tx, _drafted(facts, commands))
    facts.stored_drafts = dict(facts.drafts)
    facts.proposals = await walkables.lock_proposals(tx, _proposals(facts, commands))
    await _read_knowledge(tx, facts, commands)
    await _read_recipients(tx, facts, commands)
    facts.walks = await walks.read(tx, _told_of(facts, commands))
    facts.stored_sessions = frozenset(facts.sessions)
    facts.stored_tickets = dict(facts.tickets)
    return facts


async def _read_walked(tx: Transaction, facts: Facts, commands: Iterable[Command]) -> None:
    """Which of the nodes that steps name were answered before.

    Most steps name the node at hand, and what a batch itself answers is known without asking.
    """
    named: dict[str, set[str]] = {}
    for command in commands:
        if isinstance(command, RecordStep):
            named.setdefault(command.session_id, set()).add(command.node_id)
    going_back = {
        session_id: node_ids
        for session_id, node_ids in named.items()
        if isinstance(session := facts.session(session_id), Active)
        and session.origin.kind is not SessionKind.AI_BUILD
        and node_ids != {session.current_node_id}
    }
    found = await walks.walked(tx, going_back, set().union(*going_back.values()))
    for session_id, node_ids in found.items():
        session = facts.sessions[session_id]
        if isinstance(session, Active):
            facts.sessions[session_id] = replace(session, walked=node_ids)


async def _lock_tickets(
    tx: Transaction,
    facts: Facts,
    commands: Iterable[Command],
    told_of: AbstractSet[AccountTicket],
) -> None:
    """Tickets told of, those a session may take, and ours that it may resolve or escalate."""
    wanted: set[AccountTicket] = set(told_of)
    for command in commands:
        session = facts.session(command.session_id)
        if isinstance(command, (Start, MoveTicket, EndWithTicket)):
            wanted.add((command.account_id, command.ticket))
        elif isinstance(command, HandBack) and not isinstance(session, Unborn):
            wanted.add((session.origin.account_id, session.origin.ticket))
    ours = {
        (session.origin.account_id, session.origin.ticket)
        for session in facts.sessions.values()
        if session.origin.ticket.kind is TicketKind.INTERNAL
    }
    await tickets.make_known(tx, wanted)
    facts.tickets = await tickets.lock(tx, wanted | ours)
    facts.active, facts.previous = await tickets.active_and_last_sessions(tx, wanted)


def _proposals(facts: Facts, commands: Iterable[Command]) -> set[str]:
    asked = {command.flow_proposal_id for command in commands if isinstance(command, StartProposal)}
    walked = {
        session.origin.flow_proposal_id
        for session in facts.sessions.values()
        if session.origin.flow_proposal_id is not None
    }
    return asked | walked


def _drafted(facts: Facts, commands: Iterable[Command]) -> set[AccountTopic]:
    """What AI-built walks that end well are about: they become drafts."""
    ended = [facts.session(one.session_id) for one in commands if _helped(one)]
    return {
        (session.origin.account_id, session.origin.category or None)
        for session in ended
        if not isinstance(session, Unborn) and session.origin.kind is SessionKind.AI_BUILD
    }


def _helped(command: Command) -> bool:
    return isinstance(command, Resolve) and command.helpful is True


async def _read_knowledge(tx: Transaction, facts: Facts, commands: Collection[Command]) -> None:
    """Flows asked for and walked, what intakes find, and ids that are taken."""
    facts.newest_flows = await walkables.newest(
        tx,
        {
            command.flow_id
            for command in commands
            if isinstance(command, (StartFlow, Intake)) and command.flow_id is not None
        },
    )
    facts.flows = await walkables.pinned(
        tx,
        {
            (session.origin.account_id, session.origin.flow_id, session.origin.flow_version)
            for session in facts.sessions.values()
            if session.origin.flow_id is not None and session.origin.flow_version is not None
        },
        facts.accounts,
    )
    intakes = [command for command in commands if isinstance(command, Intake)]
    facts.candidates = await search.find(tx, set(filter(None, map(_problem, intakes))))
    _begin_walks(facts)
    facts.taken = await sessions.existing(
        tx, {command.new_session_id for command in commands if isinstance(command, HandBack)}
    )


def _problem(intake: Intake) -> Problem | None:
    """What has to be looked for before the intake is decided, if anything."""
    if intake.flow_id is not None or intake.adhoc:
        return None
    return Problem(intake.account_id, intake.problem_text, intake.category)


def _begin_walks(facts: Facts) -> None:
    """Have what a start may pick among what is walked: its reply shows it, steps may follow."""
    for (account_id, flow_id), walkable in facts.newest_flows.items():
        if walkable.version is not None:
            facts.flows[account_id, flow_id, walkable.version] = walkable
    for problem, candidates in facts.candidates.items():
        for one in candidates:
            if one.flow is None:
                continue
            if one.version is not None:
                found = Walkable(one.flow, one.version)
                facts.flows[problem.account_id, one.id, one.version] = found
            else:
                facts.proposals.setdefault((problem.account_id, one.id), Walkable(one.flow))


async def _read_recipients(tx: Transaction, facts: Facts, commands: Collection[Command]) -> None:
    """Who is told."""
    told: set[AccountCategory] = set()
    for command in commands:
        session = facts.session(command.session_id)
        if isinstance(command, (Escalate, EscalateWithoutWalk)):
            told.add((command.account_id, command.reason_category))
        elif isinstance(command, (EscalationMove, Renotify)) and isinstance(session, Escalated):
            told.add((session.origin.account_id, session.reason_category))
    facts.recipients = await people.recipients(tx, told)
    accounts = {account_id for account_id, _ in told}
    facts.default_recipients = await people.default_recipients(tx, accounts)
    if any(isinstance(command, Renotify) for command in commands):
        facts.escalation_steps = await people.escalation_steps(tx, accounts)


def _told_of(facts: Facts, commands: Iterable[Command]) -> set[str]:
    """Sessions whose walk so far goes into a message."""
    told = set()
    for command in commands:
        session = facts.session(command.session_id)
        if isinstance(session, Unborn):
            continue
        built = session.origin.kind is SessionKind.AI_BUILD
        if isinstance(command, (Escalate, EscalationMove, Renotify)) or (
            built and (isinstance(command, (RecordStep, NextNode)) or _helped(command))
        ):
            told.add(command.session_id)
    return told
