"""Topics of its own for each test of the relay, and a database that is emptied."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from firstline.servers import Servers
from firstline.topics import create_topics
from producers.kafka import Kafka
from storage import database
from tests.relay.house import PARTITIONS, House
from tests.relay.stops import unmourned


@pytest.fixture(scope="package")
async def relay_database(
    new_database: Callable[[], AbstractAsyncContextManager[str]],
) -> AsyncIterator[tuple[str, AsyncEngine]]:
    async with new_database() as url:
        engine = database.connect(url)
        yield url, engine
        await engine.dispose()


@pytest.fixture
async def house(servers: Servers, relay_database: tuple[str, AsyncEngine]) -> House:
    kafka = Kafka(servers.kafka_bootstrap, f"relay-{secrets.token_hex(4)}.")
    await create_topics(kafka, partitions=PARTITIONS, replication=1, retention_days=1)
    house = House(kafka, *relay_database)
    await house.clear()
    return house


@pytest.fixture(scope="package", autouse=True)
def _left_behind() -> Iterator[None]:
    with unmourned():
        yield
