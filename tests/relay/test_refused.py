"""A message that Kafka refuses for its own sake is set aside, and the others flow."""

import asyncio
import secrets
from dataclasses import replace
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.produce import ProduceRequest

from firstline.topics import create_topics
from producers import leadership, publish
from producers.leadership import relay_forever
from producers.relay import Relay, Signals, lead
from storage import backoff
from storage.database import begin
from storage.outbox import Message
from tests.relay.house import PARTITIONS, SMALL_INTENTS, House

LIMIT = 4_000
MOST_LIVES = 30
BIG = b"x" * (LIMIT + 1)


@pytest.fixture
async def narrow(house: House) -> House:
    """The same database, and topics of which ``ticketing`` takes small batches only."""
    kafka = replace(house.kafka, prefix=f"narrow-{secrets.token_hex(4)}.")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        limits = {"max.message.bytes": str(LIMIT)}
        topic = NewTopic(kafka.topic("ticketing"), PARTITIONS, 1, topic_configs=limits)
        await admin.create_topics([topic])
    finally:
        await admin.close()
    await create_topics(kafka, partitions=PARTITIONS, replication=1, retention_days=1)
    return replace(house, kafka=kafka)


@pytest.mark.parametrize("place", [0, 7, 20])
async def test_one_that_is_too_large_is_set_aside(
    narrow: House, monkeypatch: pytest.MonkeyPatch, place: int
) -> None:
    messages = [message(number) for number in range(20)]
    await narrow.stage_these([*messages[:place], too_large(), *messages[place:]])
    await relay_all(narrow, monkeypatch)
    narrow.staged = messages
    assert await narrow.faults() == set()
    assert await narrow.waiting() == 0
    assert await set_aside(narrow) == [("ticketing", BIG, "MessageSizeTooLargeError")]


async def test_several_are_set_aside_at_once_and_one_after_another(
    narrow: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {2, 3, 12}
    messages = [too_large() if number in large else message(number) for number in range(20)]
    await narrow.stage_these(messages)
    await relay_all(narrow, monkeypatch)
    narrow.staged = [one for one in messages if one.value != BIG]
    assert await narrow.faults() == set()
    assert len(await set_aside(narrow)) == len(large)


async def test_nothing_is_set_aside_because_there_is_much_of_it(
    narrow: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages of an intent make one batch, which the topic would refuse as a whole."""
    messages = [
        Message("ticketing", b"key", b"%d" % number + b"x" * (LIMIT // 2)) for number in range(6)
    ]
    await narrow.stage_these(messages)
    await relay_all(narrow, monkeypatch)
    assert await narrow.faults() == set()
    assert await set_aside(narrow) == []


async def test_one_is_found_however_long_it_takes_to_send_them_one_by_one(
    narrow: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two thousand round trips of eight milliseconds are more than a transaction has time for."""
    send = AIOKafkaClient.send

    async def slowly(
        client: AIOKafkaClient,
        node: object,
        request: object,
        **how: Any,  # noqa: ANN401 - as the client takes it
    ) -> object:
        if isinstance(request, ProduceRequest):
            await asyncio.sleep(0.3)
        return await send(client, node, request, **how)

    monkeypatch.setattr(publish, "TRANSACTION_SECONDS", 2)
    monkeypatch.setattr(AIOKafkaClient, "send", slowly)
    messages = [message(number) for number in range(7)]
    await narrow.stage_these([*messages, too_large()])
    await relay_all(narrow, monkeypatch)
    narrow.staged = messages
    assert await narrow.faults() == set()
    assert len(await set_aside(narrow)) == 1


async def test_a_message_as_large_as_firstline_writes_is_taken(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.stage_these(
        [Message("ticketing", b"key", b"%d" % number + b"x" * 920_000) for number in range(3)]
    )
    await relay_all(house, monkeypatch)
    assert await house.faults() == set()
    assert await set_aside(house) == []


def message(number: int) -> Message:
    return Message(("ticketing", "session-events")[number % 2], b"key", b"%d" % number)


def too_large() -> Message:
    return Message("ticketing", b"key", BIG)


async def relay_all(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relay until there is nothing left to take, in one life or in some more, but not for ever."""
    signals = Signals()
    relay_once = Relay.relay_once
    lives = 0

    async def stop_when_idle(relay: Relay) -> int:
        sent = await relay_once(relay)
        if not sent:
            signals.stop.set()
        return sent

    async def lead_again(*where: Any, **how: Any) -> None:  # noqa: ANN401 - as `lead` takes it
        nonlocal lives
        lives += 1
        if lives == MOST_LIVES:
            signals.stop.set()
        await lead(*where, **how)

    with monkeypatch.context() as patch:
        patch.setattr(backoff, "LONGEST_SECONDS", 0.05)
        patch.setattr(leadership, "lead", lead_again)
        patch.setattr(Relay, "relay_once", stop_when_idle)
        await relay_forever(house.database_url, house.engine, house.kafka, SMALL_INTENTS, signals)
    assert lives < MOST_LIVES, "the relay starts anew and anew"


async def set_aside(house: House) -> list[tuple[str, bytes, str]]:
    async with begin(house.engine) as tx:
        rows = await tx.fetch("select topic, value, why from outbox_set_aside order by id")
    return [(topic, value, why) for topic, value, why in rows]
