"""Ending whoever holds a lock that a batch has waited for too long.

A process that was stopped inside COPY keeps its locks beyond every time-out that a connection can
be given, because none of them reaches a client that does not read. Only ending its backend frees
them; its batch is lost to nobody, because it never committed.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import structlog

from storage.database import APPLICATION_NAME

_log = structlog.get_logger()

PATIENCE_SECONDS = 5.0
_LOOK_EVERY_SECONDS = 1.0

# The client's own errors come up for a moment after the server has ended a connection.
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


async def end_blockers(database_url: str, patience: float = PATIENCE_SECONDS) -> list[int]:
    """End our own backends that have kept another of ours waiting; return their process ids.

    Only backends of our role and application are looked at, and only where the one that waits has
    done so for ``patience`` seconds.
    """
    connection = await asyncpg.connect(
        database_url, server_settings={"application_name": "firstline-watch"}, timeout=10
    )
    try:
        ended = await connection.fetch(
            """
            with waiting as (
                select pid from pg_stat_activity
                where application_name = $1 and usename = current_user
                    and datname = current_database() and wait_event_type = 'Lock'
                    and clock_timestamp() - query_start > make_interval(secs => $2)
            ), holding as (
                select distinct unnest(pg_blocking_pids(pid)) as pid from waiting
            )
            select a.pid, pg_terminate_backend(a.pid)
            from holding h join pg_stat_activity a on a.pid = h.pid
            where a.application_name = $1 and a.usename = current_user
                -- the root of the queue, not one who waits in it
                and a.pid not in (select pid from waiting)
                and coalesce(a.wait_event_type, '') <> 'Lock'
            """,
            APPLICATION_NAME,
            patience,
        )
        return [pid for pid, _ in ended]
    finally:
        await connection.close(timeout=2)


@asynccontextmanager
async def watched(database_url: str) -> AsyncIterator[None]:
    """While the block runs, end whoever keeps it waiting for longer than `PATIENCE_SECONDS`."""
    watch = asyncio.create_task(_watch(database_url))
    try:
        yield
    finally:
        watch.cancel()


async def _watch(database_url: str) -> None:
    await asyncio.sleep(PATIENCE_SECONDS)  # nobody has waited for longer before
    while True:
        try:
            ended = await end_blockers(database_url)
        except _AWAY:
            ended = []  # the batch itself will say so
        if ended:
            _log.warning("ended a stopped process that held a lock", backends=ended)
        await asyncio.sleep(_LOOK_EVERY_SECONDS)
