"""Installations of firstline, and clients that talk to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import pytest

from .client import Client
from .people import CATALOGUE
from .program import Installation, installed


class Servers(Protocol):
    """Where Kafka and Postgres are; all that these tests take from the program they test."""

    @property
    def kafka_bootstrap(self) -> str:
        """Return `host:port`."""

    @property
    def database_url(self) -> str:
        """Return the address of a database in which others may be created."""


@pytest.fixture(scope="package")
def installation(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Set up firstline once for all tests that only send commands as they should be sent."""
    folder = tmp_path_factory.mktemp("outside")
    with installed(servers.kafka_bootstrap, servers.database_url, folder, CATALOGUE) as made:
        yield made


@pytest.fixture(scope="package")
def client(installation: Installation) -> Iterator[Client]:
    """Start the worker of those tests, and talk to it."""
    installation.start()
    with _talking_to(installation) as client:
        yield client


@pytest.fixture(scope="module")
def own_installation(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """Set up firstline for a module that may do it harm."""
    folder = tmp_path_factory.mktemp("own")
    with installed(servers.kafka_bootstrap, servers.database_url, folder, CATALOGUE) as made:
        yield made


@pytest.fixture(scope="module")
def own_client(own_installation: Installation) -> Iterator[Client]:
    """Start the worker of such a module, and talk to it."""
    own_installation.start()
    with _talking_to(own_installation) as client:
        yield client


@contextmanager
def _talking_to(installation: Installation) -> Iterator[Client]:
    client = Client(installation.kafka_bootstrap, installation.prefix, check=installation.must_run)
    try:
        yield client
    finally:
        client.close()
