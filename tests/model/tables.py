"""What stands in the database, and what should stand there, in one shape that can be compared."""

from typing import Any

import asyncpg

from domain.sessions import (
    Active,
    Born,
    Claimed,
    Closed,
    Escalated,
    ReturnedToFirstLine,
    escalation_status,
    status,
)
from domain.tickets import TicketKind, TicketStatus
from tests.model.expected import Expected, Queue
from tests.model.wire import Place, gist

Tables = dict[str, Any]

_QUERIES = {
    "sessions": """
        select id::text, account_id::text, kind, ticket_kind, ticket_id, created_by::text,
            acting_as, started_at, flow_id::text, flow_version, flow_proposal_id::text, category,
            problem_text, previous_session_id::text, status, version, steps, current_node_id,
            node_requested, last_activity_at, ended_at, helpful, resolution_notes, reason,
            reason_category
        from sessions order by id
    """,
    "steps": """
        select session_id::text, position, node_id, question, option_id, answer, note, recorded_at
        from walk_steps order by session_id, position
    """,
    "notes": "select session_id::text, notes::text from session_notes order by session_id",
    "escalations": """
        select session_id::text, account_id::text, status, escalated_by, last_activity_at,
            claimed_by::text, claimed_at, ended_at, resolution_notes, instructions,
            new_session_id::text, notified, moved_at
        from escalations order by session_id
    """,
    "audit": "select session_id::text, command_id::text, actor_id from audit_log order by id",
    # That an open ticket of a PSA is known tells nothing.
    "tickets": """
        select account_id::text, kind, id, status, resolution_notes
        from tickets where kind = 'internal' or status <> 'open' order by account_id, kind, id
    """,
    "validated": "select id::text from flow_proposals where validated_by_outcome order by id",
    "positions": "select topic, partition, next_offset from positions order by topic, partition",
    "inbox": """
        select command_id::text, account_id::text, session_id::text, digest, reply
        from inbox order by command_id
    """,
    "letters": """
        select reason, status, topic, partition, "offset" from dead_letters order by number
    """,
    "acts": """
        select topic, partition, "offset", act
        from dead_letter_acts a join dead_letters on number = letter order by a.id
    """,
    "parked": "select account_id::text, session_id::text from parked_sessions order by 1, 2",
}


async def read_tables(connection: asyncpg.Connection) -> Tables:
    """What stands in the database; tables that nobody decided an order for are in that of ids."""
    found: Tables = {
        name: [tuple(row) for row in await connection.fetch(query)]
        for name, query in _QUERIES.items()
    }
    found["inbox"] = [(*row, _reply(reply)) for *row, reply in found["inbox"]]
    return found


async def read_positions(connection: asyncpg.Connection) -> dict[Place, int]:
    """The next offset to apply, by partition."""
    rows = await connection.fetch(_QUERIES["positions"])
    return {(topic, number): offset for topic, number, offset in rows}


async def read_outbox(connection: asyncpg.Connection) -> list[tuple[int, Queue, object]]:
    """What waits for the relay: id, queue and gist of each row, by id."""
    rows = await connection.fetch("select id, topic, key, value from outbox order by id")
    return [(row[0], (row[1], row[2]), gist(row[1], row[3])) for row in rows]


def tables_of(expected: Expected) -> Tables:
    """What should stand in the database."""
    world = expected.world
    return {
        "sessions": [_session(session) for _, session in sorted(world.sessions.items())],
        "steps": [
            (
                id_,
                one.position,
                one.node_id,
                one.question,
                one.option_id,
                one.answer,
                one.note,
                one.at,
            )
            for id_, walk in sorted(world.walks.items())
            for one in walk
        ],
        "notes": sorted(world.notes.items()),
        "escalations": [
            (
                id_,
                one.origin.account_id,
                escalation_status(one.escalation),
                world.escalated_by[id_],
                one.last_activity_at,
                *_escalation(one),
                world.moved_at[id_],
            )
            for id_, one in sorted(world.sessions.items())
            if isinstance(one, Escalated)
        ],
        "audit": world.audited,
        "tickets": sorted(
            (account_id, ref.kind, ref.id, ticket.status, ticket.resolution_notes)
            for (account_id, ref), ticket in world.tickets.items()
            if ref.kind is TicketKind.INTERNAL or ticket.status is not TicketStatus.OPEN
        ),
        "validated": sorted((id_,) for id_ in world.validated),
        "positions": sorted((*place, offset) for place, offset in expected.positions.items()),
        "inbox": [
            (id_, one.account_id, one.session_id, one.digest, one.reply)
            for id_, one in sorted(expected.inbox.items())
        ],
        "letters": [
            (one.reason, one.status, *one.sent.place, one.sent.offset) for one in expected.letters
        ],
        "acts": [(*sent.place, sent.offset, act) for sent, act in expected.acts],
        "parked": sorted(expected.parked),
    }


def _session(session: Born) -> tuple[object, ...]:
    origin = session.origin
    ended = None if isinstance(session, Active) else session
    return (
        origin.session_id,
        origin.account_id,
        origin.kind,
        origin.ticket.kind,
        origin.ticket.id,
        origin.started_by,
        origin.acting_as,
        origin.started_at,
        origin.flow_id,
        origin.flow_version,
        origin.flow_proposal_id,
        origin.category,
        origin.problem_text,
        origin.previous_session_id,
        status(session),
        session.version,
        session.steps,
        session.current_node_id,
        isinstance(session, Active) and session.request_id is not None,
        session.last_activity_at,
        ended and ended.ended_at,
        *(
            getattr(ended, name, None)
            for name in ("helpful", "resolution_notes", "reason", "reason_category")
        ),
    )


def _escalation(session: Escalated) -> tuple[object, ...]:
    standing = session.escalation
    by = getattr(standing, "by", None)
    moved: tuple[object, ...]
    match standing:
        case Claimed(at=at):
            moved = (at, None, None, None, None)
        case Closed(claimed_at=at, at=ended, resolution_notes=notes):
            moved = (at, ended, notes, None, None)
        case ReturnedToFirstLine(claimed_at=at, at=ended) as back:
            moved = (at, ended, None, back.instructions, back.new_session_id)
        case _:
            moved = (None, None, None, None, None)
    return (by, *moved, standing.notified)


def _reply(reply: bytes | None) -> object:
    return None if reply is None else gist("replies", reply)
