"""The ids that Kafka gives to topics: what tells one that was made anew from the one before.

Kafka's client does not ask for them. The request is Metadata, version 10, by Kafka's own message
definitions as of 2.8 (KIP-516).
"""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

_TEXT = CompactString("utf-8")
_TAGS = ("tags", TaggedFields)
_NUMBERS = CompactArray(Int32)


class _MetadataResponseV10(Response):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 10
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), _TAGS),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _TEXT),
                ("id_high", Int64),
                ("id_low", Int64),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("number", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", _NUMBERS),
                        ("isr", _NUMBERS),
                        ("offline_replicas", _NUMBERS),
                        _TAGS,
                    ),
                ),
                ("authorized_operations", Int32),
                _TAGS,
            ),
        ),
        ("authorized_operations", Int32),
        _TAGS,
    )


class _MetadataRequestV10(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 10
    RESPONSE_TYPE = _MetadataResponseV10
    SCHEMA = Schema(
        ("topics", CompactArray(("id_high", Int64), ("id_low", Int64), ("name", _TEXT), _TAGS)),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        _TAGS,
    )


class _Metadata(Request[_MetadataRequestV10]):  # type: ignore[misc]
    API_KEY = 3

    def __init__(self, names: Collection[str]) -> None:
        self._names = names

    def build(self, request_struct_class: Any) -> Any:  # noqa: ANN401 - aiokafka is untyped
        topics: list[Any] = [(0, 0, name, {}) for name in self._names]
        return request_struct_class(topics, False, False, False, {})  # noqa: FBT003 - by place


async def topic_ids(client: AIOKafkaClient, names: Collection[str]) -> dict[str, str]:
    """The ids of the topics by their full names, as UUIDs; of an older Kafka's none.

    Raises what the client raises.
    """
    try:
        answer = await client.send(client.get_random_node(), _Metadata(names))
    except (IncompatibleBrokerVersion, NotImplementedError):  # the client's two ways to say so
        return {}
    return {
        name: str(UUID(bytes=high.to_bytes(8, signed=True) + low.to_bytes(8, signed=True)))
        for error, name, high, low, *_ in answer.topics
        if not error and (high or low)
    }
