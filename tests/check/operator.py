"""What an operator does to a Kafka by hand, and gets wrong."""

import asyncio
from collections.abc import Iterable

from confluent_kafka import TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    ResourcePatternType,
    ResourceType,
)

US = "User:ANONYMOUS"


class Operator:
    """Whoever administers the Kafka at that address."""

    def __init__(self, bootstrap: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap})

    async def configure(self, topic: str, **settings: str) -> None:
        """Change settings of a topic; dots are underscores."""
        entries = [
            ConfigEntry(name.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
            for name, value in settings.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        await _done(self._admin.incremental_alter_configs([resource]))

    async def widen(self, topic: str, partitions: int) -> None:
        await _done(self._admin.create_partitions([NewPartitions(topic, partitions)]))

    async def delete(self, *topics: str) -> None:
        await _done(self._admin.delete_topics(list(topics)))

    async def forget_up_to(self, topic: str, partition: int, offset: int) -> None:
        """Delete records as retention does."""
        await _done(self._admin.delete_records([TopicPartition(topic, partition, offset)]))

    async def allow(self, kind: str, name: str, *operations: str) -> None:
        await self._add(kind, name, operations, AclPermissionType.ALLOW)

    async def deny(self, kind: str, name: str, *operations: str) -> None:
        await self._add(kind, name, operations, AclPermissionType.DENY)

    async def _add(
        self, kind: str, name: str, operations: Iterable[str], permission: AclPermissionType
    ) -> None:
        bindings = [
            AclBinding(
                ResourceType[kind],
                name,
                ResourcePatternType.LITERAL,
                US,
                "*",
                AclOperation[operation],
                permission,
            )
            for operation in operations
        ]
        await _done(self._admin.create_acls(bindings))


async def _done(futures: object) -> None:
    """Wait for what confluent-kafka promised, off the event loop."""
    for future in futures.values():  # type: ignore[attr-defined]
        await asyncio.to_thread(future.result)
