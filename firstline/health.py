"""Whether this process lives and is ready, and what the metrics show between batches.

What is noted here is noted on the event loop; who asks does so from another thread, and gets an
answer even where the loop is stuck.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from consumers.nodes import Nodes
from consumers.worker import Standing, Worker
from firstline.metrics import Metrics
from storage.database import Transaction, begin
from storage.faults import describe
from storage.vitals import Vitals, Wait, vitals, waits

_log = structlog.get_logger()
_Answer = TypeVar("_Answer")

_BEAT_SECONDS = 1.0
_LOOK_SECONDS = 5.0
_LOOK_WITHIN = 4.0

SILENCE_SECONDS = 60.0
"""How long a living worker may go without polling Kafka."""

_LATE_SECONDS = 30.0
_STANDSTILL_SECONDS = 300.0
_WORTH_A_LINE = 3.0


@dataclass(slots=True)
class Health:
    """What is known of this process, which consumes commands, node requests, both, or neither."""

    worker: Worker | None = None
    nodes: Nodes | None = None
    began: float = field(default_factory=time.monotonic)
    beat: float = field(default_factory=time.monotonic)
    worst: float = 0.0
    database: bool = False
    behind: int = 0
    applied_at: float = field(default_factory=time.monotonic)
    waiting: bool = False
    consuming: bool = False

    def late(self) -> float:
        """How late the event loop is, in seconds."""
        return max(0.0, time.monotonic() - self.beat - _BEAT_SECONDS)

    def latest(self) -> float:
        """How late it is, or was at worst since this was asked last, in seconds."""
        worst, self.worst = max(self.worst, self.late()), 0.0
        return worst

    def polled_ago(self) -> float:
        """Since when Kafka was not polled, counted from the start before the first time.

        Of two that consume, that of the one which polled longer ago.
        """
        since_start = time.monotonic() - self.began
        ago = max((one.polled_seconds_ago() for one in self._consumers()), default=0.0)
        return min(since_start, ago)

    def standstill(self) -> float:
        """For how long records have waited without any being applied, no server being away.

        Node requests do not count: a generator may take its time, and is paid for what it began.
        """
        if not self.behind or self.waiting or not self.database:
            return 0.0
        return time.monotonic() - self.applied_at

    def note(self, standing: Standing) -> None:
        """Take in how the worker stands; having nothing to apply is no standstill."""
        self.behind = sum(standing.lag.values())
        self.applied_at = (
            max(self.applied_at, standing.applied_at) if self.behind else time.monotonic()
        )
        self.waiting, self.consuming = standing.waiting, standing.consuming

    def lives(self) -> tuple[bool, Mapping[str, object]]:
        """Whether there is no reason to restart the process, and the figures that say so."""
        polled, late, still = self.polled_ago(), self.late(), self.standstill()
        lives = polled < SILENCE_SECONDS and late < _LATE_SECONDS and still < _STANDSTILL_SECONDS
        return lives, {
            "polled_seconds_ago": round(polled, 3),
            "event_loop_lag_seconds": round(late, 3),
            "standstill_seconds": round(still, 3),
        }

    def ready(self) -> tuple[bool, Mapping[str, object]]:
        """Whether the process does its work now, and what says so."""
        consuming = (self.worker is None or self.consuming) and (
            self.nodes is None or self.nodes.consuming
        )
        lives, _ = self.lives()
        return lives and consuming and self.database, {
            "consuming": consuming,
            "database": self.database,
            "lives": lives,
        }

    def _consumers(self) -> Iterator[Worker | Nodes]:
        if self.worker is not None:
            yield self.worker
        if self.nodes is not None:
            yield self.nodes


async def watch(health: Health, metrics: Metrics, engine: AsyncEngine) -> None:
    """Note how things are, each second, and how the database is, every five, until cancelled."""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_beat(health, metrics))
        tasks.create_task(_look(health, metrics, engine))


async def _beat(health: Health, metrics: Metrics) -> None:
    metrics.beats(health.latest, health.polled_ago)
    while True:
        health.worst = max(health.worst, health.late())
        health.beat = time.monotonic()
        lag: dict[str, int] = {}
        if health.worker is not None:
            standing = health.worker.standing()
            health.note(standing)
            metrics.stands(standing, time.time())
            lag |= standing.lag
        if health.nodes is not None:
            lag |= health.nodes.lag()
        metrics.lags(lag)
        await asyncio.sleep(_BEAT_SECONDS)


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
    """What the database answers; None where it does not, as while it is away."""
    try:
        async with asyncio.timeout(_LOOK_WITHIN), begin(engine) as tx:
            return await question(tx)
    except Exception as error:  # noqa: BLE001 - the batch itself sorts out what is wrong
        _log.info("the database does not answer", error=describe(error))
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
