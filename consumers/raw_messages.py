"""Consumers through FastStream, which looks at none of their records and acknowledges nothing."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiokafka import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faststream import AckPolicy
from faststream.kafka import KafkaBroker, KafkaMessage

from consumers.raw_consumer import RawConsumer
from consumers.records import Record
from producers.kafka import Kafka


@dataclass(frozen=True, slots=True)
class Membership:
    """Who a consumer is in which group; ``member`` is the same one when it comes back."""

    group: str
    member: str


def raw_broker(kafka: Kafka, middlewares: Sequence[Any] = ()) -> KafkaBroker:
    """A broker for consumers alone, which makes no topics, logs nothing and converts nothing."""
    return KafkaBroker(
        bootstrap_servers=kafka.bootstrap,
        consumer_only=True,
        middlewares=middlewares,
        allow_auto_create_topics=False,
        logger=None,
        apply_types=False,
        serializer=None,
    )


def subscribe(  # noqa: PLR0913 - what, as whom, how much at a time, and who is told
    broker: KafkaBroker,
    names: Sequence[str],
    membership: Membership,
    listener: ConsumerRebalanceListener,
    handle: Callable[[Sequence[Record]], Awaitable[None]],
    *,
    max_records: int,
    batch_timeout_ms: int,
) -> None:
    """Have what is committed to the topics handled in batches; the handler settles each itself.

    A member that has gone keeps its partitions for 30 seconds.
    """
    broker.subscriber(
        *names,
        batch=True,
        ack_policy=AckPolicy.MANUAL,
        no_reply=True,
        listener=listener,
        parser=untouched,
        decoder=raw,
        group_id=membership.group,
        group_instance_id=membership.member,
        partition_assignment_strategy=(RangePartitionAssignor,),
        auto_offset_reset="earliest",
        isolation_level="read_committed",
        session_timeout_ms=30_000,
        rebalance_timeout_ms=60_000,
        heartbeat_interval_ms=3_000,
        max_records=max_records,
        batch_timeout_ms=batch_timeout_ms,
    )(handle)


async def connect(broker: KafkaBroker, kafka: Kafka, make: Callable[..., RawConsumer]) -> None:
    """Connect the broker, and have ``make`` make its consumers.

    FastStream has classes of its own for TLS and logins; its consumers take what ours take.
    """
    await broker.connect()
    config = broker.config.broker_config
    settings = config.builder.keywords | kafka.connection()  # type: ignore[attr-defined]
    config.builder = partial(make, **settings)


async def untouched(records: tuple[Record, ...]) -> KafkaMessage:
    """Wrap the records without looking at them: a parser that decodes headers loses batches."""
    return KafkaMessage(
        body=b"", raw_message=records, headers={}, message_id="", consumer=_NO_CONSUMER
    )


async def raw(message: KafkaMessage) -> object:
    """Hand the records on as they came."""
    return message.raw_message


class _NoConsumer:
    async def commit(self) -> None:
        """Nothing is acknowledged through FastStream."""

    def seek(self, partition: object, offset: int) -> None:
        """Nothing is negatively acknowledged either."""


_NO_CONSUMER = _NoConsumer()
