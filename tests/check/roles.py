"""An installation run as a database role with the rights that are said to be needed."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import asyncpg
from sqlalchemy import make_url

from firstline.check.role import NEEDED
from firstline.servers import Servers
from tests.check.installations import Installation


@asynccontextmanager
async def as_role(installation: Installation) -> AsyncIterator[tuple[Installation, str]]:
    """The installation, and the role's name; the role is gone afterwards."""
    url = installation.servers.database_url
    role = f"worker_{secrets.token_hex(4)}"
    await as_owner(installation, f"create role {role} login password '{role}'")
    for table, rights in NEEDED.items():
        await as_owner(installation, f"grant {', '.join(('select', *rights))} on {table} to {role}")
    narrowed = make_url(url).set(username=role, password=role)
    servers = Servers(
        installation.servers.kafka_bootstrap, narrowed.render_as_string(hide_password=False)
    )
    try:
        yield replace(installation, servers=servers), role
    finally:
        await as_owner(installation, f"drop owned by {role}")
        await as_owner(installation, f"drop role {role}")


async def as_owner(installation: Installation, statement: str) -> None:
    connection = await asyncpg.connect(installation.servers.database_url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
