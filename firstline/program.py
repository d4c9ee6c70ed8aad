"""The wiring: consumers, generation, relay and upkeep, from settings to a clean exit."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from consumers.apply import Applied, Batch
from consumers.generating import Generating, GeneratingSettings, Served
from consumers.isolate import Applier
from consumers.nodes import Nodes, NodesSettings
from consumers.sweeps import sweep_forever
from consumers.upkeep import prune_forever
from consumers.worker import Worker, WorkerSettings
from domain.context import Limits
from firstline.check import preconditions
from firstline.health import SILENCE_SECONDS, Health, watch
from firstline.listener import application, listening
from firstline.metrics import Metrics
from firstline.servers import Servers
from firstline.settings import Settings
from firstline.tracing import exporting, span_middleware
from integrations.generators import generator
from producers.leadership import relay_forever
from producers.relay import RelaySettings, Signals, Tally
from storage.database import connect, connect_by_key
from storage.node_results import Budget
from storage.outbox import connect_relay
from storage.slots import Slot, take_slot

_log = structlog.get_logger()

# More than a batch at work holds, so that none is walked through to find nothing: reference counts
# free all of a batch. With the defaults, a quarter of the worker's time went there.
_OBJECTS_BETWEEN_COLLECTIONS = 200_000
# With what stopping the worker, throwing the relay's clients away and leaving the slot may take,
# less than the 30 seconds after which whoever said SIGTERM says SIGKILL.
_RELAY_DRAIN_SECONDS = 4.0
_UPKEEP_SECONDS = 1.0
# One for each of four lanes, and some for seeking.
_WORKER_CONNECTIONS = 6
# One for sweeping, one for pruning.
_UPKEEP_CONNECTIONS = 2
_NODE_CONNECTIONS = 2
_GRACE_SECONDS = 2.0


async def run_worker(
    servers: Servers,
    settings: Settings,
    *,
    with_relay: bool = True,
    with_nodes: bool = True,
    leaves: bool = False,
) -> None:
    """Consume, generate nodes, sweep, prune and relay until told to stop.

    Prints ``ready`` once it consumes. Where it ``leaves``, it gives up its place in the groups
    when it stops, rather than keep it for who comes next in its slot.

    Leaves within 30 seconds: the batch at hand ends, then the relay's intent, then the slot is
    free. Raises what a person has to see to: see `firstline.check`, `consumers.isolate`,
    `consumers.reading` and `producers.relay`.
    """
    _collect_rarely()
    stop = asyncio.Event()
    _stop_on_signals(stop)
    await preconditions(servers, settings)
    kafka = settings.kafka(servers.kafka_bootstrap)
    relaying = Signals()
    metrics = Metrics(relaying.tally)
    async with AsyncExitStack() as leaving:
        middlewares: list[Any] = [metrics.middleware()]
        if (provider := leaving.enter_context(exporting())) is not None:
            middlewares.append(span_middleware(provider))
        engine = connect(servers.database_url, pool_size=_UPKEEP_CONNECTIONS)
        leaving.push_async_callback(engine.dispose)
        batches = connect_by_key(servers.database_url, pool_size=_WORKER_CONNECTIONS)
        leaving.push_async_callback(batches.dispose)
        slot = await take_slot(servers.database_url, settings.topic_prefix)
        until: list[Coroutine[Any, Any, Any]] = [stop.wait(), _hold(leaving, slot)]
        if with_relay:
            outbox = connect_relay(servers.database_url)
            leaving.push_async_callback(outbox.dispose)
            relay = asyncio.ensure_future(
                relay_forever(servers.database_url, outbox, kafka, RelaySettings(), relaying)
            )
            leaving.push_async_callback(_drain, relay, relaying)
            until.append(_until(relay))
        if settings.sweep_seconds:
            sweeps = asyncio.ensure_future(
                sweep_forever(engine, stop, settings.sweep_seconds, metrics.swept)
            )
            leaving.push_async_callback(_end_upkeep, sweeps, stop)
        if settings.prune_seconds:
            pruning = asyncio.ensure_future(
                prune_forever(engine, stop, settings.prune_seconds, settings.kept())
            )
            leaving.push_async_callback(_end_upkeep, pruning, stop)
        worker = Worker(
            kafka,
            servers.database_url,
            Applier(
                batches,
                Limits(settings.walk_steps, settings.ai_nodes),
                settings.poison_per_minute,
            ),
            WorkerSettings(
                slot.number,
                careful=slot.unclean,
                leaves=leaves,
                batch_records=settings.batch_records,
            ),
            on_applied=partial(_applied, metrics, relaying),
            middlewares=middlewares,
        )
        consuming: list[Worker | Nodes] = [worker]
        nodes = None
        if with_nodes:
            nodes = _nodes(
                leaving,
                servers,
                settings,
                NodesSettings(slot.name, settings.ai_concurrency, leaves),
                partial(_served, metrics, relaying),
            )
            consuming.append(nodes)
            until.append(_generate(nodes))
        leaving.push_async_callback(_stop_all, consuming)
        if settings.alive_file is not None:
            until.append(_show_life(settings.alive_file, worker.polled_seconds_ago))
        if settings.http_address is not None:
            health = Health(worker, nodes)
            until.append(_show(settings.http_address, servers, health, metrics))
        await _first_of(_consume(worker, slot), *until)


def _collect_rarely() -> None:
    """Look for cyclic garbage only now and then, and never among what start-up left."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)


async def _consume(worker: Worker, slot: Slot) -> None:
    """Consume until the worker fails, and raise what it failed of."""
    await worker.start()
    print("ready", flush=True)  # noqa: T201 - others wait for this line
    _log.info("ready", slot=slot.number)
    await _until(worker.failed)


def _hold(leaving: AsyncExitStack, slot: Slot) -> Coroutine[Any, Any, None]:
    """Hold the slot until all that works in it has ended, then leave it.

    What is returned ends where the slot is lost before, and raises `storage.slots.SlotLost`.
    """
    holding = asyncio.ensure_future(slot.hold())

    async def leave() -> None:
        holding.cancel()
        await asyncio.gather(holding, return_exceptions=True)
        await slot.leave()

    leaving.push_async_callback(leave)
    return _until(holding)


async def run_relay(
    servers: Servers, settings: Settings, *, accept_lost_progress: bool = False
) -> None:
    """Relay alone, until SIGTERM or SIGINT.

    Raises what a person has to see to: see `firstline.check` and `producers.relay`.
    """
    _collect_rarely()
    signals = Signals()
    _stop_on_signals(signals.stop)
    await preconditions(servers, settings)
    kafka = settings.kafka(servers.kafka_bootstrap)
    engine = connect_relay(servers.database_url)
    relaying = relay_forever(
        servers.database_url,
        engine,
        kafka,
        RelaySettings(accept_lost_progress=accept_lost_progress),
        signals,
    )
    until: list[Coroutine[Any, Any, Any]] = [relaying]
    if settings.alive_file is not None:
        until.append(_show_life(settings.alive_file))
    if settings.http_address is not None:
        metrics = Metrics(signals.tally)
        until.append(_show(settings.http_address, servers, Health(), metrics))
    try:
        await _first_of(*until)
    finally:
        await engine.dispose()


async def run_nodes(servers: Servers, settings: Settings, *, leaves: bool = False) -> None:
    """Generate the nodes of AI-built walks alone, until SIGTERM or SIGINT; print ``ready``."""
    stop = asyncio.Event()
    _stop_on_signals(stop)
    await preconditions(servers, settings)
    async with AsyncExitStack() as leaving:
        slot = await take_slot(servers.database_url, settings.topic_prefix, "nodes")
        until: list[Coroutine[Any, Any, Any]] = [stop.wait(), _hold(leaving, slot)]
        metrics = Metrics(Tally())
        members = NodesSettings(slot.name, settings.ai_concurrency, leaves)
        nodes = _nodes(leaving, servers, settings, members, metrics.served)
        leaving.push_async_callback(nodes.stop)
        if settings.alive_file is not None:
            until.append(_show_life(settings.alive_file, nodes.polled_seconds_ago))
        if settings.http_address is not None:
            health = Health(nodes=nodes)
            until.append(_show(settings.http_address, servers, health, metrics))
        await _first_of(_generate(nodes, ready=True), *until)


def _nodes(
    leaving: AsyncExitStack,
    servers: Servers,
    settings: Settings,
    members: NodesSettings,
    on_served: Callable[[Served], None],
) -> Nodes:
    """The consumer of node requests.

    With connections of its own: nobody who generates a node keeps a command waiting.
    """
    engine = connect(servers.database_url, pool_size=_NODE_CONNECTIONS)
    leaving.push_async_callback(engine.dispose)
    writing = generator(settings.generator())
    leaving.push_async_callback(writing.aclose)
    bounds = GeneratingSettings(
        # A moment longer than the generator gives itself: it can still tell what it paid.
        settings.ai_timeout_seconds + _GRACE_SECONDS,
        settings.ai_nodes,
        Budget(settings.ai_nodes_per_day, settings.ai_microdollars_per_day),
    )
    generating = Generating(engine, writing, members.member, bounds, on_served)
    return Nodes(settings.kafka(servers.kafka_bootstrap), generating, members)


async def _generate(nodes: Nodes, *, ready: bool = False) -> None:
    """Generate nodes until that fails, and raise what it failed of."""
    await nodes.start()
    if ready:
        print("ready", flush=True)  # noqa: T201 - others wait for this line
    await _until(nodes.failed)


async def _stop_all(consuming: Sequence[Worker | Nodes]) -> None:
    """Stop consuming, all at the same time: each lets what is at hand end."""
    await asyncio.gather(*(one.stop() for one in consuming))


async def _show_life(file: Path, seconds_ago: Callable[[], float] = lambda: 0.0) -> None:
    """Touch the file each second for as long as the last sign of life is not too long ago."""
    while True:
        if seconds_ago() < SILENCE_SECONDS:
            await asyncio.to_thread(file.touch)
        await asyncio.sleep(1)


def _applied(metrics: Metrics, relaying: Signals, batch: Batch, applied: Applied) -> None:
    """Count a batch, and wake the relay where there is something for it."""
    metrics.applied(batch, applied)
    if applied.messages:
        relaying.wake.set()


def _served(metrics: Metrics, relaying: Signals, served: Served) -> None:
    """Count a node, and wake the relay for the command that serves it."""
    metrics.served(served)
    relaying.wake.set()


async def _show(address: str, servers: Servers, health: Health, metrics: Metrics) -> None:
    """Serve health and metrics until cancelled, looking at the database on a connection apart."""
    engine = connect(servers.database_url, pool_size=1, application_name="firstline-health")
    try:
        with listening(address, application(health, metrics.registry)):
            await watch(health, metrics, engine)
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
