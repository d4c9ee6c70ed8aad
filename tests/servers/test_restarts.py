"""A server that was killed comes back on the same port with the same data."""

import os
import socket
from pathlib import Path

import asyncpg
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from firstline.servers import (
    KafkaServer,
    NoServers,
    Postgres,
    PostgresBinaries,
    find_kafka,
    find_postgres,
    packaged_postgres,
)


async def query(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def postgres_of_the_package() -> PostgresBinaries:
    binaries = packaged_postgres()
    assert binaries is not None
    return binaries


@pytest.fixture(params=["found", "packaged"])
def binaries(request: pytest.FixtureRequest) -> PostgresBinaries:
    return find_postgres(os.environ) if request.param == "found" else postgres_of_the_package()


async def test_a_killed_postgres_keeps_what_was_committed(
    folder: Path, binaries: PostgresBinaries
) -> None:
    postgres = Postgres(folder / "postgres", binaries=binaries)
    try:
        # Inside a running event loop, as a fixture would.
        postgres.start()
        url, first = postgres.database_url, postgres.pid
        await query(url, "create table noted as select 'kept' as word")

        postgres.kill()
        with pytest.raises(OSError, match=r"."):
            await query(url, "select 1")
        postgres.start()

        assert (postgres.database_url, postgres.pid != first) == (url, True)
        assert await query(url, "select word from noted") == "kept"
        postgres.stop()
    finally:
        postgres.kill()


async def test_postgres_settings_are_ours_unless_they_are_overridden(folder: Path) -> None:
    postgres = Postgres(
        folder / "postgres",
        binaries=find_postgres(os.environ),
        settings={"work_mem": "5MB", "jit": "on", "log_line_prefix": "it's "},
    )
    try:
        postgres.start()
        names = ("fsync", "synchronous_commit", "max_connections", "jit", "work_mem")
        told = [await query(postgres.database_url, f"show {name}") for name in names]
        assert told == ["on", "on", "200", "on", "5MB"]
    finally:
        postgres.kill()


def test_a_killed_kafka_keeps_what_was_acknowledged(folder: Path) -> None:
    kafka = KafkaServer(
        folder / "kafka",
        distribution=find_kafka(os.environ),
        settings={"broker.session.timeout.ms": "1000", "broker.heartbeat.interval.ms": "200"},
    )
    try:
        kafka.start()
        first = kafka.pid
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.create_topics([NewTopic("noted", 1, 1)])["noted"].result(timeout=20)
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        producer.produce("noted", b"kept")
        assert producer.flush(20) == 0

        kafka.kill()
        kafka.start()

        assert kafka.pid != first
        assert read_first(kafka.bootstrap, "noted") == b"kept"
    finally:
        kafka.kill()


def test_a_kafka_whose_port_is_taken_shows_the_end_of_its_log(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        kafka = KafkaServer(
            folder / "kafka", distribution=find_kafka(os.environ), controller_port=port
        )

        with pytest.raises(NoServers, match=r"(?s)^Kafka ended while .*Address already in use"):
            kafka.start()


def read_first(bootstrap: str, topic: str) -> bytes | None:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "reader", "auto.offset.reset": "earliest"}
    )
    try:
        consumer.subscribe([topic])
        record = consumer.poll(30)
        assert record is not None
        assert record.error() is None
        return record.value()
    finally:
        consumer.close()
