"""Kafka's own ids of topics."""

import secrets
from typing import TYPE_CHECKING, Any, cast

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from consumers.topic_ids import topic_ids
from firstline.servers import Servers

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient


async def test_a_topic_that_is_made_anew_has_another_id(servers: Servers) -> None:
    """One that is not there has none, and is not made by asking."""
    name = f"ids-{secrets.token_hex(4)}"
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_bootstrap)
    await admin.start()
    told = []
    async with AIOKafkaConsumer(bootstrap_servers=servers.kafka_bootstrap) as consumer:
        for _ in range(2):
            assert await topic_ids(consumer._client, [name]) == {}
            await admin.create_topics([NewTopic(name, 3, 1)])
            while not (found := await topic_ids(consumer._client, [name, "none"])):
                pass
            told.append(found)
            await admin.delete_topics([name])
            while await topic_ids(consumer._client, [name]):
                pass
    await admin.close()
    first, second = told
    assert first.keys() == second.keys() == {name}
    assert first != second


@pytest.mark.parametrize("version", [0, 7, 9])
async def test_a_kafka_that_knows_no_ids_tells_none(version: int) -> None:
    class Old:
        """A client whose broker answers Metadata up to this version."""

        def get_random_node(self) -> int:
            return 0

        async def send(self, _: int, request: Any) -> None:  # noqa: ANN401 - the client's
            request.prepare({3: (0, version)})

    assert await topic_ids(cast("AIOKafkaClient", Old()), ["t"]) == {}
