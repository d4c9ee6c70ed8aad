"""Connections and transactions, and the two ways in which rows cross them in bulk.

SQLAlchemy holds the pool and the transaction; the statements of a batch go to asyncpg itself,
which reads and writes a thousand rows in a fraction of the time.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Self

import asyncpg
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage.failpoints import reach_at_first

APPLICATION_NAME = "firstline"

# Nothing that we run takes longer. A statement that waits this long for a lock has met a stopped
# process, which `storage.blockers` ends; a transaction that idles this long belongs to one.
_SESSION_SETTINGS = {
    "jit": "off",
    "lock_timeout": "20s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}


def connect(
    database_url: str, *, pool_size: int = 5, application_name: str = APPLICATION_NAME
) -> AsyncEngine:
    """Make an engine; nothing is connected yet. The URL is a plain ``postgresql://`` one.

    Raises ArgumentError where it is none.
    """
    return create_async_engine(
        DIALECT,
        async_creator=dialling(
            database_url, **_SESSION_SETTINGS, application_name=application_name
        ),
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=False,  # a dead connection is an error class of its own, and is retried
        hide_parameters=True,  # parameters are what senders wrote
    )


DIALECT = "postgresql+asyncpg://"
"""What SQLAlchemy has to know; the address is the driver's to read."""


def dialling(
    database_url: str, **settings: str
) -> Callable[[], Coroutine[Any, Any, asyncpg.Connection]]:
    """What connects to the database, with settings of the session.

    The driver reads the whole URL, ``sslmode=verify-full`` and ``sslrootcert=…`` included, which
    SQLAlchemy would hand on as arguments that the driver does not know. Raises ArgumentError
    where it is no URL.
    """
    make_url(database_url)
    return partial(asyncpg.connect, database_url, server_settings=settings, timeout=10)


class Transaction:
    """One open database transaction.

    ``connection`` is SQLAlchemy's; the methods go to the driver below it.
    """

    def __init__(self, connection: AsyncConnection, driver: asyncpg.Connection) -> None:
        self.connection = connection
        self.driver = driver

    async def fetch(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Run one statement and return its rows."""
        rows: list[asyncpg.Record] = await self.driver.fetch(sql, *arguments)
        return rows

    async def execute(self, sql: str, *arguments: object) -> None:
        """Run one statement whose rows nobody needs."""
        await self.driver.execute(sql, *arguments)

    async def copy(
        self, table: str, columns: Sequence[str], records: Sequence[Sequence[Any]]
    ) -> None:
        """Append rows with COPY: for insert-only tables far cheaper than INSERT.

        Rows get their identity values in the order of ``records``. Without rows, nothing is sent.
        """
        if records:
            await self.driver.copy_records_to_table(
                table, columns=columns, records=reach_at_first("apply: in copy", records)
            )

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what the block did, and that alone, where it raises."""
        async with self.driver.transaction():
            yield

    @classmethod
    async def of(cls, connection: AsyncConnection) -> Self:
        """Open the transaction of a connection that has begun one in name only."""
        # SQLAlchemy sends BEGIN before the first statement; what went to the driver before that
        # would commit by itself.
        await connection.execute(text("select 1"))
        raw = await connection.get_raw_connection()
        driver = raw.driver_connection
        if driver is None:
            msg = "the connection is closed"
            raise ConnectionError(msg)
        return cls(connection, driver)


@asynccontextmanager
async def rehearse(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """Open a transaction that is rolled back however the block ends."""
    async with engine.connect() as connection:  # it closes what was begun by rolling it back
        yield await Transaction.of(connection)


@asynccontextmanager
async def begin(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """Open a transaction; commit when the block ends, roll back when it raises."""
    async with engine.begin() as connection:
        yield await Transaction.of(connection)
