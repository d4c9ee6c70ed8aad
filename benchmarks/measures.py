"""The measures of the table, in groups that share what they measure, each with its raw figures."""

import statistics
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, pairwise

from benchmarks import (
    apply,
    end_to_end,
    faststream_relay,
    growth,
    latency,
    limit,
    memory,
    naive,
    queued,
    relay,
    statements,
)
from benchmarks.installation import PARTITIONS, Site
from benchmarks.sizes import Sizes
from storage.outbox import Message

Figure = float | None
Raw = Mapping[str, object]


@dataclass(slots=True)
class Results:
    """The figures so far, what is behind each, and what later measures compare with."""

    figures: dict[str, Figure] = field(default_factory=dict)
    raw: dict[str, Raw] = field(default_factory=dict)
    messages: Sequence[Message] = ()
    applied_per_second: float = 0.0

    def add(self, name: str, figure: Figure, **raw: object) -> None:
        """Keep a figure of the table, with the raw figures behind it."""
        self.figures[name] = figure
        self.raw[name] = raw


Measure = Callable[[Site, Sizes, Results], Awaitable[None]]


async def throughput(site: Site, sizes: Sizes, results: Results) -> None:
    """Apply, relay and both in one, each beside its limit: the same rows, in the same minute."""
    applied, limits, relayed, sent, through = ([] for _ in range(5))
    for _ in range(sizes.rounds):
        async with site.installation() as installed:
            applied.append(await apply.applied_per_second(installed, sizes.commands))
            rows = await limit.rows_of(installed)
            results.messages = await relay.staged(installed)
            relayed.append(await relay.relayed_per_second(installed))
        async with site.installation() as installed:
            limits.append(await limit.commands_per_second(installed, rows, sizes.commands))
            del rows
            sent.append(await relay.sent_per_second(installed.kafka, results.messages, PARTITIONS))
        async with site.installation() as installed:
            through.append(await end_to_end.events_per_second(installed, sizes.commands))
    results.applied_per_second = statistics.median(applied)
    _add_ratio(results, "apply_vs_limit", "commands_per_second", applied, limits)
    _add_ratio(results, "relay_vs_producer", "messages_per_second", relayed, sent)
    _add_ratio(results, "end_to_end_vs_apply", "commands_per_second", through, applied)


async def rivals(site: Site, sizes: Sizes, results: Results) -> None:
    """Others' ways with the same commands and the same messages."""
    async with site.installation() as installed:
        one_by_one = await naive.applied_per_second(installed, sizes.naive_commands)
    async with site.installation() as installed:
        jobs = await queued.applied_per_second(installed, sizes.queued_commands)
    ours = results.applied_per_second
    for name, theirs in (("apply_vs_naive", one_by_one), ("apply_vs_procrastinate", jobs)):
        results.add(
            name,
            ours / theirs,
            commands_per_second=ours,
            commands_per_second_of_the_other=theirs,
        )
    messages = results.messages[: sizes.leased_messages]
    leased = {}
    for workers in faststream_relay.WORKERS:
        async with site.installation() as installed:
            leased[workers] = await faststream_relay.relayed_per_second(
                installed, messages, workers
            )
    relayed = float(str(results.raw["relay_vs_producer"]["messages_per_second"]))
    results.add(
        "relay_vs_faststream_outbox",
        relayed / max(leased.values()),
        messages_per_second=relayed,
        messages_per_second_of_the_other_by_workers=leased,
    )


async def waiting(site: Site, sizes: Sizes, results: Results) -> None:
    """How long a sender waits: the medians of rounds, and beside them at other rates."""

    async def waits(rate: int) -> dict[str, float]:
        async with site.installation() as installed:
            waited = await latency.milliseconds(installed, rate, sizes.latency_seconds)
        return {name: latency.percentile(waited, share) for name, share in _WAITS.items()}

    rounds = [await waits(_OFFERED) for _ in range(sizes.rounds)]
    at_other_rates = {rate: await waits(rate) for rate in sizes.latency_rates}
    for name in _WAITS:
        of_rounds = [told[name] for told in rounds]
        figure = statistics.median(of_rounds)
        by_rate = {rate: told[name] for rate, told in at_other_rates.items()} | {_OFFERED: figure}
        results.add(
            name,
            figure,
            offered_per_second=_OFFERED,
            of_rounds=of_rounds,
            milliseconds_by_offered_per_second=dict(sorted(by_rate.items())),
        )


async def workers(site: Site, sizes: Sizes, results: Results) -> None:
    """Two worker processes beside one, in turns."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(sizes.rounds):
        for number, of_number in rates.items():
            async with site.installation() as installed:
                of_number.append(
                    await apply.applied_per_second(installed, sizes.commands, workers=number)
                )
    _add_ratio(results, "two_workers_vs_one", "commands_per_second", rates[2], rates[1])


async def stored(site: Site, sizes: Sizes, results: Results) -> None:
    """What commands cost beside more and more stored rows, in turns with what they cost alone."""
    alone: list[float] = []
    beside: dict[int, list[float]] = {}
    seeds = count(1)
    async with site.installation() as installed:
        for before, sessions in pairwise((0, *sizes.stored_sessions)):
            async with installed.connected() as connection:
                await growth.store(connection, sessions - before)
            beside[sessions] = []
            most = sessions == sizes.stored_sessions[-1]
            for _ in range(sizes.rounds if most else 1):
                async with site.installation() as empty:
                    alone.append(await apply.applied_per_second(empty, sizes.commands))
                beside[sessions].append(
                    await apply.applied_per_second(installed, sizes.commands, seed=next(seeds))
                )
    _add_ratio(
        results,
        "growth_stored",
        "commands_per_second",
        alone[-sizes.rounds :],
        beside[sessions],
        stored_sessions=sessions,
        stored_inbox_rows=sessions * growth.INBOX_ROWS_A_SESSION,
        commands_per_second_by_stored_sessions={
            number: statistics.median(rates) for number, rates in ({0: alone} | beside).items()
        },
    )


async def long_walks(site: Site, sizes: Sizes, results: Results) -> None:
    """What the last steps of a long walk cost beside its first."""
    first, last = 10, 490
    async with site.installation() as installed:
        seconds = await growth.seconds_a_step(installed, sizes.walks, (first, last))
    results.add(
        "growth_walk",
        seconds[last] / seconds[first],
        microseconds_by_step={place: taken * 1e6 for place, taken in seconds.items()},
        sessions=sizes.walks,
    )


async def resident(site: Site, sizes: Sizes, results: Results) -> None:
    """The memory of a worker that has applied much."""
    async with site.installation() as installed:
        taken = await memory.megabytes(installed, sizes.memory_commands)
    results.add("memory_mb", taken[-1], commands=sizes.memory_commands, megabytes_by_tenth=taken)


async def counted(site: Site, _: Sizes, results: Results) -> None:
    """Statements, round trips and bytes of a batch."""
    sizes = (1, 10, 1_000)
    async with site.installation() as installed:
        wires = await statements.steps(installed.database_url, sizes)
    of_steps = dict(zip(sizes, wires, strict=True))
    results.add(
        "statements_per_batch",
        wires[-1].statements,
        statements_by_commands={size: wire.statements for size, wire in of_steps.items()},
        round_trips_by_commands={size: wire.round_trips for size, wire in of_steps.items()},
        bytes_sent_by_commands={size: wire.sent for size, wire in of_steps.items()},
        bytes_received_by_commands={size: wire.received for size, wire in of_steps.items()},
    )


async def batch_sizes(site: Site, sizes: Sizes, results: Results) -> None:
    """Throughput by the most records of a batch; small batches get fewer commands."""
    rates = {}
    for records in sizes.batch_sizes:
        async with site.installation() as installed:
            rates[records] = await apply.applied_per_second(
                installed,
                min(sizes.commands, 1_000 + 500 * records),
                FIRSTLINE_BATCH_RECORDS=str(records),
            )
    if rates:
        results.raw["batch_sizes"] = {"commands_per_second_by_batch_records": rates}


MEASURES: Sequence[Measure] = (
    throughput, rivals, waiting, workers, stored, long_walks, resident, counted, batch_sizes,
)  # fmt: skip
_OFFERED = 200
_WAITS = {"latency_p50_ms": 0.5, "latency_p99_ms": 0.99}


def _add_ratio(
    results: Results,
    name: str,
    unit: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    **raw: object,
) -> None:
    """The median of the rounds' ratios: what a round compares was measured in the same minute."""
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    results.add(
        name,
        statistics.median(ratios),
        **{
            unit: statistics.median(ours),
            f"{unit}_of_the_other": statistics.median(theirs),
            "ratios": ratios,
        },
        **raw,
    )
