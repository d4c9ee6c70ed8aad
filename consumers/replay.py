"""Applying dead letters after all: in order, up to the first that fails for a reason of its own.

All of it happens in one transaction of the caller's, who holds the lock on what is replayed. It
goes through the decode, fold, save and stage of any batch; only positions are left alone, which
moved when the records came.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import takewhile

from consumers.apply import follow_news, lock, warn_of_nobody_told
from consumers.fold import Known, fold
from consumers.letters import read_again
from consumers.records import DeadLetter, Delivery, Discarded, Item, Refused
from consumers.save import outgoing, save
from domain.context import Limits
from producers.topics import MESSAGE_LIMIT
from storage import inbox, outbox
from storage.database import Transaction
from storage.dead_letter_desk import KeptLetter
from storage.faults import Fault, classify, describe
from storage.outbox import Message


@dataclass(slots=True)
class Way:
    """How far it came. ``stuck`` is the letter that cannot be applied, and why."""

    done: list[KeptLetter] = field(default_factory=list)
    stuck: tuple[KeptLetter, str] | None = None
    messages: list[Message] = field(default_factory=list)


async def apply_in_order(
    tx: Transaction, waiting: Sequence[KeptLetter], now: datetime, limits: Limits
) -> Way:
    """Apply letters as far as can be; what comes after one that cannot be is not tried."""
    way = Way()
    items = [(letter, read_again(letter)) for letter in waiting]
    readable = list(takewhile(lambda one: not isinstance(one[1], DeadLetter), items))
    if readable:
        await _apply(tx, readable, now, limits, way)
    if way.stuck is None and len(readable) < len(items):
        letter, item = items[len(readable)]
        way.stuck = (letter, item.detail if isinstance(item, DeadLetter) else "")
    return way


async def carry_out(
    tx: Transaction, items: Sequence[Item], now: datetime, limits: Limits, *, parked: bool
) -> list[Message]:
    """Decide, save and stage; return what goes out. Commands that are ``parked`` get their answer.

    Raises what `consumers.apply.apply_batch` raises.
    """
    known = await inbox.known(tx, list(filter(None, map(_command_id, items))))
    facts = await lock(tx, items)
    folded = fold(facts, Known(known, frozenset(), replay=parked), items, now, limits)
    folded.asked = await follow_news(tx, facts, folded, items, now)
    await save(tx, folded, facts, now)
    messages = outgoing(folded, facts)
    await outbox.stage(tx, messages, MESSAGE_LIMIT)
    warn_of_nobody_told(folded)
    return messages


async def _apply(
    tx: Transaction,
    items: Sequence[tuple[KeptLetter, Item]],
    now: datetime,
    limits: Limits,
    way: Way,
) -> None:
    """Apply all of them, or else their halves in order, up to the first that fails."""
    # Savepoints, and few of them: a rehearsal has to roll back what comes before a failure, too.
    parked = items[0][0].queue is not None
    try:
        async with tx.savepoint():
            sent = await carry_out(tx, [item for _, item in items], now, limits, parked=parked)
    except Exception as error:
        if classify(error) is not Fault.OWN:
            raise
        if len(items) == 1:
            way.stuck = (items[0][0], describe(error))
            return
        middle = len(items) // 2
        await _apply(tx, items[:middle], now, limits, way)
        if way.stuck is None:
            await _apply(tx, items[middle:], now, limits, way)
    else:
        way.done += [letter for letter, _ in items]
        way.messages += sent


def _command_id(item: Item) -> str | None:
    match item:
        case Delivery(command=command) | Discarded(delivery=Delivery(command=command)):
            return command.command_id
        case Refused(command_id=command_id):
            return command_id
        case _:
            return None
