"""The commands of a batch through `decide` and `evolve`, in memory and in order.

What sessions share, a ticket's state or the active session on it, moves along with the batch, so
that two starts on one ticket are told apart.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from consumers.letters import Letter, claim
from consumers.moves import audit, move
from consumers.records import DeadLetter, Delivery, Discarded, Item, Poison, Refused
from consumers.trace import trace_of
from domain.built_walks import shown
from domain.commands import (
    Command,
    HandBack,
    Intake,
    MoveTicket,
    Start,
    StartFlow,
    StartProposal,
    Walk,
)
from domain.context import Context, Limits, Walkable
from domain.decide import FORBIDDEN, acting, decide
from domain.decisions import Code, NoKnowledge, Rejected
from domain.history import Recorded
from domain.sessions import Active, Session, SessionKind, Unborn
from domain.tickets import TicketRef
from producers import replies
from producers.ids import event_id
from storage.dead_letters import AccountSession
from storage.facts import Facts
from storage.inbox import Claim
from storage.outbox import Message
from storage.sessions import AuditEntry

_REUSED = Rejected(
    Code.COMMAND_ID_REUSED, "Another command with this command_id came before; take a new id."
)
_DISCARDED = Rejected(
    Code.DISCARDED, "The command could not be applied, and an operator has given it up."
)


ACCEPTED, NO_KNOWLEDGE, DUPLICATE = "accepted", "aborted_no_kb", "duplicate"
"""What a reply was, where it was no rejection."""


@dataclass(slots=True)
class Folded:
    """Everything that a batch comes to: what to save, and what to send.

    ``answered`` are claims that were parked until now. ``others`` counts the replies that did not
    accept; ``traces`` are the trace contexts of those commands that came with one.
    """

    recorded: list[Recorded] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    answered: list[Claim] = field(default_factory=list)
    replies: list[Message] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    asked: list[Message] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    traces: dict[str, bytes] = field(default_factory=dict)

    def codes(self) -> Counter[str]:
        """How many replies there are of what kind: outcome, rejection's code, or duplicate."""
        return self.others + Counter({ACCEPTED: len(self.replies) - self.others.total()})

    def trace(self, command_id: str) -> bytes:
        """The trace context of a command that took effect, packed."""
        return self.traces.get(command_id, b"")


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of commands before a batch: answered ids, and sessions that are parked.

    In a ``replay`` the commands are those that were parked, and are answered now.
    """

    claims: Mapping[str, Claim]
    parked: AbstractSet[AccountSession]
    replay: bool = False


def fold(
    facts: Facts,
    known: Known,
    items: Sequence[Item],
    now: datetime,
    limits: Limits,
) -> Folded:
    """Answer every command of a batch, or park it behind a poison command of its session.

    Moves ``facts`` along: afterwards they are what to save.
    """
    course = _Course(facts, known, now, limits, dict(known.claims))
    for item in items:
        match item:
            case Delivery():
                course.answer(item, None)
            case DeadLetter():
                course.folded.letters.append(item)
            case Refused():
                course.refuse(item)
            case Poison(delivery=delivery):
                course.answer(delivery, item)
            case Discarded(delivery=delivery):
                course.discard(delivery)
    return course.folded


@dataclass(slots=True)
class _Course:
    """A fold on its way: what it looks at, and what it has come to so far."""

    facts: Facts
    known: Known
    now: datetime
    limits: Limits
    claims: dict[str, Claim]
    folded: Folded = field(default_factory=Folded)

    def answer(self, delivery: Delivery, poison: Poison | None) -> None:
        """Answer a command: as before, anew, or later; a ``poison`` one only later.

        Nothing is kept for an account that is not there: it may have been deleted.
        """
        command = delivery.command
        earlier = self.claims.get(command.command_id)
        if earlier is not None and earlier.digest != delivery.digest:
            self._reply(delivery, self._rejected(delivery, _REUSED), _REUSED.code)
        elif earlier is not None and earlier.reply is not None:
            self._reply(delivery, replies.again(earlier.reply), DUPLICATE)
        elif poison is not None or self._waits(command, earlier):
            self._keep(poison or delivery, delivery)
        else:
            reply, code = self._apply(delivery)
            self._claim(delivery, reply)
            self._reply(delivery, reply, code)

    def _waits(self, command: Command, earlier: Claim | None) -> bool:
        if self.known.replay:
            return False
        parked = (command.account_id, command.session_id) in self.known.parked
        return earlier is not None or parked

    def _keep(self, letter: Letter, delivery: Delivery) -> None:
        if delivery.command.account_id in self.facts.accounts:
            self._park(letter, delivery)
        else:
            self._refuse_for(delivery, FORBIDDEN)

    def _park(self, letter: Letter, delivery: Delivery) -> None:
        """Keep a command for later, its id claimed without an answer."""
        self.folded.letters.append(letter)
        if delivery.command.command_id not in self.claims:
            self._claim(delivery, None)

    def refuse(self, item: Refused) -> None:
        """Answer a record that is refused for what it is; it does not claim its id.

        One that could be read when it was parked has claimed it, and is answered as well.
        """
        reply = replies.rejected(
            item, item.rejected, self._view(self.facts.session(item.session_id)), self.now
        )
        parked = self.claims.get(item.command_id) if self.known.replay else None
        if parked is not None and parked.reply is None:
            self._answered(parked._replace(reply=reply))
        self._send(item.session_id, reply, item.rejected.code, trace_of(item.record.headers))

    def discard(self, delivery: Delivery) -> None:
        """Tell the sender that the command was given up; what is answered already stays so."""
        earlier = self.claims.get(delivery.command.command_id)
        if earlier is not None and earlier.reply is not None:
            self._reply(delivery, replies.again(earlier.reply), DUPLICATE)
        else:
            self._refuse_for(delivery, _DISCARDED)

    def _refuse_for(self, delivery: Delivery, rejected: Rejected) -> None:
        reply = self._rejected(delivery, rejected)
        self._claim(delivery, reply)
        self._reply(delivery, reply, rejected.code)

    def _apply(self, delivery: Delivery) -> tuple[bytes, str]:
        """Decide one command, move the facts by its events; return its answer and what it is."""
        command = delivery.command
        before = self.facts.session(command.session_id)
        context = self._context(command, before)
        decision = decide(before, command, context)
        if isinstance(decision, Rejected):
            return self._rejected(delivery, decision), decision.code
        if isinstance(decision, NoKnowledge):
            return replies.no_knowledge(command, self.now), NO_KNOWLEDGE
        actor = acting(command, context.user)
        if actor is None:
            msg = "a command was accepted from nobody"
            raise ValueError(msg)
        for place, event in enumerate(decision.events):
            recorded = move(self.facts, delivery, place, event, actor)
            self.folded.recorded.append(recorded)
            if entry := audit(recorded):
                self.folded.audit.append(entry)
        session = self.facts.session(command.session_id)
        found = context.candidates if isinstance(command, Intake) else ()
        return replies.accepted(command, self._view(session), found, self.now), ACCEPTED

    def _context(self, command: Command, session: Session) -> Context:
        facts, account_id = self.facts, command.account_id
        user = None if command.actor_id is None else facts.users.get(command.actor_id)
        named = partial(event_id, command.command_id)
        known = account_id in facts.accounts
        if isinstance(command, Walk):  # it leaves the ticket that its session has
            return Context(
                self.now,
                user,
                named,
                facts.walkable(session),
                limits=self.limits,
                account_known=known,
            )
        ref = _ticket(command, session)
        if ref is None:
            return Context(self.now, user, named, limits=self.limits, account_known=known)
        ticket = (account_id, ref)
        return Context(
            now=self.now,
            user=user,
            event_id=named,
            walkable=self._walkable(command, session),
            ticket=facts.tickets.get(ticket),
            active_session_id=facts.active.get(ticket),
            previous_session_id=facts.previous.get(ticket),
            candidates=facts.found_for(command),
            new_session_taken=(
                isinstance(command, HandBack) and self._is_taken(command.new_session_id)
            ),
            limits=self.limits,
            account_known=known,
        )

    def _walkable(self, command: Command, session: Session) -> Walkable | None:
        """What a start would walk, or what the session walks."""
        facts, account_id = self.facts, command.account_id
        match command:
            case StartFlow(flow_id=flow_id) | Intake(flow_id=str(flow_id)):
                return facts.newest_flows.get((account_id, flow_id))
            case StartProposal(flow_proposal_id=proposal_id):
                return facts.proposals.get((account_id, proposal_id))
            case _:
                return facts.walkable(session)

    def _is_taken(self, session_id: str) -> bool:
        return session_id in self.facts.taken or session_id in self.facts.sessions

    def _rejected(self, delivery: Delivery, rejected: Rejected) -> bytes:
        command = delivery.command
        view = self._view(self.facts.session(command.session_id))
        return replies.rejected(command, rejected, view, self.now)

    def _view(self, session: Session) -> replies.View:
        """The session as a client shows it, with the node that is to be answered."""
        if not isinstance(session, Active):
            return replies.View(session)
        if session.origin.kind is SessionKind.AI_BUILD:
            return replies.View(session, shown(session, self.limits))
        walkable = self.facts.walkable(session)
        if walkable is None or session.current_node_id is None:
            return replies.View(session)
        return replies.View(session, walkable.flow.nodes.get(session.current_node_id))

    def _claim(self, delivery: Delivery, reply: bytes | None) -> None:
        claimed = claim(delivery, reply)
        if claimed.command_id in self.claims:
            self._answered(claimed)
        else:
            self.claims[claimed.command_id] = claimed
            self.folded.claims.append(claimed)

    def _answered(self, claimed: Claim) -> None:
        self.claims[claimed.command_id] = claimed
        self.folded.answered.append(claimed)

    def _reply(self, delivery: Delivery, reply: bytes, code: str) -> None:
        command, trace = delivery.command, trace_of(delivery.record.headers)
        if trace and code == ACCEPTED:  # not that of one that came again
            self.folded.traces[command.command_id] = trace
        self._send(command.session_id, reply, code, trace)

    def _send(self, session_id: str, reply: bytes, code: str, trace: bytes) -> None:
        self.folded.replies.append(replies.message(session_id, reply, trace))
        if code != ACCEPTED:  # most are, and are not worth a count each
            self.folded.others[code] += 1


def _ticket(command: Command, session: Session) -> TicketRef | None:
    """The ticket that the command would take, or that its session has."""
    if isinstance(command, (Start, MoveTicket)):
        return command.ticket
    return None if isinstance(session, Unborn) else session.origin.ticket
