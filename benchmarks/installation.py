"""An installation to measure: servers, schema, topics, catalogue, and worker processes."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from aiokafka import AIOKafkaProducer

from benchmarks.workload import Sent, catalogue
from firstline.servers import Servers, ephemeral
from producers.kafka import partition_of

PARTITIONS = 12
_PREFIX = "bench."


@dataclass(frozen=True, slots=True)
class Installation:
    """Servers with an empty, migrated database and empty topics."""

    servers: Servers

    @property
    def environ(self) -> dict[str, str]:
        """What a process of the program needs to find them."""
        return {
            **os.environ,
            "FIRSTLINE_KAFKA_BOOTSTRAP": self.servers.kafka_bootstrap,
            "FIRSTLINE_DATABASE_URL": self.servers.database_url,
            "FIRSTLINE_TOPIC_PREFIX": _PREFIX,
            "FIRSTLINE_PARTITIONS": str(PARTITIONS),
            "FIRSTLINE_LOG_LEVEL": "warning",
        }

    def run(self, *arguments: str) -> None:
        """Run a command of the program to its end."""
        subprocess.run(
            [sys.executable, "-m", "firstline", *arguments],
            env=self.environ,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    @contextmanager
    def worker(self, *options: str) -> Iterator[subprocess.Popen[str]]:
        """A worker process, from before it is ready until it has drained."""
        process = subprocess.Popen(
            [sys.executable, "-m", "firstline", "worker", *options],
            env=self.environ,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=40)

    async def append(self, topic: str, commands: Sequence[Sent]) -> None:
        """Append commands to a topic, by their keys, in order."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.servers.kafka_bootstrap, max_batch_size=900_000, acks="all"
        )
        await producer.start()
        try:
            by_partition: dict[int, list[Sent]] = {}
            for command in commands:
                partition = partition_of(command.key, PARTITIONS)
                by_partition.setdefault(partition, []).append(command)
            for partition, sent in by_partition.items():
                batch = producer.create_batch()
                for command in sent:
                    if batch.append(key=command.key, value=command.value, timestamp=None) is None:
                        await producer.send_batch(batch, _PREFIX + topic, partition=partition)
                        batch = producer.create_batch()
                        batch.append(key=command.key, value=command.value, timestamp=None)
                await (await producer.send_batch(batch, _PREFIX + topic, partition=partition))
        finally:
            await producer.stop()


@contextmanager
def installation() -> Iterator[Installation]:
    """Bring an installation up; everything of it is gone afterwards."""
    with ephemeral() as servers, tempfile.TemporaryDirectory() as folder:
        made = Installation(servers)
        made.run("migrate")
        made.run("topics")
        file = Path(folder) / "catalogue.json"
        file.write_text(json.dumps(catalogue()))
        made.run("load", str(file))
        yield made
