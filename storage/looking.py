"""Questions that people ask of the database: a session in full, a flow, who waits for an engineer.

Nothing here locks. Rows come back as dictionaries, ids as text, notes as JSON text.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from storage.database import Transaction

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SessionSeen:
    """A session with all that belongs to it.

    ``session`` is None where only parked commands name the id, as where its start is poison.
    """

    session: Row | None
    steps: list[Row]
    notes: str | None
    audit: list[Row]
    escalation: Row | None
    parked: list[Row]


@dataclass(frozen=True, slots=True)
class FlowSeen:
    """A version of a flow; ``nodes`` is their JSON text, ``versions`` are those there are."""

    id: str
    account_id: str
    account: str
    archived: bool
    version: int
    versions: list[int]
    title: str
    category: str | None
    start: str
    nodes: str


async def flow(tx: Transaction, flow_id: str, version: int | None) -> FlowSeen | None:
    """A version of a flow, the newest where none is named; None where there is none such."""
    rows = await tx.fetch(
        """
        select f.id::text, f.account_id::text, a.name, f.archived, v.version,
            array(
                select x.version from flow_versions x
                where x.account_id = f.account_id and x.flow_id = f.id order by x.version
            ),
            v.title, v.category, v.start, v.nodes::text
        from flows f
        join accounts a on a.id = f.account_id
        join flow_versions v on v.account_id = f.account_id and v.flow_id = f.id
        where f.id = $1 and ($2::int is null or v.version = $2)
        order by v.version desc
        limit 1
        """,
        flow_id,
        version,
    )
    return FlowSeen(*rows[0]) if rows else None


async def session(tx: Transaction, session_id: str) -> SessionSeen | None:
    """Everything about one session, None where nothing names the id."""
    session = await _first(
        tx,
        """
        select s.id::text, s.account_id::text, a.name as account, s.status, s.kind, s.version,
            s.steps, s.ticket_kind, s.ticket_id, t.title as ticket_title, t.status as ticket_status,
            s.created_by::text, u.name as created_by_name, s.acting_as, s.flow_id::text,
            s.flow_version, s.flow_proposal_id::text, coalesce(v.title, p.title) as title,
            s.category, s.problem_text, s.previous_session_id::text, s.current_node_id,
            s.node_requested, s.started_at, s.last_activity_at, s.ended_at, s.helpful,
            s.resolution_notes, s.reason, s.reason_category, s.walk_pruned_at
        from sessions s
        join accounts a on a.id = s.account_id
        join users u on u.account_id = s.account_id and u.id = s.created_by
        left join tickets t
            on t.account_id = s.account_id and t.kind = s.ticket_kind and t.id = s.ticket_id
        left join flow_versions v
            on v.account_id = s.account_id and v.flow_id = s.flow_id
            and v.version = s.flow_version
        left join flow_proposals p on p.id = s.flow_proposal_id
        where s.id = $1
        """,
        session_id,
    )
    parked = await _parked(tx, session_id)
    if session is None:
        return SessionSeen(None, [], None, [], None, parked) if parked else None
    return SessionSeen(
        session=session,
        steps=await _all(
            tx,
            """
            select position, recorded_at, node_id, question, option_id, answer, note
            from walk_steps where session_id = $1 order by position
            """,
            session_id,
        ),
        notes=await _notes(tx, session_id),
        audit=await _all(
            tx,
            """
            select recorded_at, action, actor_id, actor_name, acting_as, command_id::text,
                details::text
            from audit_log where account_id = $2 and session_id = $1 order by id
            """,
            session_id,
            session["account_id"],
        ),
        escalation=await _first(
            tx,
            """
            select e.status, e.escalated_by, coalesce(by.name, e.escalated_by) as escalated_by_name,
                e.claimed_by::text, c.name as claimed_by_name, e.claimed_at, e.ended_at,
                e.resolution_notes, e.instructions, e.new_session_id::text, e.notified, e.moved_at
            from escalations e
            left join users by on by.account_id = e.account_id and by.id::text = e.escalated_by
            left join users c on c.account_id = e.account_id and c.id = e.claimed_by
            where e.session_id = $1
            """,
            session_id,
        ),
        parked=parked,
    )


async def queue(tx: Transaction, account_id: str | None, now: datetime) -> list[Row]:
    """Escalations that nobody has claimed, oldest first; ``age`` is a time span."""
    return await _all(
        tx,
        """
        select e.session_id::text, e.account_id::text, a.name as account, s.ticket_kind,
            s.ticket_id, s.reason_category, s.reason, e.escalated_by,
            coalesce(by.name, e.escalated_by) as escalated_by_name, s.ended_at as escalated_at,
            $2::timestamptz - s.ended_at as age
        from escalations e
        join sessions s on s.id = e.session_id
        join accounts a on a.id = e.account_id
        left join users by on by.account_id = e.account_id and by.id::text = e.escalated_by
        where e.status = 'open' and ($1::uuid is null or e.account_id = $1)
        order by s.ended_at, e.session_id
        """,
        account_id,
        now,
    )


async def _parked(tx: Transaction, session_id: str) -> list[Row]:
    """Commands that wait, in order, behind the one that cannot be applied."""
    return await _all(
        tx,
        """
        select number, id::text, reason, detail, topic, partition, "offset", account_id::text,
            command_id::text, recorded_at
        from dead_letters
        where status = 'open' and command_id is not null and session_id = $1
        order by number
        """,
        session_id,
    )


async def _notes(tx: Transaction, session_id: str) -> str | None:
    row = await _first(
        tx, "select notes::text from session_notes where session_id = $1", session_id
    )
    return None if row is None else row["notes"]


async def _first(tx: Transaction, sql: str, *arguments: object) -> Row | None:
    rows = await _all(tx, sql, *arguments)
    return rows[0] if rows else None


async def _all(tx: Transaction, sql: str, *arguments: object) -> list[Row]:
    return [dict(row) for row in await tx.fetch(sql, *arguments)]
