"""Whether Postgres is one that firstline can work with, and at the schema of this program."""

from datetime import UTC, datetime
from importlib.resources import files

import asyncpg

from firstline.check.encryption import postgres_encryption
from firstline.check.findings import Finding, ok, wrong

OLDEST_POSTGRES = 15
"""`idle_session_timeout`, without which a stopped relay keeps its lock, came with 14; 15 is the
oldest that every test runs against."""


def version(major: int) -> Finding:
    """Judge the server's major version."""
    if major < OLDEST_POSTGRES:
        return wrong(
            "Postgres",
            f"is version {major}, and {OLDEST_POSTGRES} is the oldest that will do",
            "upgrade it",
        )
    return ok("Postgres", f"answers, version {major}")


async def encryption(connection: asyncpg.Connection) -> list[Finding]:
    """Judge whether the connection is encrypted."""
    encrypted, server = await connection.fetchrow(
        """
        select (select ssl from pg_stat_ssl where pid = pg_backend_pid()),
            host(inet_server_addr())
        """
    )
    return list(postgres_encryption(encrypted=bool(encrypted), server=server))


async def schema(connection: asyncpg.Connection) -> Finding:
    """Judge the database's revision, without Alembic: importing it takes 0.2 s of every start."""
    try:
        revision = await _revision(connection)
    except asyncpg.InsufficientPrivilegeError:
        return wrong(
            "the schema",
            "the database role may not read which revision it is at",
            "as the owner: grant select on alembic_version to the role",
        )
    return judged(revision, revisions())


def judged(revision: str | None, known: list[str]) -> Finding:
    """Compare a database's revision with those of this program, oldest first."""
    if revision is None:
        says = "there is none that this role can see"
        return wrong("the schema", says, "run `firstline migrate`")
    if revision not in known:
        return wrong(
            "the schema",
            f"the database is at revision {revision}, which this program does not have",
            "run the program that made it, or a newer one",
        )
    behind = known[known.index(revision) + 1 :]
    if behind:
        return wrong(
            "the schema",
            f"the database is at revision {revision}, and lacks {', '.join(behind)}",
            "run `firstline migrate`",
        )
    return ok("the schema", f"is at revision {revision}, the newest")


def revisions() -> list[str]:
    """Those of the installed package ``migrations``, oldest first, by the numbers in their names.

    A test holds this to what Alembic says.
    """
    names = [entry.name for entry in files("migrations").joinpath("versions").iterdir()]
    return sorted(name.partition("_")[0] for name in names if name[0].isdigit())


async def clock(connection: asyncpg.Connection) -> float:
    """How far Postgres' clock is ahead of ours, in seconds."""
    before = datetime.now(UTC)
    told: datetime = await connection.fetchval("select clock_timestamp()")
    after = datetime.now(UTC)
    return (told - before - (after - before) / 2).total_seconds()


async def _revision(connection: asyncpg.Connection) -> str | None:
    if await connection.fetchval("select to_regclass('alembic_version')") is None:
        return None
    found: str | None = await connection.fetchval("select version_num from alembic_version")
    return found
