"""The wiring: consumers, generation, relay and upkeep, from settings to a clean exit."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
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
from firstline.health import SILENCE_SECONDS, Health
from firstline.lifetime import Lifetime, lasting, lifetime, tell_ready
from firstline.listener import application, listening
from firstline.metrics import Metrics
from firstline.servers import Servers
from firstline.settings import Settings
from firstline.tracing import exporting, span_middleware
from firstline.watching import watch
from integrations.generators import generator
from producers.leadership import relay_forever
from producers.relay import RelaySettings, Signals, Tally
from storage.database import connect, connect_by_key
from storage.intents import connect_relay
from storage.node_results import Budget
from storage.slots import Slot, take_slot

_log = structlog.get_logger()

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
    async with lifetime() as life:
        await life.unless_stopped(preconditions(servers, settings))
        relaying = Signals()
        metrics = Metrics(relaying.tally)
        middlewares: list[Any] = [metrics.middleware()]
        if (provider := life.leaving.enter_context(exporting())) is not None:
            middlewares.append(span_middleware(provider))
        batches = connect_by_key(servers.database_url, pool_size=_WORKER_CONNECTIONS)
        applier = Applier(
            life.with_engine(batches),
            Limits(settings.walk_steps, settings.ai_nodes),
            settings.poison_per_minute,
        )
        slot = await life.unless_stopped(take_slot(servers.database_url, settings.topic_prefix))
        life.in_slot(slot)
        life.until(life.stop.wait())
        if with_relay:
            _begin_relay(life, servers, settings, relaying)
        _begin_upkeep(life, servers, settings, metrics)
        worker = Worker(
            settings.kafka(servers.kafka_bootstrap),
            servers.database_url,
            applier,
            WorkerSettings(
                slot.number,
                careful=slot.unclean,
                leaves=leaves,
                batch_records=settings.batch_records,
            ),
            on_applied=partial(_applied, metrics, relaying),
            middlewares=middlewares,
        )
        life.until(_consume(worker, slot))
        nodes = None
        if with_nodes:
            members = NodesSettings(slot.name, settings.ai_concurrency, leaves)
            nodes = _nodes(life, servers, settings, members, partial(_served, metrics, relaying))
            life.until(_generate(nodes))
        life.leaving.push_async_callback(_stop_all, [one for one in (worker, nodes) if one])
        _show(life, servers, settings, Health(worker, nodes), metrics, worker.polled_seconds_ago)
        await life.first_end()


async def run_relay(
    servers: Servers, settings: Settings, *, accept_lost_progress: bool = False
) -> None:
    """Relay alone, until SIGTERM or SIGINT.

    Raises what a person has to see to: see `firstline.check` and `producers.relay`.
    """
    async with lifetime() as life:
        await life.unless_stopped(preconditions(servers, settings))
        relaying = Signals(stop=life.stop)
        life.until(
            relay_forever(
                servers.database_url,
                life.with_engine(connect_relay(servers.database_url)),
                settings.kafka(servers.kafka_bootstrap),
                RelaySettings(accept_lost_progress=accept_lost_progress),
                relaying,
            )
        )
        _show(life, servers, settings, Health(), Metrics(relaying.tally))
        await life.first_end()


async def run_nodes(servers: Servers, settings: Settings, *, leaves: bool = False) -> None:
    """Generate the nodes of AI-built walks alone, until SIGTERM or SIGINT; print ``ready``."""
    async with lifetime() as life:
        await life.unless_stopped(preconditions(servers, settings))
        slot = await life.unless_stopped(
            take_slot(servers.database_url, settings.topic_prefix, "nodes")
        )
        life.in_slot(slot)
        life.until(life.stop.wait())
        metrics = Metrics(Tally())
        members = NodesSettings(slot.name, settings.ai_concurrency, leaves)
        nodes = _nodes(life, servers, settings, members, metrics.served)
        life.until(_generate(nodes, ready=True))
        life.leaving.push_async_callback(nodes.stop)
        _show(life, servers, settings, Health(nodes=nodes), metrics, nodes.polled_seconds_ago)
        await life.first_end()


def _begin_relay(life: Lifetime, servers: Servers, settings: Settings, relaying: Signals) -> None:
    """Relay beside the worker, and, at the end, what the last batches left."""
    engine = life.with_engine(connect_relay(servers.database_url))
    kafka = settings.kafka(servers.kafka_bootstrap)
    relay = asyncio.ensure_future(
        relay_forever(servers.database_url, engine, kafka, RelaySettings(), relaying)
    )
    life.leaving.push_async_callback(_drain, relay, relaying)
    life.until(lasting(relay))


async def _drain(relay: "asyncio.Future[None]", relaying: Signals) -> None:
    """Let the relay finish its intent; what it does not finish is found at the next start."""
    relaying.stop.set()
    with suppress(Exception):
        async with asyncio.timeout(_RELAY_DRAIN_SECONDS):
            await relay


def _begin_upkeep(life: Lifetime, servers: Servers, settings: Settings, metrics: Metrics) -> None:
    """Sweep and prune, as far as they are not switched off."""
    engine = life.with_engine(connect(servers.database_url, pool_size=_UPKEEP_CONNECTIONS))
    works = []
    if settings.sweep_seconds:
        works.append(sweep_forever(engine, life.stop, settings.sweep_seconds, metrics.swept))
    if settings.prune_seconds:
        works.append(prune_forever(engine, life.stop, settings.prune_seconds, settings.retention()))
    for work in works:
        life.leaving.push_async_callback(_end_upkeep, asyncio.ensure_future(work), life.stop)


async def _end_upkeep(work: "asyncio.Future[None]", stop: asyncio.Event) -> None:
    """Let a sweep or a slice end; one that does not in time was not committed and comes again."""
    stop.set()
    with suppress(TimeoutError):
        async with asyncio.timeout(_UPKEEP_SECONDS):
            await work


async def _consume(worker: Worker, slot: Slot) -> None:
    """Consume until the worker fails, and raise what it failed of."""
    await worker.start()
    tell_ready()
    _log.info("ready", slot=slot.number)
    await lasting(worker.failed)


def _nodes(
    life: Lifetime,
    servers: Servers,
    settings: Settings,
    members: NodesSettings,
    on_served: Callable[[Served], None],
) -> Nodes:
    """The consumer of node requests.

    With connections of its own: nobody who generates a node keeps a command waiting.
    """
    engine = life.with_engine(connect(servers.database_url, pool_size=_NODE_CONNECTIONS))
    writing = generator(settings.generator())
    life.leaving.push_async_callback(writing.aclose)
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
        tell_ready()
    await lasting(nodes.failed)


async def _stop_all(consuming: Sequence[Worker | Nodes]) -> None:
    """Stop consuming, all at the same time: each lets what is at hand end."""
    await asyncio.gather(*(one.stop() for one in consuming))


def _applied(metrics: Metrics, relaying: Signals, batch: Batch, applied: Applied) -> None:
    """Count a batch, and wake the relay where there is something for it."""
    metrics.applied(batch, applied)
    if applied.messages:
        relaying.wake.set()


def _served(metrics: Metrics, relaying: Signals, served: Served) -> None:
    """Count a node, and wake the relay for the command that serves it."""
    metrics.served(served)
    relaying.wake.set()


def _show(  # noqa: PLR0913, PLR0917 - what is shown, and where
    life: Lifetime,
    servers: Servers,
    settings: Settings,
    health: Health,
    metrics: Metrics,
    polled_seconds_ago: Callable[[], float] = lambda: 0.0,
) -> None:
    """Show that the process lives and how it is, as far as settings say where."""
    if settings.alive_file is not None:
        life.until(_touch(settings.alive_file, polled_seconds_ago))
    if settings.http_address is not None:
        life.until(_listen(settings.http_address, servers, health, metrics))


async def _touch(file: Path, seconds_ago: Callable[[], float]) -> None:
    """Touch the file each second for as long as the last sign of life is not too long ago."""
    while True:
        if seconds_ago() < SILENCE_SECONDS:
            await asyncio.to_thread(file.touch)
        await asyncio.sleep(1)


async def _listen(address: str, servers: Servers, health: Health, metrics: Metrics) -> None:
    """Serve health and metrics until cancelled, looking at the database on a connection apart."""
    engine = connect(servers.database_url, pool_size=1, application_name="firstline-health")
    try:
        with listening(address, application(health, metrics.registry)):
            await watch(health, metrics, engine)
    finally:
        await engine.dispose()
