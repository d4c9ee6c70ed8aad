"""Leaving Kafka in a bounded time, also when Kafka has left first."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

_STOP_SECONDS = 3.0


async def disconnect(
    connected: AIOKafkaProducer | AIOKafkaConsumer, seconds: float = _STOP_SECONDS
) -> None:
    """Disconnect within twice so many seconds, whether or not a broker is there.

    Without one, a producer that has something left to send never stops, and a consumer ends the
    stopping with a CancelledError that nobody asked for. A producer whose stopping is given up
    would go on: its sender makes new connections for what it has left.
    """
    stopping = asyncio.create_task(connected.stop())
    await asyncio.wait([stopping], timeout=seconds)
    if stopping.done() and not stopping.cancelled() and stopping.exception() is None:
        return
    stopping.cancel()
    # The rest of what `stop` does; the library has no other way to it. The sender ends with the
    # requests that are on their way, and those end with their connections.
    if isinstance(connected, AIOKafkaProducer):
        rest = [connected._sender.close(), connected.client.close()]  # noqa: SLF001
    else:
        rest = [connected._client.close()]  # noqa: SLF001
    ending = [stopping, *(asyncio.create_task(one) for one in rest)]
    _, late = await asyncio.wait(ending, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*ending, return_exceptions=True)
