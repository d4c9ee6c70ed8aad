"""A place for one demo: servers, a database and topics that nobody else uses and nobody keeps."""

import asyncio
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import asyncpg
from aiokafka.admin import AIOKafkaAdminClient

from firstline.servers import ephemeral, given
from firstline.settings import Settings
from producers.kafka import Kafka


@dataclass(frozen=True, slots=True)
class Playground:
    """Where the demo takes place. `borrowed`: on servers that the environment names."""

    kafka: Kafka
    database_url: str
    borrowed: bool

    def environ(self) -> dict[str, str]:
        """Return the environment in which `firstline` commands work here."""
        return {
            **os.environ,
            "FIRSTLINE_KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "FIRSTLINE_DATABASE_URL": self.database_url,
            "FIRSTLINE_TOPIC_PREFIX": self.kafka.prefix,
        }


@contextmanager
def playground() -> Iterator[Playground]:
    """Yield a playground that is gone when the block is left.

    On servers that the environment names, a database and a topic prefix are made up for this
    demo alone, and deleted afterwards: its invented people have no business among real ones.
    Raises `NoServers` where none can be started.
    """
    borrowed = given(os.environ) is not None
    with ephemeral() as servers, ExitStack() as stack:
        database_url, kafka = servers.database_url, Kafka(servers.kafka_bootstrap, "firstline.")
        if borrowed:
            name = f"firstline_demo_{secrets.token_hex(4)}"
            kafka = replace(Settings().kafka(servers.kafka_bootstrap), prefix=f"{name}.")
            asyncio.run(_execute(servers.database_url, f'create database "{name}"'))
            drop = f'drop database "{name}" with (force)'
            stack.callback(lambda: asyncio.run(_execute(servers.database_url, drop)))
            stack.callback(lambda: asyncio.run(_delete_topics(kafka)))
            database_url = urlsplit(servers.database_url)._replace(path=f"/{name}").geturl()
        yield Playground(kafka, database_url, borrowed)


async def _execute(database_url: str, statement: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _delete_topics(kafka: Kafka) -> None:
    admin = AIOKafkaAdminClient(**kafka.connection())
    await admin.start()
    try:
        mine = [topic for topic in await admin.list_topics() if topic.startswith(kafka.prefix)]
        if mine:
            await admin.delete_topics(mine)
    finally:
        await admin.close()
