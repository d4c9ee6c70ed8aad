"""Leaving Kafka in a bounded time, also when Kafka has left first."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

_STOP_SECONDS = 3


async def disconnect(connected: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    """Disconnect within seconds, whether or not a broker is there.

    Without one, a producer that has something left to send never stops, and a consumer ends the
    stopping with a CancelledError that nobody asked for.
    """
    stopping = asyncio.create_task(connected.stop())
    await asyncio.wait([stopping], timeout=_STOP_SECONDS)
    if stopping.done() and not stopping.cancelled() and stopping.exception() is None:
        return
    stopping.cancel()
    # The rest of what `stop` does; the library has no other way to it.
    if isinstance(connected, AIOKafkaProducer):
        rest = [connected._sender.close(), connected.client.close()]  # noqa: SLF001
    else:
        rest = [connected._client.close()]  # noqa: SLF001
    await asyncio.gather(stopping, *rest, return_exceptions=True)
