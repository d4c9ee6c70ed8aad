"""Why the steps of a relay are in this order: in any other, a stop between two of them shows."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest
from aiokafka import AIOKafkaProducer

from producers import relay
from producers.kafka import Kafka
from producers.progress import read_progress
from producers.publish import transactional_producer
from producers.relay import Relay, open_relay
from tests.relay import swapped
from tests.relay.house import FENCED, LOST, SMALL_INTENTS, TWICE, House, Open
from tests.relay.stops import RELAYING, Stop, Stopped, before
from tests.relay.swapped import (
    AlwaysPublishes,
    AlwaysSettles,
    CommitsTheNumberFirst,
    CommitsTheNumberLater,
    CountsForItself,
    ForgetsWhatWasSettled,
    PublishesFirst,
    SettlesFirst,
    opening,
    read_before_fencing,
)

BLIND = replace(SMALL_INTENTS, accept_lost_progress=True)
"""Some of these faults show in the progress, which a relay looks at before anything else."""


@dataclass(frozen=True, slots=True)
class Swap:
    """A relay that takes its steps in another order, where it is stopped, and what comes of it."""

    kind: type[Relay]
    stop: Stop
    fault: str


SWAPS = {
    "settle, publish": Swap(SettlesFirst, RELAYING["before it publishes"], LOST),
    "publish, take": Swap(PublishesFirst, RELAYING["before it settles"], TWICE),
    "commit the rows, commit the number": Swap(
        CommitsTheNumberLater, lambda _: before(CommitsTheNumberLater, "commit_number"), TWICE
    ),
    "commit the number, commit the rows": Swap(
        CommitsTheNumberFirst, lambda _: before(CommitsTheNumberFirst, "commit_rows"), LOST
    ),
    "recover by settling": Swap(AlwaysSettles, RELAYING["before it commits"], LOST),
    "recover by publishing": Swap(AlwaysPublishes, RELAYING["when it committed"], TWICE),
    "recover without deleting": Swap(
        ForgetsWhatWasSettled, RELAYING["before it deletes what it settled"], TWICE
    ),
}


@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS)
async def test_in_another_order_all_is_well_until_somebody_stops(house: House, swap: Swap) -> None:
    await house.stage(20)
    await house.relay_all(opening(swap.kind))
    assert await house.faults() == set()
    await house.stage(20)
    async with house.relay(opening(swap.kind)) as old:
        await old.relay_once()
        with swap.stop(old), pytest.raises(Stopped):
            await old.relay_once()
    await house.relay_all(opening(swap.kind), BLIND)
    assert await house.faults() == {swap.fault}


@pytest.mark.parametrize(
    ("open_", "faults"),
    [(open_relay, set()), (read_before_fencing, {TWICE})],
    ids=["fence, read", "read, fence"],
)
async def test_the_progress_is_read_after_the_predecessor_was_fenced(
    house: House, monkeypatch: pytest.MonkeyPatch, open_: Open, faults: set[str]
) -> None:
    """The old relay wakes up between the first two steps of the new one, and would publish."""
    await house.stage(5)
    async with house.relay() as old:
        intent = await old.take()
        assert intent is not None

        async def wake() -> None:
            with contextlib.suppress(*FENCED):
                await old.publish(intent)

        meanwhile(monkeypatch, wake)
        await house.relay_all(open_)
    assert await house.faults() == faults


@pytest.mark.parametrize(
    ("kind", "faults"),
    [(Relay, set()), (CountsForItself, {LOST})],
    ids=["past the progress", "past what was settled"],
)
async def test_an_intent_is_numbered_past_all_that_kafka_has_seen(
    house: House, kind: type[Relay], faults: set[str]
) -> None:
    """The database was restored, and counts from the beginning."""
    await house.stage(20)
    await house.relay_all(opening(kind))
    await house.forget_the_relay()
    await house.stage(5)
    async with house.relay(opening(kind)) as old:
        with RELAYING["before it publishes"](old), pytest.raises(Stopped):
            await old.relay_once()
    await house.relay_all(opening(kind))
    assert await house.faults() == faults


def meanwhile(monkeypatch: pytest.MonkeyPatch, wake: Callable[[], Awaitable[None]]) -> None:
    """Have something happen after the first of fencing and reading, and before the second."""
    steps = 0

    async def between() -> None:
        nonlocal steps
        steps += 1
        if steps == 1:
            await wake()

    @asynccontextmanager
    async def fenced(kafka: Kafka, shard: int, **_: bool) -> AsyncIterator[AIOKafkaProducer]:
        async with transactional_producer(kafka, shard) as producer:
            await between()
            yield producer

    async def read_then(kafka: Kafka, shard: int) -> int:
        progress = await read_progress(kafka, shard)
        await between()
        return progress

    for module in (relay, swapped):
        monkeypatch.setattr(module, "transactional_producer", fenced)
        monkeypatch.setattr(module, "read_progress", read_then)
