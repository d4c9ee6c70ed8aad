"""Transactions begin and end as they say, whatever becomes of the connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy import Column, Identity, Integer, LargeBinary, MetaData, Table, Text, make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from storage.database import NotCommitted, Transaction, begin, connect, connect_by_key, rehearse
from tests.muted import muted

PLANNING = """
    select current_setting('enable_seqscan'), current_setting('enable_hashjoin'),
        current_setting('plan_cache_mode')
"""


METADATA = MetaData()
NOTED = Table("noted", METADATA, Column("number", Integer))
LINES = Table(
    "lines",
    METADATA,
    Column("id", Integer, Identity(always=True)),
    Column("number", Integer),
    Column("text", Text),
    Column("bytes", LargeBinary),
)
ONES, OTHERS = (
    Table(name, METADATA, Column("id", Integer, Identity(always=True)), Column("n", Integer))
    for name in ("ones", "others")
)


class Odd(Exception):
    """Raised by a block."""


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    engine = connect(database_url, pool_size=1)
    async with begin(engine) as tx:
        await tx.execute("create temporary table noted (number int primary key)")
    yield engine
    await engine.dispose()


async def note(tx: Transaction, number: int) -> None:
    await tx.execute("insert into noted values ($1)", number)


async def note_together(tx: Transaction, *numbers: int) -> None:
    async with tx.savepoint():
        for number in numbers:
            await note(tx, number)


async def append_together(tx: Transaction, *numbers: int) -> None:
    async with tx.savepoint():
        await tx.append(NOTED, ("number",), [(number,) for number in numbers])


async def append_and_raise(tx: Transaction, number: int) -> None:
    async with tx.savepoint():
        await tx.append(NOTED, ("number",), [(number,)])
        raise Odd


async def note_and_raise(engine: AsyncEngine, *numbers: int) -> None:
    async with begin(engine) as tx:
        await tx.append(NOTED, ("number",), [(number,) for number in numbers])
        raise Odd


async def note_and_append(engine: AsyncEngine, number: int) -> None:
    async with begin(engine) as tx:
        await note(tx, number)
        await tx.append(NOTED, ("number",), [(number,)])


async def go_on_after_a_failure(engine: AsyncEngine) -> None:
    async with begin(engine) as tx:
        await note(tx, 1)
        with contextlib.suppress(asyncpg.UniqueViolationError):
            await note(tx, 1)


async def noted(engine: AsyncEngine) -> list[int]:
    async with begin(engine) as tx:
        return [number for (number,) in await tx.fetch("select number from noted order by number")]


async def test_a_block_that_ends_is_committed_and_one_that_raises_is_not(
    engine: AsyncEngine,
) -> None:
    async with begin(engine) as tx:
        await note(tx, 1)
    with pytest.raises(Odd):
        await note_and_raise(engine, 2)
    async with rehearse(engine) as tx:
        await note(tx, 3)
    assert await noted(engine) == [1]


@pytest.mark.parametrize("count", [2, 25])
async def test_rows_that_are_appended_first_are_rolled_back_too(
    engine: AsyncEngine, count: int
) -> None:
    with pytest.raises(Odd):
        await note_and_raise(engine, *range(count))
    assert await noted(engine) == []


@pytest.mark.parametrize("count", [0, 1, 2, 24, 25, 100])
async def test_few_rows_and_many_are_appended_alike_and_in_order(
    engine: AsyncEngine, count: int
) -> None:
    rows = [(number, f'"{number}"', None if number % 2 else b"\x00") for number in range(count)]
    async with begin(engine) as tx:
        await tx.execute(
            "create temporary table lines"
            " (id int generated always as identity, number int, text text, bytes bytea)"
        )
        await tx.append(LINES, ("number", "text", "bytes"), rows)
        stored = await tx.fetch("select * from lines order by id")
        await tx.execute("drop table lines")
    assert [tuple(row) for row in stored] == [(row[0] + 1, *row) for row in rows]


async def test_rows_that_are_appended_to_several_tables_go_in_order_before_whatever_comes_next(
    engine: AsyncEngine,
) -> None:
    async with rehearse(engine) as tx:
        for name in ("ones", "others"):
            await tx.execute(
                f"create temporary table {name} (id int generated always as identity, n int)"
            )
        for table, numbers in ((ONES, (7, 5)), (OTHERS, (9,)), (ONES, (6,))):
            await tx.append(table, ("n",), [(number,) for number in numbers])
        assert await tx.fetch("select id, n from ones order by id") == [(1, 7), (2, 5), (3, 6)]
        await tx.append(OTHERS, ("n",), [(8,)])
        assert await tx.fetch("select n from others order by id") == [(9,), (8,)]


async def test_statements_that_are_put_off_go_together_but_in_order_where_they_write_to_one_table(
    engine: AsyncEngine,
) -> None:
    async with rehearse(engine) as tx:
        await tx.execute("create temporary table ones (n int)")
        await tx.append(ONES, ("n",), [(5,), (7,)])
        await tx.execute_later(ONES, "update ones set n = n + $2 where n > $1", 6, 10)
        await tx.execute_later(ONES, "update ones set n = n * $1", 2)
        await tx.append(NOTED, ("number",), [(1,)])
        await tx.execute_later(OTHERS, "delete from noted where number = $1", 1)  # sees no other
        assert await tx.fetch("select n from ones order by n") == [(10,), (34,)]
        assert await tx.fetch("select number from noted") == [(1,)]


async def test_they_run_in_the_order_in_which_they_were_put_off(engine: AsyncEngine) -> None:
    """So that transactions which write to the same rows wait for each other, in one order."""
    async with rehearse(engine) as tx:
        await tx.execute("create temporary sequence place")
        for name in ("ones", "others"):
            await tx.execute(f"create temporary table {name} (n int)")
        for table in (OTHERS, NOTED, ONES):
            await tx.execute_later(table, f"insert into {table.name} values (nextval('place'))")
        places = "select (select n from others), (select number from noted), (select n from ones)"
        assert await tx.fetch(places) == [(1, 2, 3)]


async def test_what_is_wrong_with_a_row_that_was_appended_last_undoes_everything(
    engine: AsyncEngine,
) -> None:
    with pytest.raises(asyncpg.UniqueViolationError):
        await note_and_append(engine, 1)
    assert await noted(engine) == []


async def test_a_transaction_that_appended_is_known_to_have_an_id(engine: AsyncEngine) -> None:
    for rows in (0, 1, 25):
        async with rehearse(engine) as tx:
            await tx.append(NOTED, ("number",), [(number,) for number in range(rows)])
            before = tx.has_id
            await tx.take_id()
            assert (before, tx.has_id) == (rows == 25, True)
            ((given,),) = await tx.fetch("select pg_current_xact_id_if_assigned() is not null")
            assert given


async def test_a_statement_is_planned_by_key_or_freely(database_url: str) -> None:
    by_key = [("off", "off", "force_generic_plan")]
    engine = connect_by_key(database_url, pool_size=1)
    async with begin(engine) as tx:
        assert await tx.fetch(PLANNING) == by_key
        async with tx.planned_freely():
            assert await tx.fetch(PLANNING) == [("on", "on", "auto")]
        assert await tx.fetch(PLANNING) == by_key
    async with begin(engine) as tx:
        assert await tx.fetch(PLANNING) == by_key
    await engine.dispose()


async def test_a_savepoint_undoes_its_block_alone(engine: AsyncEngine) -> None:
    async with begin(engine) as tx:
        await note(tx, 1)
        with pytest.raises(asyncpg.UniqueViolationError):
            await note_together(tx, 2, 1)
        await note_together(tx, 3)
        await tx.append(NOTED, ("number",), [(4,)])
        with pytest.raises(Odd):
            await append_and_raise(tx, 5)
        with pytest.raises(asyncpg.UniqueViolationError):
            await append_together(tx, 7, 1)
        async with tx.savepoint():
            await tx.append(NOTED, ("number",), [(6,)])
    assert await noted(engine) == [1, 3, 4, 6]


async def test_a_block_that_goes_on_after_a_statement_that_failed_is_not_said_to_be_committed(
    engine: AsyncEngine,
) -> None:
    with pytest.raises(NotCommitted):
        await go_on_after_a_failure(engine)
    assert await noted(engine) == []


async def test_transactions_are_read_committed_whatever_the_default(database_url: str) -> None:
    url = make_url(database_url).update_query_dict(
        {"options": "-c default_transaction_isolation=serializable"}
    )
    engine = connect(url.render_as_string(hide_password=False))
    async with begin(engine) as tx:
        ((level,),) = await tx.fetch("show transaction_isolation")
    await engine.dispose()
    assert level == "read committed"


async def test_connections_that_were_all_lost_are_made_anew(database_url: str) -> None:
    engine = connect(database_url, pool_size=3)
    async with begin(engine) as one, begin(engine) as two, begin(engine) as three:
        drivers = [tx.driver for tx in (one, two, three)]
        lost = [driver.get_server_pid() for driver in drivers]
    killer = await asyncpg.connect(database_url)
    await killer.execute("select pg_terminate_backend(pid) from unnest($1::int[]) pid", lost)
    await killer.close()
    async with asyncio.timeout(10):
        # Until their ends are read, of which nobody tells.
        while not all(driver.is_closed() for driver in drivers):  # noqa: ASYNC110
            await asyncio.sleep(0)
    async with begin(engine) as tx:
        assert await tx.fetch("select 1")
    await engine.dispose()


async def test_who_waits_for_a_silent_server_can_stop_waiting(database_url: str) -> None:
    """A server that stands still, or is behind a network that drops everything."""
    async with muted(database_url) as (url, silent):
        engine = connect(url, pool_size=1)
        async with begin(engine):
            pass
        silent.set()
        began = asyncio.get_running_loop().time()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3), begin(engine) as tx:
                await tx.fetch("select 1")
        assert asyncio.get_running_loop().time() - began < 3
        silent.clear()
        async with begin(engine) as tx:
            assert await tx.fetch("select 1")
        await engine.dispose()
