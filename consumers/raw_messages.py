"""Records on their way through FastStream, which looks at none of them and acknowledges nothing."""

from collections.abc import Callable
from functools import partial

from faststream.kafka import KafkaBroker, KafkaMessage

from consumers.raw_consumer import RawConsumer
from consumers.records import Record
from producers.kafka import Kafka


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
