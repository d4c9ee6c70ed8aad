"""What Kafka says of itself, its topics and our rights, read without writing anything."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any

from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownTopicOrPartitionError,
)
from aiokafka.protocol.admin import (
    ApiVersionRequest,
    DescribeAclsRequest,
    DescribeConfigsRequest,
)

from firstline.check.wire import DescribeGroup, DescribeQuorum, Metadata
from producers.kafka import Kafka

OLDEST_KAFKA = "2.3"
"""The first with static group members (KIP-345); everything else that is used is older."""

_REQUEST_MS = 5_000
_JOIN_GROUP, _STATIC_MEMBERS = 11, 5
_SECURITY_DISABLED = 54
_ANY, _TOPIC = 1, 2


class Operation(IntEnum):
    """What an ACL allows, by Kafka's own numbers."""

    READ = 3
    WRITE = 4
    CREATE = 5
    DELETE = 6
    ALTER = 7
    DESCRIBE = 8
    CLUSTER_ACTION = 9
    DESCRIBE_CONFIGS = 10
    ALTER_CONFIGS = 11


Operations = frozenset[Operation]


class KafkaTooOld(Exception):
    """Kafka does not know the requests that the worker depends on."""


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as it is. ``settings`` is None where we may not read them."""

    partitions: int
    leaderless: int
    replicas: int
    allowed: Operations
    settings: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Cluster:
    """Kafka, its topics by their full names, and what we may do.

    ``hidden`` are topics that we may not see, whether or not they exist. ``clock`` is how far the
    active controller is ahead of us, in seconds; None where that cannot be asked.
    """

    brokers: int
    authorizer: bool
    topics: Mapping[str, TopicFacts]
    hidden: Sequence[str]
    allowed: Operations
    group_allowed: Mapping[str, Operations]
    transactions_allowed: bool
    clock: float | None


@asynccontextmanager
async def connected(kafka: Kafka) -> AsyncIterator[AIOKafkaClient]:
    """A bare client. Raises `KafkaError` where no broker answers, and `KafkaTooOld`."""
    client = AIOKafkaClient(**kafka.connection(), request_timeout_ms=_REQUEST_MS)
    try:
        await client.bootstrap()
        versions = await _ask(client, ApiVersionRequest())
        if is_too_old({api["api_key"]: api["max_version"] for api in versions["api_versions"]}):
            raise KafkaTooOld
        yield client
    finally:
        await client.close()


def is_too_old(newest: Mapping[int, int]) -> bool:
    """Tell from the newest version of each request, by its key, that a broker speaks."""
    return newest.get(_JOIN_GROUP, 0) < _STATIC_MEMBERS


async def read_topics(
    client: AIOKafkaClient, names: Sequence[str]
) -> tuple[dict[str, TopicFacts], list[str]]:
    """Those of the topics that exist, and those that we may not see."""
    described = await _ask(client, Metadata(list(names)))
    visible = [topic for topic in described["topics"] if not topic["error_code"]]
    hidden = [
        topic["name"]
        for topic in described["topics"]
        if topic["error_code"] == TopicAuthorizationFailedError.errno
    ]
    broken = [
        topic["error_code"]
        for topic in described["topics"]
        if topic["error_code"]
        not in {0, TopicAuthorizationFailedError.errno, UnknownTopicOrPartitionError.errno}
    ]
    if broken:
        msg = f"error {broken[0]} about a topic"
        raise KafkaError(msg)
    settings = await _settings(client, [topic["name"] for topic in visible])
    facts = {
        topic["name"]: TopicFacts(
            len(topic["partitions"]),
            sum(partition["leader"] < 0 for partition in topic["partitions"]),
            min(len(partition["replicas"]) for partition in topic["partitions"]),
            _operations(topic["authorized_operations"]),
            settings.get(topic["name"]),
        )
        for topic in visible
    }
    return facts, hidden


async def read_cluster(
    client: AIOKafkaClient,
    kafka: Kafka,
    names: Sequence[str],
    groups: Sequence[str],
    transactional_id: str,
) -> Cluster:
    """Everything that is looked at. Raises `KafkaError` where Kafka goes away meanwhile."""
    described = await _ask(client, Metadata([]))
    acls = await _ask(client, DescribeAclsRequest(_ANY, None, _ANY, None, None, _ANY, _ANY))
    topics, hidden = await read_topics(client, [kafka.topic(name) for name in names])
    return Cluster(
        brokers=len(described["brokers"]),
        authorizer=acls["error_code"] != _SECURITY_DISABLED,
        topics=topics,
        hidden=hidden,
        allowed=_operations(described["authorized_operations"]),
        group_allowed={group: await _group_operations(client, group) for group in groups},
        transactions_allowed=await _may_find_transactions(client, transactional_id),
        clock=await _clock(client),
    )


async def _ask(client: AIOKafkaClient, request: Any, node: int | None = None) -> dict[str, Any]:  # noqa: ANN401
    answer = await client.send(client.get_random_node() if node is None else node, request)
    found: dict[str, Any] = answer.to_object()
    return found


async def _settings(client: AIOKafkaClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Settings in force, by topic; topics whose settings we may not read are left out."""
    if not names:
        return {}
    asked = [(int(ConfigResourceType.TOPIC), name, None) for name in names]
    answer = await _ask(client, DescribeConfigsRequest(asked, False))  # noqa: FBT003 - by place
    return {
        resource["resource_name"]: {
            entry["config_names"]: entry["config_value"] for entry in resource["config_entries"]
        }
        for resource in answer["resources"]
        if not resource["error_code"]
    }


async def _group_operations(client: AIOKafkaClient, group: str) -> Operations:
    """What we may do in the group; everything where its coordinator is not there yet."""
    try:
        node = await client.coordinator_lookup(CoordinationType.GROUP, group)
        described = await _ask(client, DescribeGroup(group), node)
    except GroupAuthorizationFailedError:
        return frozenset()
    except KafkaError:
        return frozenset(Operation)
    return _operations(described["groups"][0]["authorized_operations"])


async def _may_find_transactions(client: AIOKafkaClient, transactional_id: str) -> bool:
    """Whether we may describe the transactional id: asking for more would fence its relay."""
    try:
        await client.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
    except TransactionalIdAuthorizationFailed:
        return False
    except KafkaError:
        return True  # its coordinator is not there yet
    return True


async def _clock(client: AIOKafkaClient) -> float | None:
    """How far the active controller's clock is ahead of ours, in seconds."""
    before = datetime.now(UTC).timestamp()
    try:
        answer = await _ask(client, DescribeQuorum())
        (partition,) = answer["topics"][0]["partitions"]
        (leader,) = [
            voter
            for voter in partition["current_voters"]
            if voter["replica_id"] == partition["leader_id"]
        ]
    # Not allowed, or older than 3.3, or kept by ZooKeeper: there is nothing else to ask that
    # does not write.
    except (KafkaError, NotImplementedError, LookupError, ValueError):
        return None
    after = datetime.now(UTC).timestamp()
    told: float = leader["last_caught_up_timestamp"] / 1000
    return told - (before + after) / 2 if told > 0 else None


def _operations(bits: int) -> Operations:
    return frozenset(operation for operation in Operation if bits >= 0 and bits >> operation & 1)
