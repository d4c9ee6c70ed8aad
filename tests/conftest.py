"""Real servers for the whole run, and a freshly migrated database for each test."""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import make_url

from firstline.migrate import migrate
from firstline.servers import Servers, ephemeral


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    # What a test needs to survive is the death of processes, never of the machine.
    with ephemeral(postgres_settings={"fsync": "off", "full_page_writes": "off"}) as servers:
        yield servers


@pytest.fixture(scope="session")
async def template_database(servers: Servers) -> AsyncIterator[str]:
    """The name of a migrated database that nobody is connected to."""
    async with _database(servers.database_url, "template0") as url:
        await migrate(url)
        yield _name(url)


@pytest.fixture
async def database_url(servers: Servers, template_database: str) -> AsyncIterator[str]:
    async with _database(servers.database_url, template_database) as url:
        yield url


@asynccontextmanager
async def _database(server_url: str, template: str) -> AsyncIterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    server = await asyncpg.connect(server_url)
    try:
        await server.execute(f"create database {name} template {template}")
        try:
            yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
        finally:
            await server.execute(f"drop database {name} with (force)")
    finally:
        await server.close()


def _name(url: str) -> str:
    return str(make_url(url).database)
