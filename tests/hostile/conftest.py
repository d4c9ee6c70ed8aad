"""One installation for all hostile records."""

from collections.abc import Iterator

import pytest

from firstline.servers import Servers
from tests.outside.people import CATALOGUE
from tests.outside.program import Installation, installed


@pytest.fixture(scope="package")
def installation(
    servers: Servers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("hostile")
    with installed(servers.kafka_bootstrap, servers.database_url, folder, CATALOGUE) as made:
        yield made
