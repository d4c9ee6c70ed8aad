"""Real servers for the whole run, and a freshly migrated database for each test."""

import os
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import partial

import asyncpg
import hypothesis
import pytest
from sqlalchemy import make_url

from firstline.migrate import migrate
from firstline.servers import Servers, ephemeral
from tests.outside.people import CATALOGUE
from tests.outside.program import Installation, NewInstallation, installed
from tests.outside.wire import Json

# How long an example takes tells of the machine. The same examples each time, so that a failure is
# of the change that is tested (make fixes the hash seed, too); `HYPOTHESIS_PROFILE=searching` looks
# for others.
hypothesis.settings.register_profile("firstline", deadline=None, derandomize=True)
hypothesis.settings.register_profile("searching", deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "firstline")

# Half a minute each, and more. They begin first, so that no process has one alone in the end.
_LONGEST = (
    "docs/test_first_steps.py",
    "hostile/test_hostile.py",
    "outside/test_kill.py",
    "demo/test_demo.py",
    "program/test_restarts.py",
    "servers/test_persistent.py",
    "model/test_machine.py",
    "check/test_access.py",
    "servers/test_ladder.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.path.as_posix().endswith(_LONGEST))


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


@pytest.fixture(scope="session")
def new_database(
    servers: Servers, template_database: str
) -> Callable[[], AbstractAsyncContextManager[str]]:
    """What makes a freshly migrated database, for as long as a block runs."""
    return partial(_database, servers.database_url, template_database)


@pytest.fixture
async def database_url(
    new_database: Callable[[], AbstractAsyncContextManager[str]],
) -> AsyncIterator[str]:
    async with new_database() as url:
        yield url


@pytest.fixture(scope="session")
def new_installation(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> NewInstallation:
    """What sets firstline up, for as long as a block runs; it does not run yet."""

    @contextmanager
    def new(catalogue: Json = CATALOGUE) -> Iterator[Installation]:
        folder = tmp_path_factory.mktemp("installation")
        with installed(
            servers.kafka_bootstrap, servers.database_url, folder, catalogue
        ) as installation:
            yield installation

    return new


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
