"""Working on dead letters with the rights that operators are given, and no others."""

import asyncpg
from sqlalchemy import make_url

from tests.docs.reading import ROOT


async def as_operator(connection: asyncpg.Connection, database_url: str) -> str:
    """Make the roles that are shipped, as who is connected; return the URL of an operator."""
    await connection.execute((ROOT / "ops/postgres-roles.sql").read_text())
    url = make_url(database_url).update_query_dict({"role": "firstline_operator"})
    return url.render_as_string(hide_password=False)
