"""A desk, for each test its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.consumers.desk import Desk, a_desk


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(database_url, tmp_path) as made:
        yield made
