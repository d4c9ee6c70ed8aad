"""One installation for all that only run programs."""

from collections.abc import Iterator

import pytest

from tests.outside.client import Client
from tests.outside.program import Installation, NewInstallation


@pytest.fixture(scope="package")
def installation(new_installation: NewInstallation) -> Iterator[Installation]:
    with new_installation() as made:
        yield made


@pytest.fixture(scope="module")
def client(installation: Installation) -> Iterator[Client]:
    client = Client(installation.kafka_bootstrap, installation.prefix)
    yield client
    client.close()
