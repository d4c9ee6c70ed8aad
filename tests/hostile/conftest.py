"""One installation for all hostile records."""

from collections.abc import Iterator

import pytest

from tests.outside.program import Installation, NewInstallation


@pytest.fixture(scope="package")
def installation(new_installation: NewInstallation) -> Iterator[Installation]:
    with new_installation() as made:
        yield made
