"""Records on their way through FastStream, which looks at none of them and acknowledges nothing."""

from faststream.kafka import KafkaMessage

from consumers.records import Record


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
