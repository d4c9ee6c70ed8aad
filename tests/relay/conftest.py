"""A database and topics for each test of the relay."""

import gc
import secrets
from collections.abc import AsyncIterator

import pytest

from firstline.servers import Servers
from firstline.topics import create_topics
from producers.kafka import Kafka
from storage import database
from tests.relay.house import PARTITIONS, House


@pytest.fixture
async def house(servers: Servers, database_url: str) -> AsyncIterator[House]:
    kafka = Kafka(servers.kafka_bootstrap, f"relay-{secrets.token_hex(4)}.")
    await create_topics(kafka, partitions=PARTITIONS, replication=1, retention_days=1)
    engine = database.connect(database_url)
    yield House(kafka, database_url, engine)
    await engine.dispose()
    # Futures that a stopped relay never looked at say so when they are collected: here, and not
    # while somebody parses, which they would disturb by showing their tracebacks.
    gc.collect()
