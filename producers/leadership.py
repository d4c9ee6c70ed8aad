"""Who relays: one process a shard, by an advisory lock, for liveness only.

Safety does not rest here: it is the transactional id, which fences, and the shard's row. But two
relays that fenced each other in turn would make no progress.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from producers.kafka import Kafka
from producers.publish import OWN_FAULT, RowsRefused
from producers.relay import ProgressLost, RelaySettings, Signals, lead
from storage.backoff import growing_pauses
from storage.faults import describe
from storage.lease import Lease, try_lease

_log = structlog.get_logger()

_STANDBY_SECONDS = 0.5


async def relay_forever(  # noqa: PLR0913, PLR0917 - where, how, and until when
    database_url: str,
    engine: AsyncEngine,
    kafka: Kafka,
    settings: RelaySettings,
    signals: Signals,
    shard: int = 0,
) -> None:
    """Lead whenever nobody else does, until told to stop.

    An error ends one relay's life, never the loop: the next relay fences it and recovers. Raises
    `ProgressLost` alone, which only an operator can answer.
    """
    pauses = growing_pauses()
    careful = False
    transactions = signals.tally.transactions
    while not signals.stop.is_set():
        try:
            lease = await try_lease(database_url, f"{kafka.prefix}relay-{shard}")
            if lease is None:
                await _pause(signals.stop, _STANDBY_SECONDS)
                continue
            signals.tally.leading = True
            if signals.recovered.is_set():
                settings = replace(settings, accept_lost_progress=False)
            try:
                await _lead_while_held(
                    lease,
                    lead(
                        *(database_url, engine, kafka, shard, settings),
                        signals=signals,
                        careful=careful,
                    ),
                )
            finally:
                signals.tally.leading = False
                await lease.release()
            pauses, careful = growing_pauses(), False
        except ProgressLost:
            raise
        except RowsRefused:
            signals.tally.rebuilds += 1
            pauses, careful = growing_pauses(), True  # one is out of the way; go on with the rest
        except Exception as error:  # noqa: BLE001 - whatever it was, the next relay recovers
            careful = isinstance(error, OWN_FAULT)
            if signals.tally.transactions > transactions:  # it was at work: this is something new
                pauses, transactions = growing_pauses(), signals.tally.transactions
            signals.tally.rebuilds += 1
            _log.warning("relay starts anew", shard=shard, error=describe(error))
            await _pause(signals.stop, next(pauses))


async def _lead_while_held(lease: Lease, leading: Coroutine[None, None, None]) -> None:
    """Run until leading ends or the lease is lost, whichever is first."""
    work = asyncio.ensure_future(leading)
    held = asyncio.ensure_future(lease.hold())
    try:
        await asyncio.wait({work, held}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (work, held):
            task.cancel()
        outcome, _ = await asyncio.gather(work, held, return_exceptions=True)
    if isinstance(outcome, Exception):
        raise outcome


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
