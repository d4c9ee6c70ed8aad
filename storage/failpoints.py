"""Named points at which a test has this process die, stand still or lose its server.

Nothing is armed unless ``FIRSTLINE_FAILPOINTS`` says so when the process starts, and a point that
is not armed costs one look at an empty mapping. It holds points with what happens there and, where
it is not the first time that counts, at which: ``apply: saved=kill@2, relay: acked=stop``.

    kill            SIGKILL to this process
    stop            SIGSTOP to this process: somebody else has to continue it
    pause:SECONDS   the whole process stands still for so long, its event loop included
    error           `Injected`, which is taken for a server that went away
"""

import asyncio
import os
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

import structlog

_log = structlog.get_logger()
_T = TypeVar("_T")

Point = Literal[
    "worker: polled",
    "worker: decoded",
    "apply: claimed",
    "apply: locked",
    "apply: saved",
    "apply: in copy",
    "apply: staged",
    "apply: commit sent",
    "offsets: due",
    "offsets: committed",
    "relay: fenced",
    "relay: taken",
    "relay: sending",
    "relay: acked",
    "relay: committed",
]
"""Each is passed once a batch, or once an intent, in about this order; COPY once a table.

What a small batch saves is written with what it stages.
"""

POINTS: tuple[Point, ...] = get_args(Point)
VARIABLE = "FIRSTLINE_FAILPOINTS"


class Injected(ConnectionError):
    """A failpoint's error."""


@dataclass(slots=True)
class _Armed:
    action: str
    seconds: float
    nth: int
    hits: int = 0


_armed: dict[str, _Armed] = {}


def arm(text: str) -> None:
    """Arm the points that the text names, at the start of the process.

    Raises `ValueError`, with a sentence, for what it cannot read.
    """
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, what = part.partition("=")
        what, _, nth = what.partition("@")
        action, _, seconds = what.partition(":")
        if name not in POINTS:
            msg = f"there is no point {name!r}; there are {', '.join(POINTS)}"
            raise ValueError(msg)
        if action not in {"kill", "stop", "pause", "error"}:
            msg = f"{action!r} is none of kill, stop, pause:SECONDS, error"
            raise ValueError(msg)
        _armed[name] = _Armed(action, float(seconds or 0), int(nth or 1))
        _log.warning("failpoint armed", point=name, action=what, nth=int(nth or 1))


def reach(point: Point) -> None:
    """Do what the point is armed with, if anything."""
    if _armed:
        _hit(point)


def reach_once_sent(point: Point) -> None:
    """Reach the point as soon as what is written next is on its way, and nobody has read an answer.

    Only where the very next thing that is waited for is that answer.
    """
    if _armed:
        # The loop flushes what this round wrote before it begins another.
        asyncio.get_running_loop().call_soon(_hit, point)


def reach_at_first(point: Point, rows: Sequence[_T]) -> Iterable[_T]:
    """The rows; the point is reached when the first is asked for."""
    return _reaching(point, rows) if _armed else rows


def _reaching(point: Point, rows: Sequence[_T]) -> Iterator[_T]:
    _hit(point)
    yield from rows


def _hit(point: Point) -> None:
    armed = _armed.get(point)
    if armed is None:
        return
    armed.hits += 1
    if armed.hits != armed.nth:
        return
    _log.warning("failpoint reached", point=point, action=armed.action)
    if armed.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif armed.action == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif armed.action == "pause":
        time.sleep(armed.seconds)
    else:
        raise Injected(point)
