"""How the database is: what waits, what is parked, and who waits for whom."""

import asyncio
from dataclasses import replace

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from firstline.watching import asked, tell_who_waits
from storage.database import begin, connect
from storage.vitals import Vitals, Wait, vitals, waits
from tests.builders import ACME, COMMAND, SESSION

CANARY = "canary7Q2x"


@pytest.fixture
async def engine(database_url: str) -> AsyncEngine:
    return connect(database_url)


async def look(engine: AsyncEngine) -> Vitals:
    async with begin(engine) as tx:
        return await vitals(tx)


async def test_an_empty_database_has_nothing_that_waits(engine: AsyncEngine) -> None:
    found = await look(engine)
    assert (found.outbox, found.first, found.last, found.set_aside) == (0, None, None, 0)
    assert (found.parked_sessions, found.parked_commands) == (0, 0)
    assert "inbox" in {table.name for table in found.tables}
    await engine.dispose()


async def test_what_waits_is_counted(engine: AsyncEngine) -> None:
    async with begin(engine) as tx:
        await tx.execute(
            """
            insert into outbox (shard, topic, headers)
            select 0, 'replies', '' from generate_series(1, 5)
            """
        )
        await tx.execute("delete from outbox where id = 1")
        await tx.execute("insert into parked_sessions values ($1, $2, now())", ACME, SESSION)
        await tx.execute(
            """
            insert into dead_letters (id, reason, detail, topic, partition, "offset", headers,
                account_id, session_id, command_id, recorded_at)
            values ($3, 'poison', '', 't', 0, 1, '', $1, $2, $3, now())
            """,
            ACME,
            SESSION,
            COMMAND,
        )
    found = await look(engine)
    assert (found.outbox, found.first, found.last) == (4, 2, 5)
    assert (found.parked_sessions, found.parked_commands) == (1, 1)
    await engine.dispose()


async def test_who_waits_for_whom_is_told_without_what_they_say(
    engine: AsyncEngine, database_url: str
) -> None:
    holding = await asyncpg.connect(database_url, server_settings={"application_name": "psql"})
    waiting = await asyncpg.connect(database_url, server_settings={"application_name": "other"})
    try:
        async with holding.transaction():
            await holding.execute("lock table inbox")
            statement = f"select '{CANARY}', count(*) from inbox"  # a reader that waits
            blocked = asyncio.ensure_future(waiting.fetch(statement))
            async with asyncio.timeout(10):
                while not (found := await asked(engine, waits)):
                    pass
            assert await asked(engine, vitals) is None, "the table is locked, and not waited for"
        await blocked
    finally:
        await holding.close()
        await waiting.close()
        await engine.dispose()
    (wait,) = found
    assert (wait.application, wait.blocking_application) == ("other", "psql")
    assert wait.blocking_state == "idle in transaction"
    assert CANARY not in repr(found)


def test_a_long_wait_is_worth_a_line_and_a_short_one_is_not() -> None:
    wait = Wait(11, "firstline", 4.5, 12, "psql", "idle in transaction", 60.0)
    with capture_logs() as lines:
        tell_who_waits([wait, replace(wait, seconds=2.9)])
    (line,) = lines
    assert line == {
        "event": "a connection waits for a lock",
        "log_level": "warning",
        "backend": 11,
        "application": "firstline",
        "seconds": 4.5,
        "blocked_by": 12,
        "blocking_application": "psql",
        "blocking_state": "idle in transaction",
        "blocking_seconds": 60.0,
    }


async def test_a_database_that_is_away_says_nothing() -> None:
    engine = connect("postgresql://nobody:secret@127.0.0.1:1/none")
    with capture_logs() as lines:
        assert await asked(engine, waits) is None
    assert "secret" not in repr(lines)
    await engine.dispose()
