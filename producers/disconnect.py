"""Leaving Kafka in a bounded time, also when Kafka has left first, and without a word too many."""

import asyncio
from collections.abc import Iterator
from typing import Any

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
    await _disconnect(connected, seconds)
    if isinstance(connected, AIOKafkaProducer):
        for left in _left_by(connected):
            heard(left)


def heard(future: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """The future, noted as heard of, also where nobody waits for it any more when it fails.

    asyncio would tell of each such failure as an error in the log, once it is collected. What is
    wrong was raised where the first of them was waited for.
    """
    future.add_done_callback(lambda done: done.cancelled() or done.exception())
    return future


def _left_by(producer: AIOKafkaProducer) -> Iterator[asyncio.Future[Any]]:
    """What fails with a producer that is refused, and is for nobody but the client to wait for."""
    accumulator, transactions = producer._message_accumulator, producer._txn_manager  # noqa: SLF001
    for waiting in accumulator._batches.values():  # noqa: SLF001
        for batch in waiting:
            yield batch._drain_waiter  # noqa: SLF001
    if transactions is not None and transactions.wait_for_transaction_end() is not None:
        yield transactions.wait_for_transaction_end()


async def _disconnect(connected: AIOKafkaProducer | AIOKafkaConsumer, seconds: float) -> None:
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
