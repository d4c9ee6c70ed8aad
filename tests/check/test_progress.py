"""Positions that Kafka cannot have, messages that nobody relays, and what waits for a person."""

from typing import Any

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from firstline.check import Level
from storage.lease import try_lease
from tests.builders import ACME, COMMAND, SESSION, an_id
from tests.check.installations import Installation


async def _execute(installation: Installation, statement: str, *arguments: object) -> None:
    connection = await asyncpg.connect(installation.servers.database_url)
    try:
        await connection.execute(statement, *arguments)
    finally:
        await connection.close()


async def _position(installation: Installation, topic: str, partition: int, offset: int) -> None:
    await _execute(
        installation,
        "insert into positions (topic, partition, next_offset) values ($1, $2, $3)",
        installation.topic(topic),
        partition,
        offset,
    )


async def test_a_position_beyond_the_end_is_wrong(installation: Installation) -> None:
    await _position(installation, "commands.chat", 1, 7)
    found = await installation.wrong()
    assert "commands.chat/1: is 7, and the partition ends at 0" in found


async def test_positions_of_a_topic_that_was_made_anew_are_wrong(
    installation: Installation,
) -> None:
    await _position(installation, "commands.chat", 1, 0)
    await _execute(installation, "update positions set topic_id = gen_random_uuid()")
    found = await installation.wrong()
    assert "commands.chat: are of another topic of this name" in found


async def test_a_log_that_a_worker_found_cut_is_wrong(installation: Installation) -> None:
    await _position(installation, "commands.chat", 1, 0)
    await _execute(installation, "update positions set cut_to = 0")
    assert "commands.chat/1: was beyond the end when the partition ended at 0" in (
        await installation.wrong()
    )


async def test_a_position_of_a_partition_that_is_not_there_is_wrong(
    installation: Installation,
) -> None:
    await _position(installation, "commands.chat", 40, 7)
    assert "commands.chat/40: is 7, and Kafka has no such partition" in await installation.wrong()


async def test_a_position_below_the_beginning_is_wrong(installation: Installation) -> None:
    topic = installation.topic("commands.psa")
    await _position(installation, "commands.psa", 0, 2)
    producer = AIOKafkaProducer(bootstrap_servers=installation.servers.kafka_bootstrap)
    await producer.start()
    for _ in range(5):
        await producer.send_and_wait(topic, b"{}", partition=0)
    await producer.stop()
    assert await installation.wrong() == ""
    assert "3 records or marks of transactions wait" in await installation.found(Level.OK)

    await installation.operator.forget_up_to(topic, 0, 4)
    await installation.becomes_wrong("Kafka deleted 2 commands before they were applied")


async def test_what_is_applied_and_deleted_while_check_looks_is_no_fault(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worst that can come between: before the beginnings are told, and after the ends are."""
    topic = installation.topic("commands.psa")
    await _position(installation, "commands.psa", 0, 0)
    beginning, end = AIOKafkaConsumer.beginning_offsets, AIOKafkaConsumer.end_offsets

    async def apply(upto: int) -> None:
        async with AIOKafkaProducer(bootstrap_servers=installation.kafka.bootstrap) as producer:
            await producer.send_and_wait(topic, b"{}", partition=0)
        await _execute(installation, "update positions set next_offset = $1", upto)

    async def late_beginning(*asked: Any) -> Any:  # noqa: ANN401
        await apply(1)
        await installation.operator.forget_up_to(topic, 0, 1)
        told = await beginning(*asked)
        assert told[TopicPartition(topic, 0)] == 1
        return told

    async def early_end(*asked: Any) -> Any:  # noqa: ANN401
        told = await end(*asked)
        await apply(2)
        return told

    monkeypatch.setattr(AIOKafkaConsumer, "beginning_offsets", late_beginning)
    monkeypatch.setattr(AIOKafkaConsumer, "end_offsets", early_end)
    assert await installation.wrong() == ""


async def test_messages_that_nobody_relays_are_worth_a_warning(
    installation: Installation,
) -> None:
    await _execute(
        installation,
        "insert into outbox (shard, topic, headers, value) values (0, 'replies', '', '{}')",
    )
    assert "outbox: 1 messages wait, and nobody relays shard 0" in await installation.warnings()

    name = f"{installation.settings.topic_prefix}relay-0"
    lease = await try_lease(installation.servers.database_url, name)
    assert lease is not None
    try:
        assert "outbox" not in await installation.warnings()
    finally:
        await lease.release()


async def test_messages_that_kafka_refused_are_worth_a_warning(installation: Installation) -> None:
    await _execute(
        installation,
        """
        insert into outbox_set_aside (shard, id, topic, headers, why)
        values (0, 1, 'replies', '', 'MessageSizeTooLargeError')
        """,
    )
    assert "outbox: 1 messages were set aside" in await installation.warnings()


async def test_parked_sessions_and_dead_letters_are_counted(installation: Installation) -> None:
    await _execute(
        installation,
        "insert into parked_sessions (account_id, session_id, parked_at) values ($1, $2, now())",
        ACME,
        SESSION,
    )
    for offset in range(2):
        await _execute(
            installation,
            """
            insert into dead_letters (id, reason, detail, topic, partition, "offset", headers,
                account_id, session_id, command_id, recorded_at)
            values ($1, 'poison', '', 'commands.chat', 0, $2, '', $3, $4, $5, now())
            """,
            an_id(offset),
            offset,
            ACME,
            SESSION,
            COMMAND,
        )
    assert await installation.found(Level.NOTE) == "dead letters: 2 open, 1 sessions parked"
    assert await installation.wrong() == ""
