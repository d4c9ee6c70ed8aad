"""The schema's revisions, applied to a database.

Alembic is driven from here, without an alembic.ini: the revisions are those of the installed
package ``migrations``. All that one call does is one transaction, so that a revision which fails
leaves the database as it was.
"""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from storage.database import DIALECT, dialling

# Any number will do, as long as nobody else in the database uses it for something else.
_LOCK = 7_305_114_886


class UnknownRevision(Exception):
    """The database is at a revision that this program does not have: the program is older.

    Nothing was changed. Run the program that made the revision, or a newer one.
    """


async def migrate(database_url: str) -> list[str]:
    """Bring the database to the newest revision; return those applied, oldest first.

    Two that start at once take turns, and the second finds nothing to do.
    """
    async with _locked(database_url) as connection:
        return await connection.run_sync(_upgrade)


async def downgrade(database_url: str, revision: str) -> None:
    """Take the database back to ``revision``, or to before the first where that is ``base``."""
    async with _locked(database_url) as connection:
        await connection.run_sync(lambda sync: command.downgrade(_config(sync), revision))


async def current(database_url: str) -> str | None:
    """The revision that the database is at, None where it was never migrated."""
    async with _connected(database_url) as connection:
        return await connection.run_sync(_current)


def _upgrade(connection: Connection) -> list[str]:
    before = _current(connection)
    config = _config(connection)
    script = ScriptDirectory.from_config(config)
    try:
        newer = list(script.iterate_revisions("head", before or "base"))
    except RevisionError as error:
        msg = f"the database is at revision {before}, which this program does not have"
        raise UnknownRevision(msg) from error
    command.upgrade(config, "head")
    return [revision.revision for revision in reversed(newer)]


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    # Alembic's options know "%(here)s" and the like, hence the doubling.
    config.set_main_option("script_location", str(files("migrations")).replace("%", "%%"))
    return config


@asynccontextmanager
async def _locked(database_url: str) -> AsyncIterator[AsyncConnection]:
    async with _connected(database_url) as connection:
        # However long another migration takes: its end is what this one waits for.
        await connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        # A table that is in use is not waited for as long: whoever comes after waits behind us.
        await connection.execute(text("set local lock_timeout = '20s'"))
        yield connection


@asynccontextmanager
async def _connected(database_url: str) -> AsyncIterator[AsyncConnection]:
    logging.getLogger("alembic").setLevel(logging.WARNING)
    engine = create_async_engine(
        DIALECT,
        async_creator=dialling(database_url, application_name="firstline migrate"),
        poolclass=NullPool,
    )
    try:
        async with engine.begin() as connection:
            yield connection
    finally:
        await engine.dispose()
