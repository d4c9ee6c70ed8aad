"""A batch finds what it needs by keys, also where its statements were planned beside nothing."""

import asyncpg
import pytest

from storage.database import begin
from tests.builders import ACME, TECH
from tests.consumers.desk import Desk, notes, resolve, start
from tests.consumers.wire import command, new_id, said

STORED = 2_000


@pytest.mark.parametrize("analyzed", ["never", "when empty", "when small"])
async def test_what_a_batch_reads_does_not_grow_with_what_is_stored(
    desk: Desk, analyzed: str
) -> None:
    if analyzed == "when empty":
        await desk.connection.execute("vacuum analyze")
    await rows_that_batches_read(desk)  # what is remembered is read
    if analyzed == "when small":
        await desk.connection.execute("vacuum analyze")
    beside_little = await rows_that_batches_read(desk)
    await store(desk.connection)
    assert await rows_that_batches_read(desk) <= beside_little + 100


async def rows_that_batches_read(desk: Desk) -> int:
    """How many rows and index entries are read for sessions that begin, go on and end."""
    before = await rows_read(desk)
    noted, escalated, ended = begun = [start() for _ in range(3)]
    flow = command("start_flow", command_id=new_id(), session_id=new_id(), ticket_id=new_id())
    await desk.apply(*begun, flow)
    await desk.hear(
        said("reopened", 0, id=noted["ticket_id"]),
        notes(noted["session_id"]),
        command("escalate", command_id=new_id(), session_id=escalated["session_id"]),
        resolve(ended["session_id"]),
    )
    assert {outcome for _, outcome in await desk.answers()} == {"accepted"}
    return await rows_read(desk) - before


async def rows_read(desk: Desk) -> int:
    """How many rows and index entries were read in the database so far."""
    async with begin(desk.engine) as tx:
        await tx.fetch("select pg_stat_force_next_flush()")
    await desk.connection.execute("select pg_stat_force_next_flush()")  # what it stored, too
    found: int = await desk.connection.fetchval(
        """
        select (select sum(seq_tup_read) from pg_stat_user_tables)
            + (select sum(idx_tup_read) from pg_stat_user_indexes)
        """
    )
    return found


async def store(connection: asyncpg.Connection) -> None:
    """Store active sessions that are parked, their tickets, answers, and what was heard."""
    await connection.execute(
        f"""
        create temporary table ids as
        select gen_random_uuid() as id from generate_series(1, {STORED});
        insert into tickets (account_id, kind, id) select '{ACME}', 'psa', id::text from ids;
        insert into sessions (
            id, account_id, created_by, ticket_kind, ticket_id, kind, started_at, status, version,
            steps, last_activity_at
        )
        select id, '{ACME}', '{TECH}', 'psa', id::text, 'adhoc', now(), 'active', 1, 0, now()
        from ids;
        insert into parked_sessions (account_id, session_id, parked_at)
        select '{ACME}', id, now() from ids;
        insert into inbox (command_id, account_id, session_id, digest, recorded_at)
        select id, '{ACME}', id, sha256('stored'), now() from ids;
        insert into ticket_events_heard (account_id, provider, event_id, recorded_at)
        select '{ACME}', 'connectwise', id::text, now() from ids;
        drop table ids
        """
    )
