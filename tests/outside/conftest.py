"""Installations of firstline, and clients that talk to them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .client import Client
from .program import Installation, NewInstallation


@pytest.fixture(scope="package")
def installation(new_installation: NewInstallation) -> Iterator[Installation]:
    """Set up firstline once for all tests that only send commands as they should be sent."""
    with new_installation() as made:
        yield made


@pytest.fixture(scope="package")
def client(installation: Installation) -> Iterator[Client]:
    """Start the worker of those tests, and talk to it."""
    installation.start()
    with _talking_to(installation) as client:
        yield client


@pytest.fixture(scope="module")
def own_installation(new_installation: NewInstallation) -> Iterator[Installation]:
    """Set up firstline for a module that may do it harm."""
    with new_installation() as made:
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
