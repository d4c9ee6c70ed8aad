"""Being the only one: an advisory lock that a stopped or unplugged holder loses.

For liveness alone: nothing that must not happen twice depends on it. The lock is held by a
connection of its own, which Postgres ends when it has heard nothing for five seconds; the holder
gives a sign of life each second.
"""

import asyncio
import contextlib
from hashlib import sha256

import asyncpg
import structlog

from storage.faults import OF_THE_DRIVER

_log = structlog.get_logger()

_SILENCE_ALLOWED = "5s"
_HEARTBEAT_SECONDS = 1.0
RELEASE_SECONDS = 2.0
"""The longest that giving a lease up takes."""
LOST = (OSError, TimeoutError, asyncpg.PostgresError, *OF_THE_DRIVER)
"""What is raised where the lease's connection is no more."""
_SETTINGS = {
    "application_name": "firstline-lease",
    "idle_session_timeout": _SILENCE_ALLOWED,
    "idle_in_transaction_session_timeout": _SILENCE_ALLOWED,
    "lock_timeout": "20s",
    # An unplugged machine sends nothing, not even the end of its connection.
    "tcp_keepalives_idle": "2",
    "tcp_keepalives_interval": "1",
    "tcp_keepalives_count": "3",
}


class Lease:
    """One advisory lock, held as long as its ``connection`` lives.

    What is done on that connection is done by whoever holds the lock, or not at all.
    """

    def __init__(self, connection: asyncpg.Connection, name: str) -> None:
        self.connection = connection
        self.name = name

    async def hold(self) -> None:
        """Give signs of life until the lock is lost; only then return."""
        while True:
            try:
                async with asyncio.timeout(_HEARTBEAT_SECONDS * 3):
                    await self.connection.execute("select 1")
            except LOST:
                _log.warning("lease lost", lease=self.name)
                return
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    async def release(self) -> None:
        """Give the lock up by ending its connection."""
        with contextlib.suppress(Exception):
            await self.connection.close(timeout=RELEASE_SECONDS)


async def try_lease(database_url: str, name: str) -> Lease | None:
    """Take the lock of that name, or return None where somebody holds it.

    Raises what connecting raises.
    """
    connection = await asyncpg.connect(database_url, server_settings=_SETTINGS, timeout=10)
    try:
        taken = await connection.fetchval("select pg_try_advisory_lock($1)", lock_key(name))
    except BaseException:
        await connection.close(timeout=2)
        raise
    if taken:
        return Lease(connection, name)
    await connection.close(timeout=2)
    return None


def lock_key(name: str) -> int:
    """The 64-bit key of a name; advisory locks have numbers, not names."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)
