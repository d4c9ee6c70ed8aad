"""Creating the topics of the wire contract."""

import asyncio

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from producers.kafka import Kafka
from producers.topics import ALL, Topic

_USABLE_WITHIN_SECONDS = 20
_DAY_MS = 24 * 60 * 60 * 1000
# More than the largest message we write, and than the largest record a sender may: such a record
# has to arrive, so that it can be answered as too large.
_MAX_MESSAGE_BYTES = 1_048_588


async def create_topics(
    kafka: Kafka, *, partitions: int, replication: int, retention_days: int, shards: int = 1
) -> list[str]:
    """Create what is missing; return the full names of those created.

    Existing topics stay as they are. Raises what Kafka answers.
    """
    admin = AIOKafkaAdminClient(**kafka.connection())
    await admin.start()
    try:
        existing = set(await admin.list_topics())
        missing = [topic for topic in ALL if kafka.topic(topic.name) not in existing]
        response = await admin.create_topics(
            [
                NewTopic(
                    name=kafka.topic(topic.name),
                    num_partitions=shards if topic.per_shard else partitions,
                    replication_factor=replication,
                    topic_configs=configuration(topic, retention_days, replication),
                )
                for topic in missing
            ]
        )
        for name, code, *_ in response.topic_errors:
            if code not in {0, TopicAlreadyExistsError.errno}:
                raise for_code(code)(name)
        if missing:
            await _until_usable(admin, {kafka.topic(topic.name) for topic in missing})
    finally:
        await admin.close()
    return [kafka.topic(topic.name) for topic in missing]


async def _until_usable(admin: AIOKafkaAdminClient, names: set[str]) -> None:
    """Wait until the brokers know what they have created, and who leads it, so that others can."""
    async with asyncio.timeout(_USABLE_WITHIN_SECONDS):
        while not await _usable(admin, names):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


async def _usable(admin: AIOKafkaAdminClient, names: set[str]) -> bool:
    # Only topics that are listed are asked for: asking for others can create them.
    if not names <= set(await admin.list_topics()):
        return False
    return all(
        not topic["error_code"] and all(one["leader"] >= 0 for one in topic["partitions"])
        for topic in await admin.describe_topics(sorted(names))
    )


def configuration(topic: Topic, retention_days: int, replication: int) -> dict[str, str]:
    """The settings that a topic is created with."""
    settings = {
        "max.message.bytes": str(_MAX_MESSAGE_BYTES),
        "min.insync.replicas": "2" if replication > 2 else "1",  # noqa: PLR2004 - a majority
    }
    if topic.compacted:
        settings["cleanup.policy"] = "compact"
    else:
        settings["retention.ms"] = str(retention_days * _DAY_MS)
        settings["segment.ms"] = str(_DAY_MS)
    if topic.incoming:
        settings["message.timestamp.type"] = "LogAppendTime"
    return settings
