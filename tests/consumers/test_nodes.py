"""The consumer of node requests on a real Kafka: its own pace, and no node paid for twice."""

import asyncio
import multiprocessing
import secrets
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest import mock

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from consumers import nodes as nodes_module
from consumers.generating import Generating, GeneratingSettings
from consumers.nodes import Nodes, NodesSettings
from consumers.raw_consumer import RawConsumer
from firstline.servers import Servers
from producers.kafka import Kafka
from schemas.states import NodeRequest
from storage.headers import unpack
from tests.consumers import paying
from tests.consumers.asking import started
from tests.consumers.desk import Desk
from tests.consumers.generators import Counting
from tests.relay.stops import unmourned

PARTITIONS = 2
LONGEST = 60

# A consumer that leaves while its group is rebalancing is cut off, and its connections collected.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@dataclass
class House:
    """A topic of node requests, a desk whose walks ask for nodes, and consumers of both."""

    kafka: Kafka
    desk: Desk
    database_url: str
    producer: AIOKafkaProducer
    stack: AsyncExitStack

    async def ask(self, count: int) -> list[NodeRequest]:
        """Start so many walks, and send their requests, to the partitions in turn."""
        asked = [await started(self.desk) for _ in range(count)]
        for number, one in enumerate(asked):
            await self.send(one.model_dump_json(exclude_unset=True).encode(), number % PARTITIONS)
        return asked

    async def send(self, value: bytes, partition: int = 0, trace: bytes | None = None) -> None:
        await self.producer.send_and_wait(
            self.kafka.topic("node-requests"),
            value,
            partition=partition,
            headers=[] if trace is None else [("traceparent", trace)],
        )

    async def consume(
        self, generator: Counting, member: str = "one", concurrency: int = 8
    ) -> Nodes:
        """A consumer at work."""
        generating = Generating(self.desk.engine, generator, member, GeneratingSettings())
        nodes = Nodes(
            self.kafka, generating, NodesSettings(f"{self.kafka.prefix}{member}", concurrency)
        )
        self.stack.push_async_callback(nodes.stop)
        async with asyncio.timeout(LONGEST):
            await nodes.start()
        return nodes

    async def results(self) -> Counter[str]:
        """How often each request was answered, by the commands that go out."""
        commands = [one for one in await self.desk.asked() if one["type"] == "serve_node"]
        return Counter(one["request_id"] for one in commands)

    async def committed(self) -> int:
        """How many records are committed, over all partitions."""
        async with AIOKafkaConsumer(
            bootstrap_servers=self.kafka.bootstrap,
            group_id=f"{self.kafka.prefix}nodes",
            enable_auto_commit=False,
        ) as consumer:
            topic = self.kafka.topic("node-requests")
            offsets = [
                await consumer.committed(TopicPartition(topic, number))
                for number in range(PARTITIONS)
            ]
        return sum(offset or 0 for offset in offsets)


@pytest.fixture
async def house(servers: Servers, database_url: str, desk: Desk) -> AsyncIterator[House]:
    kafka = Kafka(servers.kafka_bootstrap, f"n{secrets.token_hex(3)}.")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(kafka.topic("node-requests"), PARTITIONS, 1)])
    await admin.close()
    async with (
        AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer,
        AsyncExitStack() as stack,
    ):
        yield House(kafka, desk, database_url, producer, stack)
    with unmourned():  # which collects
        pass


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Look again and again until it holds."""
    async with asyncio.timeout(LONGEST):
        while not await holds():  # noqa: ASYNC110 - other processes give no signal
            await asyncio.sleep(0.02)


def behind(nodes: Nodes, lag: dict[str, int]) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        return nodes.lag() == lag

    return holds


async def all_answered(house: House, asked: list[NodeRequest]) -> None:
    wanted = Counter(one.request_id for one in asked)

    async def holds() -> bool:
        return await house.results() == wanted

    await until(holds)


async def test_the_trace_context_of_a_request_goes_on_to_what_serves_its_node(house: House) -> None:
    asked = await started(house.desk)
    trace = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await house.send(asked.model_dump_json(exclude_unset=True).encode(), trace=trace)
    await house.consume(Counting())
    await all_answered(house, [asked])
    (row,) = await house.desk.connection.fetch(
        "select headers from outbox where topic = 'commands.internal'"
    )
    assert (b"traceparent", trace) in unpack(row["headers"])


async def test_no_more_are_generated_at_once_than_may_be_and_the_rest_waits_in_kafka(
    house: House,
) -> None:
    generator = Counting()
    generator.gate.clear()
    asked = await house.ask(7)
    nodes = await house.consume(generator, concurrency=2)
    await generator.until_asked(2)
    # What a member of the group does that is alive: it is polled, though nothing is read.
    began = time.monotonic()

    async def polled_again() -> bool:
        return nodes.polled_seconds_ago() < time.monotonic() - began

    await until(polled_again)
    assert (len(generator.asked), await house.committed()) == (2, 0)
    await until(behind(nodes, {house.kafka.topic("node-requests"): 7}))
    generator.gate.set()
    await all_answered(house, asked)
    assert (len(generator.asked), generator.busiest) == (7, 2)
    await until(behind(nodes, {house.kafka.topic("node-requests"): 0}))
    await nodes.stop()
    assert await house.committed() == 7


async def test_who_cannot_learn_where_to_read_on_fails(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka's client swallows it, and the partitions would be nobody's."""

    async def committed(*_: object) -> int:
        raise LookupError

    monkeypatch.setattr(RawConsumer, "committed", committed)
    with pytest.raises(LookupError):
        await house.consume(Counting())


async def test_what_is_no_request_holds_up_nobody(house: House) -> None:
    generator = Counting()
    await house.send(b"\xff")
    await house.send(b'{"request_id": 7}')
    asked = await house.ask(1)
    nodes = await house.consume(generator)
    await all_answered(house, asked)
    await nodes.stop()
    assert await house.committed() == 3


async def test_a_rebalance_while_nodes_are_generated_pays_for_none_twice(house: House) -> None:
    first, second = Counting(), Counting()
    first.gate.clear()
    second.gate.clear()
    asked = await house.ask(6)
    await house.consume(first, "one", concurrency=6)
    await first.until_asked(6)
    more = await house.ask(2)
    await house.consume(second, "two")
    first.gate.set()
    second.gate.set()
    await all_answered(house, [*asked, *more])
    assert sorted([*first.keys, *second.keys]) == sorted(one.request_id for one in [*asked, *more])


async def test_records_that_come_again_pay_for_nothing(house: House) -> None:
    generator = Counting()
    asked = await house.ask(3)
    await house.consume(generator)
    await all_answered(house, asked)
    for one in asked:
        await house.send(one.model_dump_json(exclude_unset=True).encode(), 1)
    last = await house.ask(1)
    await all_answered(house, [*asked, *last])
    assert len(generator.asked) == 4


async def test_who_is_told_to_stop_keeps_what_is_under_way_until_it_ends(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever finds it free would have it generated again."""
    generator = Counting()
    generator.gate.clear()
    (asked,) = await house.ask(1)
    nodes = await house.consume(generator)
    await generator.until_asked(1)
    let_go, under_way = nodes._generating.let_go, []

    async def seen_to_let_go() -> None:
        under_way.append(generator.busy)
        await let_go()

    monkeypatch.setattr(nodes._generating, "let_go", seen_to_let_go)
    stopping = asyncio.ensure_future(nodes.stop())
    other = Generating(house.desk.engine, Counting(), "two", GeneratingSettings())
    assert await other.answer_once(asked) is not None
    generator.gate.set()
    await stopping
    assert await other.answer_once(asked) is None
    assert (under_way, await house.committed()) == ([0], 1)


async def test_who_is_told_to_stop_twice_asks_kafka_for_nothing_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is closed would connect again, and nobody would close that."""
    nodes = await house.consume(Counting())
    await nodes.stop()
    commits = mock.AsyncMock()
    monkeypatch.setattr(nodes, "_commit", commits)
    await nodes.stop()
    commits.assert_not_called()


async def test_what_cannot_be_answered_is_not_taken_for_answered(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(Generating, "answer", answer)
    await house.ask(1)
    nodes = await house.consume(Counting())
    with pytest.raises(LookupError):
        await asyncio.wait_for(nodes.failed, LONGEST)
    await nodes.stop()
    assert await house.committed() == 0


async def test_what_does_not_end_in_time_is_free_for_another(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who stopped does not come back, and its claim would hold for a minute."""
    monkeypatch.setattr(nodes_module, "_DRAIN_SECONDS", 0.01)
    first, second = Counting(), Counting()
    first.gate.clear()
    (asked,) = await house.ask(1)
    nodes = await house.consume(first)
    await first.until_asked(1)
    await nodes.stop()
    assert (first.busy, await house.committed()) == (0, 0)
    other = Generating(house.desk.engine, second, "two", GeneratingSettings())
    assert await other.answer_once(asked) is None
    assert len(second.asked) == 1


@pytest.mark.timeout(180)
async def test_ten_kills_pay_for_no_node_twice(house: House) -> None:
    """A provider that takes idempotency keys, as the port gives them, is paid once a node."""
    asked = await house.ask(40)
    async with provider() as till:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["tests.consumers.paying"])
        where = (house.kafka, house.database_url)
        for _ in range(10):
            before = len(till.calls)
            process = context.Process(target=paying.work, args=(*where, till.port), daemon=True)
            process.start()
            await until(partial(till.has_more_than, before + 1))
            process.kill()
            await asyncio.to_thread(process.join)
            assert process.exitcode == -signal.SIGKILL
        process = context.Process(target=paying.work, args=(*where, till.port), daemon=True)
        process.start()
        await all_answered(house, asked)
        process.terminate()
        await asyncio.to_thread(process.join)
    wanted = {one.request_id for one in asked}
    assert set(till.calls) == wanted
    assert len(till.calls) <= len(wanted) + 10 * paying.CONCURRENCY, "called again for no reason"


@dataclass
class Till:
    """What a provider was called for, by idempotency key: it is paid once a key."""

    port: int
    calls: list[str]

    async def has_more_than(self, calls: int) -> bool:
        return len(self.calls) > calls


@asynccontextmanager
async def provider() -> AsyncIterator[Till]:
    """A server that takes a moment for each key it is sent, and then says so."""
    calls: list[str] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if key := (await reader.readline()).decode().strip():  # or killed before it asked
            calls.append(key)
            await asyncio.sleep(0.05)  # what generating takes; a kill comes before, in it, or after
            writer.write(b"\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port: Any = server.sockets[0].getsockname()[1]
        yield Till(port, calls)
