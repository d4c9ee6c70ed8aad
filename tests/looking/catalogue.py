"""A support desk in SQL: what the worker would have written, names and texts hostile."""

from datetime import datetime, timedelta

import asyncpg

from tests.builders import (
    ACME,
    COMMAND,
    ENGINEER,
    FLOW,
    GLOBEX,
    GLOBEX_TECH,
    NOW,
    OTHER_SESSION,
    SESSION,
    TECH,
    an_id,
)

HOSTILE = "\x1b[2Jgone\x07"
GLOBEX_SESSION = an_id(0x33)
CLAIMED_SESSION = an_id(0x34)
RETURNED_SESSION = an_id(0x36)
POISONED = an_id(0x35)


async def furnish(database_url: str) -> None:
    """Two accounts, a walked and escalated session, others that wait, and parked commands."""
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(_PEOPLE)
        await _session(connection, SESSION, ACME, TECH, "10045", NOW)
        await connection.execute(_WALK)
        for id_, account, by, ticket, at in (
            (OTHER_SESSION, ACME, TECH, "10046", NOW - timedelta(hours=1)),
            (GLOBEX_SESSION, GLOBEX, GLOBEX_TECH, "7", NOW - timedelta(days=2)),
            (CLAIMED_SESSION, ACME, TECH, "10047", NOW - timedelta(days=3)),
            (RETURNED_SESSION, ACME, TECH, "10048", NOW - timedelta(days=4)),
        ):
            await _session(connection, id_, account, by, ticket, at)
        await connection.execute(
            "update escalations set status = 'claimed', claimed_by = $1, claimed_at = $2"
            " where session_id = $3",
            ENGINEER,
            NOW,
            CLAIMED_SESSION,
        )
        await connection.execute(
            """
            update escalations set status = 'handed_back', claimed_by = $1, claimed_at = $2,
                ended_at = $2, instructions = $3, new_session_id = $4, notified = 2
            where session_id = $5
            """,
            ENGINEER,
            NOW,
            HOSTILE,
            OTHER_SESSION,
            RETURNED_SESSION,
        )
        for offset, reason in enumerate(("poison", "parked")):
            await connection.execute(
                """
                insert into dead_letters (id, reason, detail, topic, partition, "offset", headers,
                    account_id, session_id, command_id, recorded_at)
                values ($1, $2, 'RecursionError', 'firstline.commands.chat', 3, $3, '', $4, $5, $6,
                    $7)
                """,
                an_id(0x100 + offset),
                reason,
                offset,
                ACME,
                POISONED,
                an_id(0x200 + offset),
                NOW,
            )
    finally:
        await connection.close()


async def _session(connection: asyncpg.Connection, *described: str | datetime) -> None:
    """A session escalated: its id, account, who walked and escalated it, ticket, and when."""
    id_, account, by, ticket, at = described
    await connection.execute(
        """
        insert into sessions (id, account_id, created_by, ticket_kind, ticket_id, kind, started_at,
            status, version, steps, last_activity_at, ended_at, reason, reason_category)
        values ($1, $2, $3, 'psa', $4, 'adhoc', $5, 'escalated', 2, 0, $5, $5, $6, 'network')
        """,
        id_,
        account,
        by,
        ticket,
        at,
        HOSTILE,
    )
    await connection.execute(
        """
        insert into escalations (session_id, account_id, escalated_by, last_activity_at, moved_at)
        values ($1, $2, $3, $4, $4)
        """,
        id_,
        account,
        by,
        at,
    )


_PEOPLE = f"""
    insert into accounts (id, name) values ('{ACME}', 'Acme MSP'), ('{GLOBEX}', 'Globex');
    insert into users (id, account_id, name, email, role) values
        ('{TECH}', '{ACME}', 'Terry {HOSTILE}', 't@acme.example', 'l1_tech'),
        ('{ENGINEER}', '{ACME}', 'Eve', 'e@acme.example', 'engineer'),
        ('{GLOBEX_TECH}', '{GLOBEX}', 'Gus', 'g@globex.example', 'l1_tech');
"""

_WALK = f"""
    insert into flows (id, account_id) values ('{FLOW}', '{ACME}');
    insert into flow_versions (account_id, flow_id, version, title, start, nodes)
        values ('{ACME}', '{FLOW}', 1, 'Mail does not arrive', 'n1', '{{}}');
    update sessions set kind = 'flow', flow_id = '{FLOW}', flow_version = 1, version = 3, steps = 1
        where id = '{SESSION}';
    insert into walk_steps (session_id, position, node_id, question, option_id, answer, note,
        recorded_at)
        values ('{SESSION}', 1, 'n1', 'Is the cable in?', 'y', 'Yes', E'One\\n{HOSTILE}',
            '{NOW.isoformat()}');
    insert into session_notes (session_id, notes)
        values ('{SESSION}', '[{{"text": "Called back \\u001b[31m"}}]');
    insert into audit_log (account_id, session_id, command_id, actor_id, actor_name, acting_as,
        action, details, recorded_at)
        values ('{ACME}', '{SESSION}', '{COMMAND}', '{TECH}', 'Terry', 'l1_coverage',
            'session.escalate', '{{"reason_category": "network"}}', '{NOW.isoformat()}');
"""
