"""Installations to measure: a database and topics each, on servers that they share."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaProducer
from sqlalchemy import make_url

from benchmarks.workload import Sent, catalogue
from firstline.load import load_file
from firstline.migrate import migrate
from firstline.servers import Servers, ephemeral
from firstline.topics import create_topics
from producers.kafka import Kafka, partition_of

PARTITIONS = 12
_TEMPLATE = "bench_template"
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Installation:
    """A migrated database with nothing but the catalogue in it, and empty topics."""

    kafka: Kafka
    database_url: str

    @property
    def environ(self) -> dict[str, str]:
        """What a process of the program needs to find them."""
        return {
            **os.environ,
            "FIRSTLINE_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "FIRSTLINE_DATABASE_URL": self.database_url,
            "FIRSTLINE_TOPIC_PREFIX": self.kafka.prefix,
            "FIRSTLINE_PARTITIONS": str(PARTITIONS),
            "FIRSTLINE_LOG_LEVEL": "error",
            "FIRSTLINE_SWEEP_SECONDS": "0",
        }

    @contextmanager
    def process(
        self, *arguments: str, environ: Mapping[str, str] | None = None
    ) -> Iterator[subprocess.Popen[str]]:
        """A Python process that finds the installation; it ends with the block, by SIGTERM."""
        process = subprocess.Popen(
            [sys.executable, *arguments],
            env=self.environ | dict(environ or {}),
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=40)

    @contextmanager
    def worker(self, *options: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
        """A worker process, from before it is ready until it has drained."""
        with self.process("-m", "firstline", "worker", *options, environ=environ) as process:
            yield process

    async def append(self, topic: str, commands: Sequence[Sent]) -> None:
        """Append commands to a topic, by their keys, in order."""
        where = self.kafka.topic(topic)
        producer = AIOKafkaProducer(**self.kafka.connection(), max_batch_size=900_000, acks="all")
        await producer.start()
        try:
            by_partition: dict[int, list[Sent]] = {}
            for command in commands:
                partition = partition_of(command.key, PARTITIONS)
                by_partition.setdefault(partition, []).append(command)
            for partition, sent in by_partition.items():
                batch = producer.create_batch()
                for command in sent:
                    if batch.append(key=command.key, value=command.value, timestamp=None) is None:
                        await producer.send_batch(batch, where, partition=partition)
                        batch = producer.create_batch()
                        batch.append(key=command.key, value=command.value, timestamp=None)
                await (await producer.send_batch(batch, where, partition=partition))
        finally:
            await producer.stop()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection to the database."""
        connection = await asyncpg.connect(self.database_url)
        try:
            yield connection
        finally:
            await connection.close()


@dataclass(frozen=True, slots=True)
class Site:
    """Where installations are made, as many as are measured."""

    servers: Servers

    @asynccontextmanager
    async def installation(self) -> AsyncIterator[Installation]:
        """A new installation, whose database is gone after the block."""
        name = f"bench{next(_NUMBERS)}"
        kafka = Kafka(self.servers.kafka_bootstrap, f"{name}.")
        await create_topics(kafka, partitions=PARTITIONS, replication=1, retention_days=14)
        server = await asyncpg.connect(self.servers.database_url)
        try:
            await server.execute(f"create database {name} template {_TEMPLATE}")
            # What is measured next does not pay for the writing of what was measured before.
            await server.execute("checkpoint")
            yield Installation(kafka, _database(self.servers, name))
            await server.execute(f"drop database {name} with (force)")
        finally:
            await server.close()


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """Bring servers up, with a migrated and loaded database to copy; all is gone afterwards."""
    with ephemeral() as servers, tempfile.TemporaryDirectory() as folder:
        server = await asyncpg.connect(servers.database_url)
        for setting in ("synchronous_commit", "fsync", "full_page_writes"):
            assert await server.fetchval(f"show {setting}") == "on", setting
        await server.execute(f"create database {_TEMPLATE}")
        await server.close()
        template = _database(servers, _TEMPLATE)
        await migrate(template)
        file = Path(folder) / "catalogue.json"
        file.write_text(json.dumps(catalogue()))
        await load_file(file, template)
        yield Site(servers)


def _database(servers: Servers, name: str) -> str:
    return make_url(servers.database_url).set(database=name).render_as_string(hide_password=False)
