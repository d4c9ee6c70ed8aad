"""One fortress, and one installation in it, for all that knock at its doors."""

import os
import secrets
from collections.abc import Iterator

import pytest

from tests.security.fortress import Fortress, fortress
from tests.security.installation import Installation, install


@pytest.fixture(scope="package")
def guarded() -> Iterator[Fortress]:
    with fortress(os.environ) as made:
        yield made


@pytest.fixture(scope="package")
async def installation(guarded: Fortress, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    folder = tmp_path_factory.mktemp("security")
    return await install(guarded, f"guarded-{secrets.token_hex(4)}.", folder)
