"""A process that consumes node requests and pays a provider in another for each node."""

import asyncio
import signal

from consumers.generating import Generating, GeneratingSettings
from consumers.nodes import Nodes, NodesSettings
from integrations.generator import Case, Generated
from producers.kafka import Kafka
from storage.database import connect
from tests.consumers.generators import DRAFT, USAGE

CONCURRENCY = 3


class Paying:
    """A generator that calls the provider, and has its answer once the line comes back."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def generate(self, case: Case, *, idempotency_key: str) -> Generated:
        assert case.request_id == idempotency_key
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        writer.write(idempotency_key.encode() + b"\n")
        await reader.readline()
        writer.close()
        return Generated(DRAFT, USAGE)

    async def aclose(self) -> None:
        """Nothing is open between two answers."""


def work(kafka: Kafka, database_url: str, port: int) -> None:
    """Consume until told to stop."""
    asyncio.run(_work(kafka, database_url, port))


async def _work(kafka: Kafka, database_url: str, port: int) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    engine = connect(database_url)
    generating = Generating(engine, Paying(port), "one", GeneratingSettings())
    nodes = Nodes(kafka, generating, NodesSettings(f"{kafka.prefix}one", CONCURRENCY))
    await nodes.start()
    await stop.wait()
    await nodes.stop()
    await engine.dispose()
