"""Kafka and Postgres in containers, where a Docker engine answers.

Needs the development extra (testcontainers); its reaper removes the containers of a test run that
was killed.
"""

import secrets
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from firstline.servers.addresses import NoServers, Servers
from firstline.servers.kafka import NODE_SETTINGS, kafka_answers
from firstline.servers.postgres import SERVER_SETTINGS, postgres_answers
from firstline.servers.process import free_port

try:
    import docker
    from docker.errors import DockerException
    from testcontainers.core.container import DockerContainer
except ImportError:  # an installation without the development extra
    docker = None

_KAFKA_IMAGE = "apache/kafka:4.1.2"
_POSTGRES_IMAGE = "postgres:18"
_DEFAULT_ENGINE = "unix:///var/run/docker.sock"
_START_WITHIN = 120.0


def engine_answers(environ: Mapping[str, str]) -> bool:
    """Say whether there is a Docker engine, and what it takes to use it."""
    if docker is None or not _is_somebody_there(environ):
        return False
    try:
        client = docker.from_env(timeout=3, environment=dict(environ))
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def _is_somebody_there(environ: Mapping[str, str]) -> bool:
    """Say whether a local engine's socket takes connections; the client leaks one if it does not.

    An engine that is somewhere else is left to the client.
    """
    scheme, _, place = environ.get("DOCKER_HOST", _DEFAULT_ENGINE).partition("://")
    if scheme != "unix":
        return True
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(3)
        return probe.connect_ex(place) == 0


@contextmanager
def run(
    kafka_settings: Mapping[str, str], postgres_settings: Mapping[str, str]
) -> Iterator[Servers]:
    """Yield servers in two containers, which are removed afterwards.

    Raises `NoServers` where an image cannot be had or a server does not answer.
    """
    with ExitStack() as stack:
        password = secrets.token_hex(16)
        kafka_port = free_port()
        postgres = stack.enter_context(_started(_postgres(password, postgres_settings)))
        kafka = stack.enter_context(_started(_kafka(kafka_port, kafka_settings)))
        host = postgres.get_container_host_ip()
        port = postgres.get_exposed_port(5432)
        servers = Servers(
            kafka_bootstrap=f"{kafka.get_container_host_ip()}:{kafka_port}",
            database_url=f"postgresql://firstline:{password}@{host}:{port}/firstline",
        )
        _wait(lambda: postgres_answers(servers.database_url), "Postgres", postgres)
        _wait(lambda: kafka_answers(servers.kafka_bootstrap), "Kafka", kafka)
        yield servers


def _postgres(password: str, settings: Mapping[str, str]) -> "DockerContainer":
    container = DockerContainer(_POSTGRES_IMAGE).with_exposed_ports(5432)
    container.with_env("POSTGRES_USER", "firstline")
    container.with_env("POSTGRES_PASSWORD", password)
    container.with_env("POSTGRES_DB", "firstline")
    container.with_env("POSTGRES_INITDB_ARGS", "--locale-provider=builtin --locale=C.UTF-8")
    asked = {**SERVER_SETTINGS, **settings, "listen_addresses": "*"}
    words = (word for name, value in asked.items() for word in ("-c", f"{name}={value}"))
    return container.with_command(["postgres", *words])


def _kafka(port: int, settings: Mapping[str, str]) -> "DockerContainer":
    """One node with two ways in: clients come through `port` of the host, the node by itself.

    It does send to itself, to end transactions, and the host's port does not exist inside.
    """
    container = DockerContainer(_KAFKA_IMAGE).with_bind_ports(9092, port)
    host = container.get_docker_client().host()
    asked = {
        **NODE_SETTINGS,
        **settings,
        "listeners": "CLIENT://:9092,BROKER://localhost:9094,CONTROLLER://localhost:9093",
        "advertised.listeners": f"CLIENT://{host}:{port},BROKER://localhost:9094",
        "listener.security.protocol.map": (
            "CLIENT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "controller.quorum.voters": "1@localhost:9093",
        "log.dirs": "/tmp/kafka-logs",  # noqa: S108 -- inside a container of its own
    }
    for name, value in asked.items():
        container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
    return container.with_env("KAFKA_HEAP_OPTS", "-Xms128m -Xmx512m")


@contextmanager
def _started(container: "DockerContainer") -> Iterator["DockerContainer"]:
    try:
        container.start()
    except (DockerException, OSError) as reason:
        message = f"Docker answers, but {container.image} could not be started: {reason}."
        raise NoServers(message) from reason
    try:
        yield container
    finally:
        container.stop()


def _wait(answers: Callable[[], bool], name: str, container: "DockerContainer") -> None:
    deadline = time.monotonic() + _START_WITHIN
    while not answers():
        if time.monotonic() > deadline:
            _, errors = container.get_logs()
            last = "\n  ".join(errors.decode(errors="replace").splitlines()[-15:])
            message = f"{name} did not answer within {_START_WITHIN:.0f} s:\n  {last}"
            raise NoServers(message)
        time.sleep(0.1)
