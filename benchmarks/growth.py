"""What commands cost once much is stored, and what the last steps of a long walk cost."""

import statistics
import time
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

import asyncpg

from benchmarks.batches import batch_of
from benchmarks.installation import Installation
from benchmarks.workload import ACCOUNT, LONG_FLOW, USERS, step
from consumers.apply import apply_batch
from domain.context import Limits
from storage.database import connect_by_key

INBOX_ROWS_A_SESSION = 10
_ROUNDS = 5


async def store(connection: asyncpg.Connection, sessions: int) -> None:
    """Store so many ended sessions, each with its ticket and ten answered commands.

    The answers are short: an inbox row is looked up by its id, whatever else is in it.
    """
    await connection.execute(
        """
        insert into tickets (account_id, kind, id)
        select $1, 'psa', 'stored ' || number from generate_series(1, $2::int) number
        on conflict do nothing
        """,
        ACCOUNT,
        sessions,
    )
    await connection.execute(
        """
        insert into sessions (
            id, account_id, created_by, ticket_kind, ticket_id, kind, started_at, status, version,
            steps, last_activity_at, ended_at, helpful, resolution_notes
        )
        select gen_random_uuid(), $1, $2, 'psa', 'stored ' || number, 'adhoc', now(), 'resolved',
            2, 0, now(), now(), true, 'Restarted the device.'
        from generate_series(1, $3::int) number
        """,
        ACCOUNT,
        USERS[0],
        sessions,
    )
    await connection.execute(
        """
        insert into inbox (command_id, account_id, session_id, digest, recorded_at)
        select gen_random_uuid(), $1, $1, sha256('stored'), now()
        from generate_series(1, $2::int)
        """,
        ACCOUNT,
        sessions * INBOX_ROWS_A_SESSION,
    )
    await connection.execute("vacuum analyze sessions, inbox, tickets")
    await connection.execute("checkpoint")


async def seconds_a_step(
    installed: Installation, sessions: int, steps: Sequence[int]
) -> dict[int, float]:
    """What a step costs at each of these places of a walk, in seconds a command.

    The walks are stored as far as they have to be, along a flow in which no node comes twice. Then
    each session takes a few steps around the place, all sessions' steps of a number in one batch;
    the places take turns, and the median counts.
    """
    engine = connect_by_key(installed.database_url)
    taken: dict[int, list[float]] = {place: [] for place in steps}
    walks = {place: [str(uuid.uuid4()) for _ in range(sessions)] for place in steps}
    offset = 0
    try:
        async with installed.connected() as connection:
            for place, ids in walks.items():
                await _store_walks(connection, ids, place - _ROUNDS // 2 - 1)
            await connection.execute("vacuum analyze sessions, walk_steps")
        for turn in range(_ROUNDS):
            for place, ids in walks.items():
                sent = [step(one, place - _ROUNDS // 2 + turn) for one in ids]
                batch = batch_of(sent, offset)
                began = time.perf_counter()
                await apply_batch(engine, batch, datetime.now(UTC), Limits())
                taken[place].append((time.perf_counter() - began) / len(sent))
                offset += len(sent)
        async with installed.connected() as connection:
            assert await connection.fetchval("select count(*) from inbox") == offset
            assert not await connection.fetchval(
                "select count(*) from sessions where not steps = any($1::int[])",
                [place + _ROUNDS // 2 for place in steps],
            )
    finally:
        await engine.dispose()
    return {place: statistics.median(times) for place, times in taken.items()}


async def _store_walks(connection: asyncpg.Connection, ids: Sequence[str], steps: int) -> None:
    """Sessions that have taken so many steps of the long flow."""
    await connection.execute(
        """
        insert into sessions (
            id, account_id, created_by, ticket_kind, ticket_id, kind, flow_id, flow_version,
            started_at, status, version, steps, current_node_id, last_activity_at
        )
        select id, $2, $3, 'psa', id::text, 'flow', $4, 1, now(), 'active', $5::int + 1, $5,
            'n' || $5 + 1, now()
        from unnest($1::uuid[]) id
        """,
        ids,
        ACCOUNT,
        USERS[0],
        LONG_FLOW,
        steps,
    )
    await connection.execute(
        """
        insert into walk_steps (session_id, position, node_id, question, answer, recorded_at)
        select id, number, 'n' || number, 'Does the light blink?', 'Yes', now()
        from unnest($1::uuid[]) id, generate_series(1, $2::int) number
        """,
        ids,
        steps,
    )
