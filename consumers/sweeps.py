"""Sweeps: asking, by internal commands, for what is due because time has passed.

A command's id holds the session, its version and the time at which it became due, so that two
sweepers ask once; it expects that version, so that a session that moved meanwhile is left alone.
One that is refused stays refused and does not hold up the next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from consumers.intervals import at_intervals
from producers import commands
from producers.ids import derived
from producers.json import rfc3339
from producers.topics import MESSAGE_LIMIT
from storage import outbox, sweeps
from storage.database import Transaction, begin
from storage.sweeps import Due

IDLE = "idle"
"""Why the system abandons a session that nobody works on any more."""

_log = structlog.get_logger()

_Find = Callable[[Transaction, datetime, int, Due | None], Awaitable[list[Due]]]

_MOST = 500


async def sweep_once(engine: AsyncEngine, now: datetime) -> int:
    """Ask for everything that is due at ``now``, in bounds; return how much that was."""
    asked = 0
    for find, command in _SWEEPS:
        async with begin(engine) as tx:
            fresh = await _fresh(tx, now, find, command)
            await outbox.stage(tx, [commands.message(one) for one in fresh], MESSAGE_LIMIT)
        asked += len(fresh)
    return asked


async def sweep_forever(
    engine: AsyncEngine,
    stop: asyncio.Event,
    every_seconds: float,
    on_swept: Callable[[int], None] = lambda _: None,
) -> None:
    """Sweep at intervals until told to stop; what fails is tried again at the next."""

    async def sweep() -> None:
        if asked := await sweep_once(engine, datetime.now(UTC)):
            on_swept(asked)
            _log.info("swept", commands=asked)

    await at_intervals(sweep, stop, every_seconds, "sweep failed")


async def _fresh(
    tx: Transaction, now: datetime, find: _Find, command: Callable[[Due], dict[str, object]]
) -> list[dict[str, object]]:
    """The commands for what is due and was not asked for before.

    Looks past what was: a session whose command was refused, or is parked, stays due for good.
    """
    fresh: list[dict[str, object]] = []
    last: Due | None = None
    while len(fresh) < _MOST and (found := await find(tx, now, _MOST, last)):
        asked = [command(due) for due in found]
        new = await sweeps.claim(tx, [str(one["command_id"]) for one in asked], now)
        fresh += [one for one in asked if one["command_id"] in new]
        last = found[-1]
    return fresh


def _abandon(due: Due) -> dict[str, object]:
    return _common("idle", due) | {"type": "abandon", "reason": IDLE}


def _renotify(due: Due) -> dict[str, object]:
    return _common("renotify", due) | {"type": "renotify", "step": due.step}


def _release(due: Due) -> dict[str, object]:
    return _common("lost-claim", due) | {"type": "release_escalation"}


def _common(sweep: str, due: Due) -> dict[str, object]:
    name = f"{sweep}:{due.session_id}:{due.version}:{rfc3339(due.at)}"
    return {
        "command_id": derived(name),
        "session_id": due.session_id,
        "account_id": due.account_id,
        "expected_version": due.version,
    }


_SWEEPS = (
    (sweeps.idle_sessions, _abandon),
    (sweeps.silent_escalations, _renotify),
    (sweeps.lost_claims, _release),
)
