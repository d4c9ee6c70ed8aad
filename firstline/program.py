"""The wiring: consumers, relay and upkeep in one process, from settings to a clean exit."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog

from consumers.isolate import Applier
from consumers.sweeps import sweep_forever
from consumers.upkeep import prune_forever
from consumers.worker import Worker, WorkerSettings
from domain.context import Limits
from firstline.check import preconditions
from firstline.servers import Servers
from firstline.settings import Settings
from producers.leadership import relay_forever
from producers.relay import RelaySettings, Signals
from storage.database import connect
from storage.slots import Slot, take_slot

_log = structlog.get_logger()

_RELAY_DRAIN_SECONDS = 6.0
_UPKEEP_SECONDS = 2.0
_ALIVE_SECONDS = 60.0


async def run_worker(servers: Servers, settings: Settings, *, with_relay: bool = True) -> None:
    """Consume, sweep, prune and relay until SIGTERM or SIGINT; print ``ready`` once it consumes.

    Leaves within 30 seconds: the batch at hand ends, then the relay's intent, then the slot is
    free. Raises what a person has to see to: see `firstline.check`, `consumers.isolate`,
    `consumers.reading` and `producers.relay`.
    """
    stop = asyncio.Event()
    _stop_on_signals(stop)
    await preconditions(servers, settings)
    kafka = settings.kafka(servers.kafka_bootstrap)
    relaying = Signals()
    async with AsyncExitStack() as leaving:
        engine = connect(servers.database_url)
        leaving.push_async_callback(engine.dispose)
        slot = await take_slot(servers.database_url, settings.topic_prefix)
        leaving.push_async_callback(slot.leave)
        until: list[Coroutine[Any, Any, Any]] = [stop.wait(), slot.hold()]
        if with_relay:
            relay = asyncio.ensure_future(
                relay_forever(servers.database_url, engine, kafka, RelaySettings(), relaying)
            )
            leaving.push_async_callback(_drain, relay, relaying)
            until.append(_until(relay))
        if settings.sweep_seconds:
            sweeps = asyncio.ensure_future(sweep_forever(engine, stop, settings.sweep_seconds))
            leaving.push_async_callback(_end_upkeep, sweeps, stop)
        if settings.prune_seconds:
            pruning = asyncio.ensure_future(
                prune_forever(engine, stop, settings.prune_seconds, settings.kept())
            )
            leaving.push_async_callback(_end_upkeep, pruning, stop)
        worker = Worker(
            kafka,
            servers.database_url,
            Applier(engine, Limits(settings.walk_steps, settings.ai_nodes)),
            WorkerSettings(slot.number, careful=slot.unclean, batch_records=settings.batch_records),
            on_applied=lambda applied: relaying.wake.set() if applied.messages else None,
        )
        leaving.push_async_callback(worker.stop)
        if settings.alive_file is not None:
            until.append(_show_life(worker, settings.alive_file))
        await _first_of(_consume(worker, slot), *until)


async def _consume(worker: Worker, slot: Slot) -> None:
    """Consume until the worker fails, and raise what it failed of."""
    await worker.start()
    print("ready", flush=True)  # noqa: T201 - others wait for this line
    _log.info("ready", slot=slot.number)
    await _until(worker.failed)


async def run_relay(
    servers: Servers, settings: Settings, *, accept_lost_progress: bool = False
) -> None:
    """Relay alone, until SIGTERM or SIGINT.

    Raises what a person has to see to: see `firstline.check` and `producers.relay`.
    """
    signals = Signals()
    _stop_on_signals(signals.stop)
    await preconditions(servers, settings)
    engine = connect(servers.database_url)
    try:
        await relay_forever(
            servers.database_url,
            engine,
            settings.kafka(servers.kafka_bootstrap),
            RelaySettings(accept_lost_progress=accept_lost_progress),
            signals,
        )
    finally:
        await engine.dispose()


async def _show_life(worker: Worker, file: Path) -> None:
    """Touch the file each second for as long as the worker polls, or applies what it polled."""
    while True:
        if worker.polled_seconds_ago() < _ALIVE_SECONDS:
            await asyncio.to_thread(file.touch)
        await asyncio.sleep(1)


async def _first_of(*waiting: Coroutine[Any, Any, Any]) -> None:
    """Wait for the first to end, and raise what it raised."""
    tasks = [asyncio.ensure_future(one) for one in waiting]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until(future: "asyncio.Future[None]") -> None:
    await asyncio.shield(future)


async def _drain(relay: "asyncio.Future[None]", signals: Signals) -> None:
    """Let the relay finish its intent; what it does not finish is found at the next start."""
    signals.stop.set()
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_RELAY_DRAIN_SECONDS):
            await relay


async def _end_upkeep(work: "asyncio.Future[None]", stop: asyncio.Event) -> None:
    """Let a sweep or a slice end; one that does not in time was not committed and comes again."""
    stop.set()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_UPKEEP_SECONDS):
            await work


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
