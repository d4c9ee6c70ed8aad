"""Whether this process lives and is ready.

What is noted here is noted on the event loop, by `firstline.watching`; who asks does so from
another thread, and gets an answer even where the loop is stuck.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from consumers.nodes import Nodes
from consumers.worker import Standing, Worker

BEAT_SECONDS = 1.0
"""How often the event loop notes that it runs."""

SILENCE_SECONDS = 60.0
"""How long a living worker may go without polling Kafka."""

_LATE_SECONDS = 30.0
_WORST_SECONDS = 60.0
_STANDSTILL_SECONDS = 300.0


@dataclass(slots=True)
class Health:
    """What is known of this process, which consumes commands, node requests, both, or neither."""

    worker: Worker | None = None
    nodes: Nodes | None = None
    began: float = field(default_factory=time.monotonic)
    beat: float = field(default_factory=time.monotonic)
    lates: tuple[tuple[float, float], ...] = ()
    database: bool = False
    behind: int = 0
    applied_at: float = field(default_factory=time.monotonic)
    waiting: bool = False
    consuming: bool = False

    def late(self) -> float:
        """How late the event loop is, in seconds."""
        return max(0.0, time.monotonic() - self.beat - BEAT_SECONDS)

    def note_beat(self) -> None:
        """Note that the event loop runs, and how late it was."""
        now, late = time.monotonic(), self.late()
        self.lates = (*(one for one in self.lates if now - one[0] < _WORST_SECONDS), (now, late))
        self.beat = now

    def lately_late(self) -> float:
        """How late it is, or was at worst within a minute, in seconds.

        Whoever asks, and however often: who asked while it stood still has gone by the answer.
        """
        return max(self.late(), max((late for _, late in self.lates), default=0.0))

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
        """Take in how the worker stands; having nothing to apply is no standstill.

        Nor is a damaged log, which no new process could read either.
        """
        self.behind = sum(standing.lag.values()) - standing.damaged
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
