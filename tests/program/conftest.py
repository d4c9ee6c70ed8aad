"""One installation for all that only run programs."""

from collections.abc import Iterator

import pytest

from firstline.servers import Servers
from tests.outside.client import Client
from tests.outside.people import CATALOGUE
from tests.outside.program import Installation, installed


@pytest.fixture(scope="package")
def installation(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("program")
    with installed(servers.kafka_bootstrap, servers.database_url, folder, CATALOGUE) as made:
        yield made


@pytest.fixture(scope="module")
def client(installation: Installation) -> Iterator[Client]:
    client = Client(installation.kafka_bootstrap, installation.prefix)
    yield client
    client.close()
