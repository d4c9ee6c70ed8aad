"""Connections and transactions, and the two ways in which rows cross them in bulk.

SQLAlchemy holds the pool; transactions and the statements of a batch are asyncpg's own, which reads
and writes a thousand rows in a fraction of the time.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import Table, make_url
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from storage.failpoints import reach_at_first

APPLICATION_NAME = "firstline"

# Nothing that a batch runs takes longer; whoever deletes an account lifts the bound. A statement
# that waits this long for a lock has met a stopped process, which `storage.blockers` ends; a
# transaction that idles this long belongs to one.
_SESSION_SETTINGS = {
    "default_transaction_isolation": "read committed",
    "jit": "off",
    "lock_timeout": "20s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}


ANSWER_SECONDS = 70.0
"""The longest that an answer of Postgres is waited for: longer than it takes for any statement."""


def connect(
    database_url: str,
    *,
    pool_size: int = 5,
    application_name: str = APPLICATION_NAME,
    answer_seconds: float | None = ANSWER_SECONDS,
    **settings: str,
) -> AsyncEngine:
    """Make an engine; nothing is connected yet. The URL is a plain ``postgresql://`` one.

    Its sessions have these ``settings`` besides ours, and wait ``answer_seconds`` for an answer.
    Raises ArgumentError where it is no URL.
    """
    return create_async_engine(
        DIALECT,
        async_creator=dialling(
            database_url,
            answer_seconds=answer_seconds,
            **_SESSION_SETTINGS,
            **settings,
            application_name=application_name,
        ),
        pool_size=pool_size,
        max_overflow=0,
        pool_pre_ping=False,  # a dead connection is an error class of its own, and is retried
        hide_parameters=True,  # parameters are what senders wrote
    )


_BY_KEY = {
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}
_FREELY = dict.fromkeys(_BY_KEY, "on") | {"plan_cache_mode": "auto"}


def connect_by_key(database_url: str, *, pool_size: int = 5, **settings: str) -> AsyncEngine:
    """Make an engine, as `connect` does, to look up rows by their keys in tables of any size.

    A table is empty at one moment and has millions of rows at another, which no statistics follow.
    Whatever they say, rows are found one by one, by an index. That is one plan, whatever is asked
    for: to plan five statements of each batch anew was a tenth of what a batch of one step took.
    """
    return connect(
        database_url,
        pool_size=pool_size,
        application_name=APPLICATION_NAME,
        answer_seconds=ANSWER_SECONDS,
        **_BY_KEY,
        **settings,
    )


_ROLLBACK_SECONDS = 5.0

DIALECT = "postgresql+asyncpg://"
"""What SQLAlchemy has to know; the address is the driver's to read."""


def dialling(
    database_url: str, *, answer_seconds: float | None = None, **settings: str
) -> Callable[[], Coroutine[Any, Any, asyncpg.Connection]]:
    """What connects to the database, with settings of the session.

    Where a statement is not answered within ``answer_seconds``, it raises TimeoutError: the server
    may be gone without having said so.

    The driver reads the whole URL, ``sslmode=verify-full`` and ``sslrootcert=…`` included, which
    SQLAlchemy would hand on as arguments that the driver does not know. Raises ArgumentError
    where it is no URL.
    """
    make_url(database_url)

    async def dial() -> asyncpg.Connection:
        driver = await asyncpg.connect(
            database_url,
            server_settings=settings,
            timeout=10,
            command_timeout=answer_seconds,
        )
        await driver.set_type_codec(
            "timestamptz", schema="pg_catalog", format="tuple", encoder=_ticks, decoder=_moment
        )
        return driver

    return dial


_POSTGRES = postgresql.dialect()  # type: ignore[no-untyped-call]
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=256)
def _ticks(moment: datetime) -> tuple[int]:
    """A moment as Postgres counts it: the driver takes ten times as long, and a batch has one."""
    return ((moment - _EPOCH) // timedelta(microseconds=1),)


@lru_cache(maxsize=4_096)
def _moment(ticks: tuple[int]) -> datetime:
    return _EPOCH + timedelta(microseconds=ticks[0])


_PLACE = re.compile(r"\$(\d+)")
# As many rows of a table cost less than the second round trip of a COPY.
_FEW_ROWS = 24


class _PutOff(NamedTuple):
    """A statement that writes to a table, and goes together with others."""

    table: Table
    sql: str
    arguments: Sequence[object]


class Transaction:
    """One open database transaction, on a connection of the driver's.

    It ``has_id`` once it is known to have a transaction id, which reading does not give it.
    """

    def __init__(self, driver: asyncpg.Connection) -> None:
        self.driver = driver
        self.has_id = False
        self._put_off: list[_PutOff] = []

    async def fetch(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Run one statement and return its rows."""
        await self.flush()
        rows: list[asyncpg.Record] = await self.driver.fetch(sql, *arguments)
        return rows

    async def execute(self, sql: str, *arguments: object) -> None:
        """Run one statement whose rows nobody needs."""
        await self.flush()
        await self.driver.execute(sql, *arguments)

    async def execute_later(self, table: Table, sql: str, *arguments: object) -> None:
        """Run one statement, which writes to ``table``, before whatever else is to be done.

        It goes together with what is put off for other tables, as one statement: that is a single
        round trip. None of them sees what the others do, nor may it matter which is first, and what
        is wrong is raised then. What writes to one table goes in order, each by itself.
        """
        if any(other.table is table for other in self._put_off):
            await self.flush()
        self._put_off.append(_PutOff(table, sql, arguments))

    async def append(
        self, table: Table, columns: tuple[str, ...], records: Sequence[Sequence[Any]]
    ) -> None:
        """Append rows. They get their identity values in the order of ``records``.

        Many go by COPY, which is far cheaper a row than INSERT. A few go by `execute_later`.
        """
        if not records:
            return
        if len(records) <= _FEW_ROWS:
            arrays = zip(*records, strict=True)
            await self.execute_later(table, _insert(table, columns), *arrays)
            return
        await self.flush()
        await self.driver.copy_records_to_table(
            table.name, columns=columns, records=reach_at_first("apply: in copy", records)
        )
        self.has_id = True

    async def flush(self) -> None:
        """Send what was put off."""
        if self._put_off:
            put_off, self._put_off = self._put_off, []
            sql = _together(tuple(one.sql for one in put_off))
            await self.driver.execute(sql, *chain.from_iterable(one.arguments for one in put_off))

    async def take_id(self) -> None:
        """Give the transaction its id, if it has none."""
        if not self.has_id:
            await self.execute("select pg_current_xact_id()")
            self.has_id = True

    @asynccontextmanager
    async def planned_freely(self) -> AsyncIterator[None]:
        """Have the block's statements planned as Postgres finds best, on whichever engine."""
        await self.execute("; ".join(f"set local {name} = {to}" for name, to in _FREELY.items()))
        yield
        await self.execute("; ".join(f"reset {name}" for name in _FREELY))

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Undo what the block did, and that alone, where it raises."""
        await self.execute("savepoint block")
        try:
            yield
            await self.flush()
        except Exception:
            self._put_off.clear()
            await self.driver.execute("rollback to savepoint block")
            raise
        await self.driver.execute("release savepoint block")


@lru_cache(maxsize=256)
def _insert(table: Table, columns: tuple[str, ...]) -> str:
    """What inserts rows that come as an array a column."""
    names = ", ".join(f'"{column}"' for column in columns)
    types = (table.columns[column].type.compile(dialect=_POSTGRES) for column in columns)
    arrays = ", ".join(f"${place}::{sql_type}[]" for place, sql_type in enumerate(types, 1))
    rows, order = f"unnest({arrays}) with ordinality as r({names}, place)", "order by place"
    if not any(column.identity for column in table.columns):
        rows, order = f"unnest({arrays}) as r({names})", ""
    return f"insert into {table.name} ({names}) select {names} from {rows} {order}"  # noqa: S608


@lru_cache(maxsize=256)
def _together(statements: tuple[str, ...]) -> str:
    """The statements as one, whose arguments are theirs one after the other.

    Postgres leaves open in which order it runs them. It begins with the one at the end and goes on
    from the last that is named to the first: so named, they run in order, and transactions meet at
    the same keys first.
    """
    shifted, taken = [], 0
    for statement in statements:
        shifted.append(_shifted(statement, taken))
        taken += max((int(place) for place in _PLACE.findall(statement)), default=0)
    first, *others = shifted
    named = ", ".join(f"w{number} as ({one})" for number, one in enumerate(reversed(others)))
    return f"with {named} {first}" if named else first


def _shifted(statement: str, by: int) -> str:
    """The statement with its arguments in later places."""
    return _PLACE.sub(lambda place: f"${int(place[1]) + by}", statement)


class NotCommitted(Exception):
    """The transaction was rolled back at its end, because a statement of it had failed."""


@asynccontextmanager
async def begin(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """Open a transaction; commit when the block ends, roll back when it raises.

    Raises `NotCommitted` where the block went on after a statement that failed.
    """
    async with _begun(engine) as driver:
        tx = Transaction(driver)
        yield tx
        await tx.flush()
        await _commit(driver)


@asynccontextmanager
async def autocommit(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """A connection on which every statement is a transaction by itself."""
    async with _connected(engine) as driver:
        tx = Transaction(driver)
        yield tx
        await tx.flush()


@asynccontextmanager
async def rehearse(engine: AsyncEngine) -> AsyncIterator[Transaction]:
    """Open a transaction that is rolled back however the block ends."""
    async with _begun(engine) as driver:
        tx = Transaction(driver)
        yield tx
        await tx.flush()
        await driver.execute("rollback")


async def _commit(driver: asyncpg.Connection) -> None:
    if await driver.execute("commit") != "COMMIT":
        raise NotCommitted


@asynccontextmanager
async def _begun(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """A connection with a transaction open, which the block ends; rolled back where it raises."""
    async with _connected(engine) as driver:
        try:
            # Locks are taken in one statement, and what they protect is read in the next.
            await driver.execute("begin isolation level read committed")
            yield driver
        except Exception:
            with suppress(Exception):  # it is lost with its connection, then
                async with asyncio.timeout(_ROLLBACK_SECONDS):
                    await driver.execute("rollback")
            raise


@asynccontextmanager
async def _connected(engine: AsyncEngine) -> AsyncIterator[asyncpg.Connection]:
    """A connection from the pool, which sees nothing of what happens on it.

    One that is lost, or not at rest in the end, is thrown away.
    """
    async with engine.connect() as connection:
        driver = await _living(connection)
        try:
            yield driver
        except Exception:
            raise
        except BaseException:
            # Whoever cancels does not wait for a server that says nothing.
            driver.terminate()
            raise
        finally:
            if driver.is_closed() or driver.is_in_transaction():
                await connection.invalidate()


async def _living(connection: AsyncConnection) -> Any:  # noqa: ANN401 - an asyncpg.Connection
    """The driver's connection, made anew where it was lost: a restart ends all of the pool."""
    driver: Any = (await connection.get_raw_connection()).driver_connection
    while driver.is_closed():
        await connection.invalidate()
        driver = (await connection.get_raw_connection()).driver_connection
    return driver
