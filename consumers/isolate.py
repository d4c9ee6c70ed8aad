"""One bad record must not stop the others: a batch that fails is applied in halves.

Halves are transactions of their own, in order. What is left alone with its fault is a poison
command: it is kept as a dead letter and parks its session, and everything else flows on.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from consumers.apply import Applied, Batch, apply_batch
from consumers.records import Delivery, Item, Poison
from domain.context import Limits
from storage.database import begin
from storage.dead_letter_desk import poisoned
from storage.faults import Fault, classify, describe, took_too_long
from storage.positions import Partition, PositionBehind

_log = structlog.get_logger()

_TRIES = 3


class TryLater(Exception):
    """A server is away, or a race does not end. Nothing is skipped: try the rest again later."""


class TookTooLong(TryLater):
    """Postgres gave a statement up for its time: try the batch in halves, which take less."""


class DeploymentWrong(Exception):
    """The database is not what this version needs. The worker stops; an operator migrates."""


class TooMuchPoison(Exception):
    """So many commands fail that the program is to be suspected, rather than the commands.

    The worker stops before it empties a topic into dead letters, and so does the next one at the
    first command that fails. It goes on once an operator has settled some, or raised the limit.
    """


class Defect(Exception):
    """A record that needs no deciding cannot even be put away: the program itself is at fault.

    The worker stops before the record is lost. Nothing an operator does to the servers helps.
    """


@dataclass(slots=True)
class Applier:
    """Applies batches to one database.

    ``tried_at`` is when it tried last, by the monotonic clock.
    """

    engine: AsyncEngine
    limits: Limits
    poison_per_minute: int = 60
    tried_at: float = field(default_factory=time.monotonic, init=False)

    async def apply(self, batch: Batch, now: datetime) -> Applied:
        """Apply a batch; isolate what cannot be applied for a reason of its own.

        Raises `TryLater` (try the same batch again: the positions know how far it came), of it
        `TookTooLong` (try its halves), `DeploymentWrong`, `TooMuchPoison`, `Defect`, and
        `PositionBehind`.
        """
        error: Exception
        for attempt in range(_TRIES):
            self.tried_at = time.monotonic()
            try:
                if any(isinstance(item, Poison) for item in batch.items):
                    await self._suspect_ourselves()
                return await apply_batch(self.engine, batch, now, self.limits)
            except (PositionBehind, TooMuchPoison):
                raise
            except Exception as caught:  # noqa: BLE001 - sorted out by class
                error = caught
            match classify(error):
                case Fault.WAIT if took_too_long(error) and len(batch.items) > 1:
                    raise TookTooLong(describe(error)) from error
                case Fault.WAIT:
                    raise TryLater(describe(error)) from error
                case Fault.STOP:
                    raise DeploymentWrong(describe(error)) from error
                case Fault.OWN:
                    break
                case Fault.AGAIN:
                    _log.info("batch again", attempt=attempt + 1, error=describe(error))
                    await asyncio.sleep(random.uniform(0.005, 0.05) * (attempt + 1))  # noqa: S311
        return await self._isolate(batch, now, error)

    async def _isolate(self, batch: Batch, now: datetime, error: Exception) -> Applied:
        if len(batch.items) > 1:
            first, second = halves(batch)
            return _sum(await self.apply(first, now), await self.apply(second, now))
        if classify(error) is Fault.AGAIN or not batch.items:
            raise TryLater(describe(error)) from error
        (item,) = batch.items
        if not isinstance(item, Delivery):
            raise Defect(_sentence(item, error)) from error
        _log.error("poison command", error=describe(error), **where(item))
        return await self.apply(replace(batch, items=[Poison(item, describe(error))]), now)

    async def _suspect_ourselves(self) -> None:
        """Raise `TooMuchPoison` where the newest minute of poison is full already.

        That minute ends with the newest poison, not now: a worker that is started again and again
        would otherwise empty the topic minute by minute.
        """
        async with begin(self.engine) as tx:
            found, newest = await poisoned(tx)
        if newest is not None and found >= self.poison_per_minute:
            msg = (
                f"{found} commands could not be applied within a minute up to"
                f" {newest:%Y-%m-%d %H:%M:%S}Z, and now another: nothing more is set aside, because"
                " this version or its deployment may be at fault; look at `firstline dead-letters"
                " list --reason poison`, mend that, then replay or discard them, or raise"
                " FIRSTLINE_POISON_PER_MINUTE"
            )
            raise TooMuchPoison(msg)


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """The batch in two, in order, each with its part of the spans."""
    middle = len(batch.items) // 2
    first, second = batch.items[:middle], batch.items[middle:]
    ends = {_partition(item): item.record.offset + 1 for item in first}
    starts = {
        partition: range(ends.get(partition, span.start), span.stop)
        for partition, span in batch.spans.items()
    }
    return (
        Batch(first, {p: range(batch.spans[p].start, end) for p, end in ends.items()}),
        Batch(second, starts),
    )


def where(item: Item) -> dict[str, object]:
    """Where a record came from, for logs."""
    record = item.record
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def _sentence(item: Item, error: Exception) -> str:
    record = item.record
    return (
        f"{record.topic}/{record.partition} at {record.offset} cannot be put away"
        f" ({describe(error)}): this is a fault of the program; please report it"
    )


def _partition(item: Item) -> Partition:
    return Partition(item.record.topic, item.record.partition)


def _sum(*parts: Applied) -> Applied:
    return Applied(
        sum(part.records for part in parts),
        sum(part.repeated for part in parts),
        sum(part.messages for part in parts),
        sum((part.letters for part in parts), Counter()),
        sum((part.codes for part in parts), Counter()),
        {name: sum(part.seconds[name] for part in parts) for name in parts[0].seconds},
    )
