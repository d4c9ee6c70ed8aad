"""The commands of a batch through `decide` and `evolve`, in memory and in order.

What sessions share, a ticket's state or the active session on it, moves along with the batch, so
that two starts on one ticket are told apart.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from consumers.letters import Letter, claim
from consumers.moves import audit, move
from consumers.records import DeadLetter, Delivery, Item, Poison, Refused
from domain.commands import Start, StartFlow, StartProposal
from domain.decide import Context, Limits, acting, decide
from domain.decisions import Code, Rejected
from domain.history import Recorded
from producers import replies
from storage.dead_letters import AccountSession
from storage.facts import Facts
from storage.inbox import Claim
from storage.outbox import Message
from storage.sessions import AuditEntry

_REUSED = Rejected(
    Code.COMMAND_ID_REUSED, "Another command with this command_id came before; take a new id."
)


@dataclass(slots=True)
class Folded:
    """Everything that a batch comes to: what to save, and what to send."""

    recorded: list[Recorded] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    replies: list[Message] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of commands before a batch: answered ids, and sessions that are parked."""

    claims: Mapping[str, Claim]
    parked: AbstractSet[AccountSession]


def fold(
    facts: Facts,
    standing: Standing,
    items: Sequence[Item],
    now: datetime,
    limits: Limits,
) -> Folded:
    """Answer every command of a batch, or park it behind a poison command of its session.

    Moves ``facts`` along: afterwards they are what to save.
    """
    folded = Folded()
    claims = dict(standing.claims)
    for item in items:
        match item:
            case DeadLetter():
                folded.letters.append(item)
            case Refused():
                folded.replies.append(_refused(item, facts, now))
            case Poison(delivery=delivery):
                folded.letters.append(item)
                if delivery.command.command_id not in claims:
                    claims[delivery.command.command_id] = _claim(folded, delivery, None)
            case Delivery():
                _answer(folded, item, claims, facts, standing, now, limits)
    return folded


def _answer(  # noqa: PLR0913 - the state of the fold
    folded: Folded,
    delivery: Delivery,
    claims: dict[str, Claim],
    facts: Facts,
    standing: Standing,
    now: datetime,
    limits: Limits,
) -> None:
    """Answer one command: as before, anew, or later."""
    command_id = delivery.command.command_id
    known = claims.get(command_id)
    if known is not None and known.digest != delivery.digest:
        folded.replies.append(_rejected(delivery, _REUSED, facts, now))
    elif known is not None and known.reply is not None:
        folded.replies.append(replies.message(known.session_id, replies.again(known.reply)))
    elif known is not None or _session_key(delivery) in standing.parked:
        folded.letters.append(delivery)
        if known is None:
            claims[command_id] = _claim(folded, delivery, None)
    else:
        answer = _apply(folded, delivery, facts, now, limits)
        folded.replies.append(answer)
        claims[command_id] = _claim(folded, delivery, answer.value)


def _apply(
    folded: Folded, delivery: Delivery, facts: Facts, now: datetime, limits: Limits
) -> Message:
    """Decide one command, move the facts by its events, and return its answer."""
    command = delivery.command
    context = _context(delivery, facts, now, limits)
    decision = decide(facts.session(command.session_id), command, context)
    if isinstance(decision, Rejected):
        return _rejected(delivery, decision, facts, now)
    actor = acting(command, context.user)
    if actor is None:
        msg = "a command was accepted from nobody"
        raise ValueError(msg)
    for place, event in enumerate(decision.events):
        recorded = move(facts, delivery, place, event, actor)
        folded.recorded.append(recorded)
        if entry := audit(recorded):
            folded.audit.append(entry)
    session = facts.session(command.session_id)
    return replies.message(
        command.session_id,
        replies.accepted(command.command_id, session, command.correlation, now),
    )


def _context(delivery: Delivery, facts: Facts, now: datetime, limits: Limits) -> Context:
    command = delivery.command
    user = None if command.actor_id is None else facts.users.get(command.actor_id)
    if not isinstance(command, Start):
        return Context(now, user, limits=limits)
    account_id = command.account_id
    flow_version = None
    if isinstance(command, StartFlow):
        flow_version = facts.flow_versions.get((account_id, command.flow_id))
    proposal_exists = (
        isinstance(command, StartProposal)
        and (account_id, command.flow_proposal_id) in facts.proposals
    )
    return Context(
        now,
        user,
        facts.tickets.get((account_id, command.ticket)),
        facts.active.get((account_id, command.ticket)),
        flow_version,
        proposal_exists,
        limits,
    )


def _rejected(delivery: Delivery, rejected: Rejected, facts: Facts, now: datetime) -> Message:
    command = delivery.command
    reply = replies.rejected(
        command.command_id,
        command.session_id,
        command.account_id,
        rejected,
        facts.session(command.session_id),
        command.correlation,
        now,
    )
    return replies.message(command.session_id, reply)


def _refused(item: Refused, facts: Facts, now: datetime) -> Message:
    reply = replies.rejected(
        item.command_id,
        item.session_id,
        item.account_id,
        item.rejected,
        facts.session(item.session_id),
        item.correlation,
        now,
    )
    return replies.message(item.session_id, reply)


def _claim(folded: Folded, delivery: Delivery, reply: bytes | None) -> Claim:
    folded.claims.append(claim(delivery, reply))
    return folded.claims[-1]


def _session_key(delivery: Delivery) -> AccountSession:
    return (delivery.command.account_id, delivery.command.session_id)
