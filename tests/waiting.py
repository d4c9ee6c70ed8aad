"""Who waits for a lock, as Postgres tells it."""

import asyncio

import asyncpg


async def waiting(connection: asyncpg.Connection, application: str = "%") -> int:
    """How many backends of the connection's database wait; of one ``application``, if named."""
    # Within a transaction the view stays as it was looked at first.
    await connection.execute("select pg_stat_clear_snapshot()")
    found: int = await connection.fetchval(
        """
        select count(*) from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()
            and application_name like $1
        """,
        application,
    )
    return found


async def until_waiting(
    connection: asyncpg.Connection, application: str = "%", backends: int = 1
) -> None:
    """Return once so many backends wait."""
    async with asyncio.timeout(10):
        while await waiting(connection, application) < backends:
            pass
