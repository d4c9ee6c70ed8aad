"""The wiring: consumers and relay in one process, from settings to a clean exit."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any

import structlog

from consumers.isolate import Applier
from consumers.worker import Worker, WorkerSettings
from domain.context import Limits
from firstline.check import preconditions
from firstline.servers import Servers
from firstline.settings import Settings
from producers.leadership import relay_forever
from producers.relay import RelaySettings, Signals
from storage.database import connect
from storage.slots import take_slot

_log = structlog.get_logger()


async def run_worker(servers: Servers, settings: Settings, *, with_relay: bool = True) -> None:
    """Consume, and relay, until SIGTERM or SIGINT; print ``ready`` once it consumes.

    Raises what a person has to see to: see `firstline.check`, `consumers.isolate`,
    `consumers.reading` and `producers.relay`.
    """
    await preconditions(servers, settings)
    kafka = settings.kafka(servers.kafka_bootstrap)
    engine = connect(servers.database_url)
    signals = Signals()
    _stop_on_signals(signals.stop)
    try:
        slot = await take_slot(servers.database_url, settings.topic_prefix)
        try:
            worker = Worker(
                kafka,
                servers.database_url,
                Applier(engine, Limits(settings.walk_steps, settings.ai_nodes)),
                WorkerSettings(
                    slot.number, careful=slot.unclean, batch_records=settings.batch_records
                ),
                on_applied=lambda applied: signals.wake.set() if applied.messages else None,
            )
            await worker.start()
            print("ready", flush=True)  # noqa: T201 - others wait for this line
            _log.info("ready", slot=slot.number)
            tasks: list[Coroutine[Any, Any, Any]] = [
                signals.stop.wait(),
                _until(worker.failed),
                slot.hold(),
            ]
            relaying = None
            if with_relay:
                relaying = asyncio.ensure_future(
                    relay_forever(servers.database_url, engine, kafka, RelaySettings(), signals)
                )
                tasks.append(_until(relaying))
            try:
                await _first_of(*tasks)
            finally:
                signals.stop.set()
                await worker.stop()
                if relaying is not None:
                    await _drain(relaying)
        finally:
            await slot.leave()
    finally:
        await engine.dispose()


async def run_relay(
    servers: Servers, settings: Settings, *, accept_lost_progress: bool = False
) -> None:
    """Relay alone, until SIGTERM or SIGINT. Raises `producers.relay.ProgressLost`."""
    signals = Signals()
    _stop_on_signals(signals.stop)
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


async def _drain(relaying: "asyncio.Future[None]") -> None:
    """Let the relay finish its intent; what it does not finish is found at the next start."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(10):
            await relaying


def _stop_on_signals(stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
