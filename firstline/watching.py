"""Noting how the process is, and how the database is: for health, for metrics, for the log."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from firstline.health import BEAT_SECONDS, Health
from firstline.metrics import Metrics
from storage.database import Transaction, begin
from storage.faults import describe
from storage.vitals import Vitals, Wait, vitals, waits

_log = structlog.get_logger()
_Answer = TypeVar("_Answer")

_LOOK_SECONDS = 5.0
_LOOK_WITHIN = 4.0
_WORTH_A_LINE = 3.0


async def watch(health: Health, metrics: Metrics, engine: AsyncEngine) -> None:
    """Note how things are, each second, and how the database is, every five, until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_beat(health, metrics))
        tasks.create_task(_look(health, metrics, engine))


async def _beat(health: Health, metrics: Metrics) -> None:
    metrics.beats(health.lately_late, health.polled_ago)
    while True:
        health.note_beat()
        lag: dict[str, int] = {}
        if health.worker is not None:
            standing = health.worker.standing()
            health.note(standing)
            metrics.stands(standing, time.time())
            lag |= standing.lag
        if health.nodes is not None:
            lag |= health.nodes.lag()
        metrics.lags(lag)
        await asyncio.sleep(BEAT_SECONDS)


async def _look(health: Health, metrics: Metrics, engine: AsyncEngine) -> None:
    age = OutboxAge()
    while True:
        found = await asked(engine, waits)
        health.database = found is not None
        metrics.database_waits(found)
        tell_who_waits(found or ())
        if found is not None and (counted := await asked(engine, vitals)) is not None:
            metrics.database_holds(counted, age.seen(counted, time.monotonic()))
        await asyncio.sleep(_LOOK_SECONDS)


async def asked(
    engine: AsyncEngine, question: Callable[[Transaction], Awaitable[_Answer]]
) -> _Answer | None:
    """What the database answers; None where it does not, or not in time, as while it is away."""
    try:
        async with asyncio.timeout(_LOOK_WITHIN), begin(engine) as tx:
            return await question(tx)
    except Exception as error:  # noqa: BLE001 - the batch itself sorts out what is wrong
        _log.info("the database could not be looked at", error=describe(error))
        return None


class OutboxAge:
    """For how long the oldest message of the outbox was seen waiting.

    Rows have no time: they are looked at too seldom for what it would cost. When the newest id
    was first seen to be this one or a later one is as good, to the seconds between two looks.
    """

    _MOST = 1_000

    def __init__(self) -> None:
        self._seen: list[tuple[float, int]] = []

    def seen(self, vitals: Vitals, now: float) -> float:
        """The age in seconds, ``now`` being that of any clock."""
        if vitals.first is None or vitals.last is None:
            self._seen.clear()
            return 0.0
        self._seen = [(at, last) for at, last in self._seen if last >= vitals.first]
        if not self._seen or self._seen[-1][1] < vitals.last:
            self._seen.append((now, vitals.last))
        if len(self._seen) > self._MOST:
            del self._seen[1::2]
        return now - self._seen[0][0]


def tell_who_waits(found: Iterable[Wait]) -> None:
    """Log who waits for whom, where it is no mere moment."""
    for wait in found:
        if wait.seconds >= _WORTH_A_LINE:
            _log.warning("a connection waits for a lock", **_told(wait))


def _told(wait: Wait) -> dict[str, object]:
    held = wait.blocking_seconds
    return {
        "backend": wait.backend,
        "application": wait.application,
        "seconds": round(wait.seconds, 1),
        "blocked_by": wait.blocked_by,
        "blocking_application": wait.blocking_application,
        "blocking_state": wait.blocking_state,
        "blocking_seconds": None if held is None else round(held, 1),
    }
