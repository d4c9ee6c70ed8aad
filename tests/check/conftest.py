"""An installation whose topics are as `firstline topics` makes them."""

import secrets

import pytest

from firstline.servers import Servers
from firstline.settings import Settings
from firstline.topics import create_topics
from tests.check.installations import Installation


@pytest.fixture
async def installation(servers: Servers, database_url: str) -> Installation:
    settings = Settings(topic_prefix=f"check-{secrets.token_hex(4)}.", partitions=2)
    made = Installation(Servers(servers.kafka_bootstrap, database_url), settings)
    await create_topics(
        made.kafka, partitions=settings.partitions, replication=1, retention_days=14
    )
    return made
