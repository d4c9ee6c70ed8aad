"""What firstline promises, told with dictionaries: accounts, their sessions, and nothing else.

It decides with `domain.decide`, one command at a time, and knows neither batches nor Kafka nor
Postgres. What the program does must come to the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TypeGuard

from domain.commands import (
    Command,
    HandBack,
    Intake,
    MoveTicket,
    Start,
    StartFlow,
    StartProposal,
)
from domain.context import Context, Limits, Walkable
from domain.decide import acting, decide
from domain.decisions import Accepted, Decision
from domain.events import (
    EscalationEvent,
    Event,
    NotesUpdated,
    Renotified,
    SessionEscalated,
    SessionResolved,
    SessionStarted,
    StepRecorded,
)
from domain.evolve import evolve, evolve_ticket
from domain.intake import Candidate, FoundKind
from domain.people import Actor, Role, User
from domain.sessions import Active, Born, Session, Unborn
from domain.tickets import Ticket, TicketKind, TicketRef, TicketStatus
from producers.ids import event_id
from tests.builders import ACME, GLOBEX, MAIL, a_ticket, a_user, an_id

LIMITS = Limits(steps=2, ai_nodes=2)

TECH, ENGINEER, IDLE_ENGINEER, ADMIN, FORMER = (an_id(number) for number in range(1, 6))
GLOBEX_TECH = an_id(6)
NOBODY = an_id(7)
FLOW, ARCHIVED_FLOW, GLOBEX_FLOW = (an_id(number) for number in range(0x11, 0x14))
PROPOSAL, GLOBEX_PROPOSAL = an_id(0x15), an_id(0x16)
OPEN_TICKET, CLOSED_TICKET, GLOBEX_TICKET = (
    TicketRef(TicketKind.INTERNAL, an_id(number)) for number in range(0x21, 0x24)
)
CLOSED_PSA_TICKET = TicketRef(TicketKind.PSA, "666")
PSA_TICKETS = [TicketRef(TicketKind.PSA, name) for name in ("1", "2", "3", "4")]

USERS = [
    a_user(id=TECH, name="Terry"),
    a_user(id=ENGINEER, name="Erin", role=Role.ENGINEER, l1_coverage=True),
    a_user(id=IDLE_ENGINEER, name="Ida", role=Role.ENGINEER),
    a_user(id=ADMIN, name="Ada", role=Role.ADMIN),
    a_user(id=FORMER, name="Fay", deleted=True),
    a_user(id=GLOBEX_TECH, name="Gus", account_id=GLOBEX),
]
ACCOUNTS = {ACME, GLOBEX}
FLOW_VERSIONS = {(ACME, FLOW): 2, (GLOBEX, GLOBEX_FLOW): 1}
"""The newest versions of flows in use; all of them, and all proposals, are `MAIL`."""
PROPOSALS = {(ACME, PROPOSAL), (GLOBEX, GLOBEX_PROPOSAL)}
ARTICLE = an_id(0x17)
KNOWN = {
    (ACME, "No mail."): Candidate(FoundKind.FLOW, FLOW, "Mail", 1, MAIL, 2),
    (GLOBEX, "No mail."): Candidate(FoundKind.FLOW, GLOBEX_FLOW, "Mail", 1, MAIL, 1),
    (ACME, "The printer burns."): Candidate(FoundKind.ARTICLE, ARTICLE, "Printers", 1),
}
"""What accounts know of a problem; of all others they know nothing."""
TICKETS = {
    (ACME, OPEN_TICKET): a_ticket(ref=OPEN_TICKET),
    (ACME, CLOSED_TICKET): a_ticket(ref=CLOSED_TICKET, status=TicketStatus.CLOSED),
    (ACME, CLOSED_PSA_TICKET): a_ticket(ref=CLOSED_PSA_TICKET, status=TicketStatus.CLOSED),
    (GLOBEX, GLOBEX_TICKET): a_ticket(ref=GLOBEX_TICKET),
}
"""All tickets that firstline knows; of the PSA's others it has never heard."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event, and the session right after it; ``session`` may be another than was asked for."""

    event: Event
    session: Born
    actor: Actor
    walk: Sequence[StepRecorded]
    notes: str | None


@dataclass(slots=True)
class World:
    """Everything that commands have brought about so far."""

    users: dict[str, User] = field(default_factory=lambda: {user.id: user for user in USERS})
    sessions: dict[str, Born] = field(default_factory=dict)
    walks: dict[str, list[StepRecorded]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    tickets: dict[tuple[str, TicketRef], Ticket] = field(default_factory=lambda: dict(TICKETS))
    validated: set[str] = field(default_factory=set)
    escalated_by: dict[str, str] = field(default_factory=dict)
    moved_at: dict[str, datetime] = field(default_factory=dict)
    audited: list[tuple[str, str, str]] = field(default_factory=list)

    def copy(self) -> "World":
        """A world that goes its own way from here."""
        return World(
            self.users,
            dict(self.sessions),
            {session_id: list(walk) for session_id, walk in self.walks.items()},
            dict(self.notes),
            dict(self.tickets),
            set(self.validated),
            dict(self.escalated_by),
            dict(self.moved_at),
            list(self.audited),
        )

    def session(self, session_id: str) -> Session:
        """The session as it stands."""
        return self.sessions.get(session_id, Unborn())

    def apply(self, command: Command, now: datetime) -> tuple[Decision, list[Happened]]:
        """Decide one command, and let happen what it brings about."""
        decision = self.decide(command, now)
        if not isinstance(decision, Accepted):
            return decision, []
        actor = acting(command, self.users.get(command.actor_id or ""))
        assert actor is not None
        return decision, [self._happen(event, command, actor) for event in decision.events]

    def decide(self, command: Command, now: datetime) -> Decision:
        """What would come of the command."""
        return decide(self.session(command.session_id), command, self._context(command, now))

    def _context(self, command: Command, now: datetime) -> Context:
        """What is known at this moment, looked up the slow way."""
        user = self.users.get(command.actor_id or "")
        named = partial(event_id, command.command_id)
        asked_for = self.session(command.session_id)
        account_id = command.account_id
        if isinstance(command, (Start, MoveTicket)):
            ticket = command.ticket
        elif isinstance(asked_for, Unborn):
            return Context(now, user, named, limits=LIMITS, account_known=account_id in ACCOUNTS)
        else:
            ticket = asked_for.origin.ticket
        active = [
            session.origin.session_id
            for session in self.sessions.values()
            if isinstance(session, Active)
            and (session.origin.account_id, session.origin.ticket) == (account_id, ticket)
        ]
        assert len(active) <= 1
        known = KNOWN.get((account_id, command.problem_text)) if _searches(command) else None
        return Context(
            now=now,
            user=user,
            event_id=named,
            walkable=self._walkable(command, asked_for),
            ticket=self.tickets.get((account_id, ticket)),
            active_session_id=active[0] if active else None,
            candidates=(known,) if known else (),
            new_session_taken=isinstance(command, HandBack)
            and command.new_session_id in self.sessions,
            limits=LIMITS,
            account_known=account_id in ACCOUNTS,
        )

    def _walkable(self, command: Command, session: Session) -> Walkable | None:
        """What the command would start to walk, or what its session walks."""
        account_id = command.account_id
        if isinstance(command, (StartFlow, Intake)) and command.flow_id is not None:
            version = FLOW_VERSIONS.get((account_id, command.flow_id))
            return None if version is None else Walkable(MAIL, version)
        if isinstance(command, StartProposal):
            exists = (account_id, command.flow_proposal_id) in PROPOSALS
            return Walkable(MAIL) if exists else None
        return None if isinstance(session, Unborn) else walked(session)

    def _happen(self, event: Event, command: Command, actor: Actor) -> Happened:
        session_id = command.session_id
        if isinstance(event, SessionStarted):
            session_id = event.session_id
        session = self.sessions[session_id] = evolve(self.session(session_id), event)
        origin = session.origin
        match event:
            case SessionStarted():
                self.walks[session_id] = []
            case StepRecorded():
                self.walks[session_id].append(event)
            case NotesUpdated(notes=notes):
                self.notes[session_id] = notes
            case SessionResolved(helpful=True) if origin.flow_proposal_id is not None:
                self.validated.add(origin.flow_proposal_id)
            case SessionEscalated():
                self.escalated_by[session_id] = actor.id
        told_again = isinstance(event, Renotified)
        if not isinstance(session, Active) and not told_again:
            self.audited.append((session_id, command.command_id, actor.id))
        if isinstance(event, (SessionEscalated, EscalationEvent)):
            self.moved_at[session_id] = event.at
        if origin.ticket.kind is TicketKind.INTERNAL:
            key = (origin.account_id, origin.ticket)
            self.tickets[key] = evolve_ticket(self.tickets[key], event)
        walk = tuple(self.walks[session_id])
        return Happened(event, session, actor, walk, self.notes.get(session_id))


def walked(session: Born) -> Walkable | None:
    """What the session walks along."""
    origin = session.origin
    led = origin.flow_id is not None or origin.flow_proposal_id is not None
    return Walkable(MAIL, origin.flow_version) if led else None


def _searches(command: Command) -> TypeGuard[Intake]:
    return isinstance(command, Intake) and command.flow_id is None and not command.adhoc
