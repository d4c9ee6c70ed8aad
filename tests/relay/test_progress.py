"""How far a shard has come, as Kafka itself knows it, and what happens where it knows less."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from aiokafka import AIOKafkaProducer

from firstline.topics import create_topics
from producers import progress
from producers.leadership import relay_forever
from producers.progress import ProgressUnreadable, read_progress
from producers.relay import ProgressLost, Signals
from producers.topics import RELAY_PROGRESS
from storage.database import begin
from tests.relay.house import PARTITIONS, SMALL_INTENTS, House
from tests.relay.stops import RELAYING, Stopped

ACCEPTING = replace(SMALL_INTENTS, accept_lost_progress=True)


@pytest.fixture
async def producer(house: House) -> AsyncIterator[AIOKafkaProducer]:
    """Somebody who writes to the progress topic, in transactions."""
    transactional_id = f"{house.kafka.prefix}test"
    async with AIOKafkaProducer(
        bootstrap_servers=house.kafka.bootstrap, transactional_id=transactional_id
    ) as producer:
        yield producer


@pytest.fixture
async def elsewhere(house: House) -> House:
    """The same database, with topics that were made anew."""
    kafka = replace(house.kafka, prefix=f"anew-{secrets.token_hex(4)}.")
    await create_topics(kafka, partitions=PARTITIONS, replication=1, retention_days=1)
    return replace(house, kafka=kafka)


# -- reading ---------------------------------------------------------------------------------


async def test_before_the_first_commit_there_is_no_progress(house: House) -> None:
    assert await read_progress(house.kafka, 0) == 0


async def test_the_last_committed_number_is_the_progress(
    house: House, producer: AIOKafkaProducer
) -> None:
    for number in (1, 2, 7):
        await write(house, producer, number)
    assert await read_progress(house.kafka, 0) == 7


async def test_it_is_found_behind_many_numbers_that_were_not_committed(
    house: House, producer: AIOKafkaProducer
) -> None:
    await write(house, producer, 7)
    for number in range(8, 42):
        await write(house, producer, number, commit=False)
    assert await read_progress(house.kafka, 0) == 7


async def test_it_is_the_last_of_many(house: House, producer: AIOKafkaProducer) -> None:
    for number in range(1, 20):
        await write(house, producer, number)
    assert await read_progress(house.kafka, 0) == 19


async def test_there_is_none_where_nothing_was_ever_committed(
    house: House, producer: AIOKafkaProducer
) -> None:
    for number in range(1, 12):
        await write(house, producer, number, commit=False)
    assert await read_progress(house.kafka, 0) == 0


@pytest.mark.parametrize(("commit", "expected"), [(True, 8), (False, 7)])
async def test_reading_waits_for_a_transaction_that_is_still_open(
    house: House,
    producer: AIOKafkaProducer,
    commit: bool,  # noqa: FBT001
    expected: int,
) -> None:
    await write(house, producer, 7)
    await producer.begin_transaction()
    await send(house, producer, 8)
    reading = asyncio.ensure_future(read_progress(house.kafka, 0))
    done, _ = await asyncio.wait({reading}, timeout=0.5)
    assert not done
    await (producer.commit_transaction() if commit else producer.abort_transaction())
    assert await reading == expected


async def test_what_cannot_be_read_is_not_taken_for_nothing(
    house: House, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_TIMEOUT_SECONDS", 0.5)
    async with producer.transaction():
        await send(house, producer, 8)
        with pytest.raises(ProgressUnreadable, match="relay-progress/0"):
            await read_progress(house.kafka, 0)


async def test_each_shard_has_a_progress_of_its_own(
    house: House, producer: AIOKafkaProducer
) -> None:
    kafka = replace(house.kafka, prefix=f"shards-{secrets.token_hex(4)}.")
    await create_topics(kafka, partitions=1, replication=1, retention_days=1, shards=2)
    sharded = replace(house, kafka=kafka)
    await write(sharded, producer, 7, shard=1)
    assert await read_progress(kafka, 0) == 0
    assert await read_progress(kafka, 1) == 7


# -- too little of it ------------------------------------------------------------------------


async def test_a_relay_stops_where_kafka_knows_less_than_was_settled(
    house: House, elsewhere: House
) -> None:
    await house.stage(20)
    await house.relay_all()
    await elsewhere.stage(5)
    with pytest.raises(ProgressLost, match="stands at 0, but 3 was settled"):
        await elsewhere.relay_all()
    assert await elsewhere.visible() == 0
    assert await elsewhere.waiting() == 5


async def test_it_does_not_try_again_by_itself(house: House, elsewhere: House) -> None:
    await house.stage(5)
    await house.relay_all()
    with pytest.raises(ProgressLost):
        await relay_forever(
            house.database_url, house.engine, elsewhere.kafka, SMALL_INTENTS, Signals()
        )


async def test_an_operator_lets_it_go_on_once(house: House, elsewhere: House) -> None:
    await house.stage(20)
    await house.relay_all()
    elsewhere.staged = []
    await elsewhere.stage(5)
    await elsewhere.relay_all(settings=ACCEPTING)
    assert await elsewhere.faults() == set()
    await elsewhere.stage(5)
    await elsewhere.relay_all()
    assert await elsewhere.faults() == set()


async def test_the_operators_word_is_used_up_by_who_goes_on(house: House, elsewhere: House) -> None:
    await house.stage(20)
    await house.relay_all()
    signals = Signals()
    relaying = asyncio.ensure_future(
        relay_forever(house.database_url, house.engine, elsewhere.kafka, ACCEPTING, signals)
    )
    async with asyncio.timeout(60):
        await signals.recovered.wait()
        async with begin(house.engine) as tx:
            await tx.execute("update relay_shards set number = 1000, settled = 1000")
        with pytest.raises(ProgressLost, match="1000 was settled"):
            await relaying


async def test_what_was_open_goes_out_again_by_the_operators_word(
    house: House, elsewhere: House
) -> None:
    await house.stage(16)
    async with house.relay() as old:
        await old.relay_once()
        with RELAYING["before it settles"](old), pytest.raises(Stopped):
            await old.relay_once()
    await elsewhere.relay_all(settings=ACCEPTING)
    assert await house.visible() == 16
    assert await elsewhere.visible() == 8


async def test_kafka_may_know_more_than_the_database(house: House) -> None:
    """A backup of the database was restored: what it has is published, whatever came before."""
    await house.stage(20)
    await house.relay_all()
    await house.forget_the_relay()
    await house.stage(5)
    await house.relay_all()
    assert await house.faults() == set()


async def write(
    house: House, producer: AIOKafkaProducer, number: int, *, shard: int = 0, commit: bool = True
) -> None:
    """Write a number in a transaction of its own, and commit or abort it."""
    await producer.begin_transaction()
    await send(house, producer, number, shard=shard)
    await (producer.commit_transaction() if commit else producer.abort_transaction())


async def send(house: House, producer: AIOKafkaProducer, number: int, *, shard: int = 0) -> None:
    topic = house.kafka.topic(RELAY_PROGRESS)
    await producer.send_and_wait(topic, b"%d" % number, b"%d" % shard, shard)
