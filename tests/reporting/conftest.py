"""A support desk to report on."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.reporting.desk import Desk


@pytest.fixture
async def desk(database_url: str) -> AsyncIterator[Desk]:
    connection = await asyncpg.connect(database_url)
    try:
        yield await Desk.furnished(connection)
    finally:
        await connection.close()
