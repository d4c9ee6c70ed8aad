"""A database with two accounts, and a desk that loads catalogue files into an empty one."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from tests.storage.catalogue_files import Desk
from tests.storage.rows import (
    ACME,
    ENGINEER,
    FLOW,
    GLOBEX,
    GLOBEX_FLOW,
    GLOBEX_TECH,
    TECH,
    a_proposal,
    a_user,
    a_version,
    insert,
)


@pytest.fixture
async def tx(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database that holds two accounts with somebody and something to walk."""
    connection = await asyncpg.connect(database_url)
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
    )
    for account, user, flow in ((ACME, TECH, FLOW), (GLOBEX, GLOBEX_TECH, GLOBEX_FLOW)):
        await insert(connection, "accounts", id=account, name="Acme")
        await insert(connection, "users", **a_user(id=user, account_id=account))
        await insert(connection, "flows", id=flow, account_id=account)
        await insert(connection, "flow_versions", **a_version(flow_id=flow, account_id=account))
    await insert(connection, "users", **a_user(id=ENGINEER, role="engineer"))
    await insert(connection, "flow_proposals", **a_proposal())
    yield connection
    await connection.close()


@pytest.fixture
async def desk(tmp_path: Path, database_url: str) -> AsyncIterator[Desk]:
    connection = await asyncpg.connect(database_url)
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
    )
    yield Desk(tmp_path, database_url, connection)
    await connection.close()
