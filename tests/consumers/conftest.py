"""A desk: a migrated database with a catalogue, and an engine to it."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from storage.database import connect
from tests.consumers.desk import Desk, load_catalogue


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    await load_catalogue(tmp_path, database_url)
    engine = connect(database_url)
    connection = await asyncpg.connect(database_url, server_settings={"application_name": "test"})
    yield Desk(engine, connection)
    await connection.close()
    await engine.dispose()
