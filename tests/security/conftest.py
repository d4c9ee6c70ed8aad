"""One fortress, and one installation in it, for all that knock at its doors."""

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.security.fortress import Fortress, fortress
from tests.security.installation import Installation, install


@pytest.fixture(scope="package")
def guarded() -> Iterator[Fortress]:
    with fortress(os.environ) as made:
        yield made


@pytest.fixture(scope="package")
async def installation(
    guarded: Fortress, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Installation]:
    folder: Path = tmp_path_factory.mktemp("security")
    yield await install(guarded, f"guarded-{secrets.token_hex(4)}.", folder)
