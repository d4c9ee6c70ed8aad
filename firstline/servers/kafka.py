"""A Kafka of our own: one KRaft node in a folder, two ports on the loopback interface."""

import os
import signal
import socket
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from firstline.servers.addresses import NoServers
from firstline.servers.kafka_distribution import KafkaDistribution
from firstline.servers.process import ChildProcess, free_port

_START_WITHIN = 90.0

NODE_SETTINGS = MappingProxyType(
    {
        "process.roles": "broker,controller",
        "node.id": "1",
        "inter.broker.listener.name": "BROKER",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "auto.create.topics.enable": "false",
        # One node holds one copy.
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        # Fifty partitions each, as a cluster has them, are a second of a start.
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.num.partitions": "4",
        # A killed node is let in again once its session has ended: 12 s with the default of 9 s.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        # Nobody else is about to join the group.
        "group.initial.rebalance.delay.ms": "0",
        # The cleaner's buffer is 128 MiB by default, a quarter of the heap.
        "log.cleaner.enable": "true",
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
        # A partition has two indexes, files of holes of 10 MiB by default. Linux may read all of a
        # file at the first write to it: in its cache, that was six times the data of new topics.
        "log.index.size.max.bytes": str(256 * 1024),
        "num.network.threads": "2",
        "num.io.threads": "4",
    }
)
_JAVA_OPTIONS = (
    "-Xms128m",
    "-Xmx512m",
    # On the two cores this is meant for, the parallel collectors take more than they save.
    "-XX:+UseSerialGC",
    # So does the optimizing compiler: it has one of them to itself, for minutes.
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss.SSS",
)


class KafkaServer:
    """A Kafka broker and controller on `folder`, which is made and formatted at the first start.

    Only 127.0.0.1 is listened on, and whoever reaches it may do everything. One copy of each
    record, acknowledged before it is on disk: SIGKILL loses nothing, a power cut may.
    """

    def __init__(  # noqa: PLR0913 -- both ports may be chosen, everything else has its default
        self,
        folder: Path,
        *,
        distribution: KafkaDistribution,
        port: int | None = None,
        controller_port: int | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.controller_port = controller_port or free_port()
        self._distribution = distribution
        self._settings = settings
        self._environ = environ
        self._properties = folder / "server.properties"
        self._process = ChildProcess("Kafka", folder / "kafka.log")

    @property
    def pid(self) -> int:
        """The process id of the broker."""
        return self._process.pid

    @property
    def bootstrap(self) -> str:
        """Where clients connect: `host:port`."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server and return once it answers; raises `NoServers` where it does not."""
        self.launch()
        self.wait_until_it_answers()

    def launch(self) -> None:
        """Start the server and return at once, so that another can start meanwhile."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._write_settings()
        if not (self.folder / "log" / "meta.properties").exists():
            self._format()
        command = self._java("kafka.Kafka", str(self._properties))
        self._process.launch(command, environ=self._environ)

    def wait_until_it_answers(self) -> None:
        """Return once the broker has answered a metadata request.

        Raises `NoServers`, with the last log lines, where it does not within a minute and a half.
        """
        self._process.wait_until(lambda: kafka_answers(self.bootstrap), within=_START_WITHIN)

    def stop(self) -> None:
        """Shut down as an operator would: everything is written, and the next start is quick."""
        self._process.stop(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL the server."""
        self._process.kill()

    def _write_settings(self) -> None:
        settings = {
            **NODE_SETTINGS,
            "listeners": f"BROKER://{self.bootstrap},CONTROLLER://127.0.0.1:{self.controller_port}",
            "advertised.listeners": f"BROKER://{self.bootstrap}",
            "controller.quorum.voters": f"1@127.0.0.1:{self.controller_port}",
            "log.dirs": str(self.folder / "log"),
            **self._settings,
        }
        lines = (f"{name}={value}\n" for name, value in settings.items())
        self._properties.write_text("".join(lines))

    def _format(self) -> None:
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = self._java(
            *("kafka.tools.StorageTool", "format", "--ignore-formatted"),
            # One word: an id may begin with a dash.
            *(f"--cluster-id={cluster}", "--config", str(self._properties)),
        )
        done = subprocess.run(
            command,
            env=dict(self._environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            reason = (done.stderr or done.stdout).strip()
            message = f"Kafka could not be formatted in {self.folder}: {reason}"
            raise NoServers(message)

    def _java(self, main: str, *arguments: str) -> list[str]:
        jars = self._distribution.jars
        return [
            *(str(self._distribution.java), *_JAVA_OPTIONS),
            *("-cp", f"{jars}/*", main, *arguments),
        ]


def kafka_answers(bootstrap: str) -> bool:
    """Say whether a broker answers a metadata request at `bootstrap`, a single `host:port`."""
    host, _, port = bootstrap.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2).close()
    except OSError:
        return False
    # Here, because it takes long, and most programs never ask.
    from confluent_kafka import KafkaException  # noqa: PLC0415
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415

    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return bool(client.list_topics(timeout=5).brokers)
    except KafkaException:
        return False
