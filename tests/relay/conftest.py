"""A database and topics for each test of the relay."""

import gc
import logging
import secrets
from collections.abc import AsyncIterator, Iterator

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


@pytest.fixture(scope="package", autouse=True)
def _nobody_mourns() -> Iterator[None]:
    """Keep asyncio from telling of what stopped relays left behind.

    It would do so when that is collected, which may be while somebody parses: formatting the
    traceback parses as well, and Python before 3.11.8 cannot do one within the other.
    """
    logger = logging.getLogger("asyncio")
    logger.disabled = True
    yield
    gc.collect()
    logger.disabled = False
