"""One batch, one transaction: every command applied exactly once, in order."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from consumers import letters
from consumers.fold import Folded, Known, fold
from consumers.news import follow, take_in_again
from consumers.records import Delivery, Discarded, Heard, Item, Poison, Refused
from consumers.save import save, stage
from consumers.stopwatch import Stopwatch
from consumers.trace import trace_of
from domain.context import Limits
from domain.events import SessionEscalated
from storage import facts as facts_of
from storage import inbox, positions, ticket_events
from storage.database import Transaction, begin
from storage.facts import Facts
from storage.failpoints import reach, reach_once_sent
from storage.outbox import Message
from storage.positions import Partition

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Batch:
    """Decoded records in order, and the stretch of each partition that they come from.

    A span runs from where reading went on to past the last record read: offsets in between that
    hold no record, as of aborted transactions, belong to it. Decoding took ``seconds``.
    """

    items: Sequence[Item]
    spans: Mapping[Partition, range]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Applied:
    """What a batch came to. ``repeated`` counts records that had been applied before.

    ``codes`` counts replies by what they were, ``seconds`` is how long each step took.
    """

    records: int = 0
    repeated: int = 0
    messages: int = 0
    letters: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    seconds: Mapping[str, float] = field(default_factory=dict)


async def apply_batch(engine: AsyncEngine, batch: Batch, now: datetime, limits: Limits) -> Applied:
    """Apply every command exactly once, in order, in one transaction.

    Returns after the commit; only then may offsets be committed. If the process dies in between,
    the batch comes back, and the positions tell that it was applied. Raises what Postgres raises,
    and `storage.positions.PositionBehind`: then nothing happened, or the commit is in doubt and
    the same batch may be applied again.
    """
    took = Stopwatch()
    async with begin(engine) as tx:
        items = _fresh(batch, await positions.move(tx, batch.spans))
        took.step("move")
        known = await _claim(tx, items)
        took.step("claim")
        reach("apply: claimed")
        facts = await lock(tx, items)
        known = await _still_known(tx, known, facts)
        took.step("lock")
        reach("apply: locked")
        folded = fold(facts, known, items, now, limits)
        folded.asked = await follow_news(tx, facts, folded, items, now)
        took.step("fold")
        await save(tx, folded, facts, now)
        took.step("save")
        reach("apply: saved")
        staged = await stage(tx, folded, facts)
        took.step("stage")
        reach("apply: staged")
        reach_once_sent("apply: commit sent")
    took.step("commit")
    warn_of_nobody_told(folded)
    return _applied(batch, items, folded, staged, took.seconds)


def _fresh(batch: Batch, before: Mapping[Partition, int]) -> list[Item]:
    """The items that were not applied before: at or past their partition's position."""
    # By plain tuples: to make a partition of each record costs more than all the rest.
    offsets = {(partition.topic, partition.number): offset for partition, offset in before.items()}
    return [
        item
        for item in batch.items
        if item.record.offset >= offsets[item.record.topic, item.record.partition]
    ]


async def _claim(tx: Transaction, items: Sequence[Item]) -> Known:
    """What is known of the commands: answered before, or parked."""
    deliveries = [
        item.delivery if isinstance(item, Poison) else item
        for item in items
        if isinstance(item, (Delivery, Poison))
    ]
    sessions = {(one.command.account_id, one.command.session_id) for one in deliveries}
    command_ids = [one.command.command_id for one in deliveries]
    return Known(*await inbox.known_and_parked(tx, command_ids, sessions))


async def _still_known(tx: Transaction, known: Known, facts: Facts) -> Known:
    """What is known now: what an account had answered went with it while it was waited for."""
    stand = {
        command_id: claim
        for command_id, claim in known.claims.items()
        if claim.account_id in facts.accounts
    }
    asked = [command_id for command_id in known.claims if command_id not in stand]
    if not asked:
        return known
    return replace(known, claims=stand | await inbox.known(tx, asked))


async def lock(tx: Transaction, items: Sequence[Item]) -> Facts:
    """What the commands are decided on; what is kept of an account keeps it, too."""
    return await facts_of.lock(
        tx,
        [item.command for item in items if isinstance(item, Delivery)],
        _looked_at(items),
        [item.news for item in items if isinstance(item, Heard)],
        {item.delivery.command.account_id for item in items if isinstance(item, Poison)},
    )


async def follow_news(
    tx: Transaction, facts: Facts, folded: Folded, items: Sequence[Item], now: datetime
) -> list[Message]:
    """Take in the news of tickets; return the commands that they ask for, or did before."""
    asked = take_in_again(facts, folded)
    told = [(item.news, trace_of(item.record.headers)) for item in items if isinstance(item, Heard)]
    if not told:
        return asked
    names = {
        (news.account_id, news.provider, news.event_id)
        for news, _ in told
        if news.account_id in facts.accounts
    }
    before = await ticket_events.heard(tx, names)
    await ticket_events.save(tx, names - before, now)
    return asked + follow(facts, told, before)


def _looked_at(items: Sequence[Item]) -> set[str]:
    """Sessions that are shown in a reply without being decided on."""
    refused = {item.session_id for item in items if isinstance(item, Refused)}
    undecided = {
        item.delivery.command.session_id for item in items if isinstance(item, (Poison, Discarded))
    }
    return refused | undecided


def warn_of_nobody_told(folded: Folded) -> None:
    """Say in the log which escalations nobody hears of."""
    for recorded in folded.recorded:
        if isinstance(recorded.event, SessionEscalated) and not recorded.recipients:
            _log.warning(
                "an escalation has no recipients",
                account_id=recorded.session.origin.account_id,
                session_id=recorded.session.origin.session_id,
            )


def _applied(
    batch: Batch, items: Sequence[Item], folded: Folded, staged: int, seconds: Mapping[str, float]
) -> Applied:
    return Applied(
        len(items),
        len(batch.items) - len(items),
        staged,
        Counter(letters.row(letter).reason for letter in folded.letters),
        folded.codes(),
        seconds,
    )
