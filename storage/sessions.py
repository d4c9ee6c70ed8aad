"""Sessions as rows: reading them as states of the domain, and saving what became of them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import asyncpg

from domain.people import Actor
from domain.sessions import (
    Abandoned,
    Active,
    Born,
    Claimed,
    Closed,
    Escalated,
    Escalation,
    Origin,
    Resolved,
    ReturnedToFirstLine,
    SessionKind,
    SessionStatus,
    Waiting,
    escalation_status,
    status,
)
from domain.tickets import TicketKind, TicketRef
from storage import built_walks, tables, walks
from storage.database import Transaction

_SESSION = """
    s.id::text, s.account_id::text, s.kind, s.ticket_kind, s.ticket_id, s.created_by::text,
    s.acting_as, s.started_at, s.flow_id::text, s.flow_version, s.flow_proposal_id::text,
    s.category, s.problem_text, s.previous_session_id::text, s.status, s.version, s.steps,
    s.last_activity_at, s.current_node_id, s.node_requested, s.ended_at, s.helpful,
    s.resolution_notes, s.reason, s.reason_category
"""
_ESCALATION = """
    e.status as escalation, e.escalated_by, e.claimed_by::text, e.claimed_at,
    e.ended_at as escalation_ended_at, e.resolution_notes as escalation_notes,
    e.instructions, e.new_session_id::text, e.notified
"""
_ORIGIN = (
    "id", "account_id", "kind", "ticket_kind", "ticket_id", "created_by", "acting_as",
    "started_at", "flow_id", "flow_version", "flow_proposal_id", "category", "problem_text",
    "previous_session_id",
)  # fmt: skip
_STATE = (
    "status", "version", "steps", "last_activity_at", "current_node_id", "node_requested",
    "ended_at", "helpful", "resolution_notes", "reason", "reason_category",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which session, acting as what. ``details`` is JSON text."""

    account_id: str
    session_id: str
    command_id: str
    actor: Actor
    action: str
    details: str


async def lock(tx: Transaction, session_ids: Collection[str]) -> dict[str, Born]:
    """Lock the sessions that exist, by id, and read them as they are once the locks are held.

    A session that another transaction changed meanwhile is read anew as it is locked. What is
    joined to it would not be: escalations are asked for in a statement that begins afterwards.
    """
    rows = await tx.fetch(
        f"""
        select {_SESSION} from sessions s
        where s.id = any($1::uuid[]) order by s.id for no key update
        """,  # noqa: S608 - our own columns
        list(session_ids),
    )
    escalated = {row["id"] for row in rows if row["status"] == SessionStatus.ESCALATED}
    found = await _sessions(tx, [row for row in rows if row["id"] not in escalated])
    return found | await read(tx, escalated) if escalated else found


async def read(tx: Transaction, session_ids: Collection[str]) -> dict[str, Born]:
    """Read the sessions that exist, without waiting for anybody.

    What was ``walked`` comes with AI-built walks alone; others are long, and `storage.facts` asks
    for the nodes that are to be answered.
    """
    rows = await tx.fetch(
        f"""
        select {_SESSION}, {_ESCALATION}
        from sessions s left join escalations e on e.session_id = s.id
        where s.id = any($1::uuid[])
        """,  # noqa: S608 - our own columns
        list(session_ids),
    )
    return await _sessions(tx, rows)


async def existing(tx: Transaction, session_ids: Collection[str]) -> set[str]:
    """Those of the ids that are taken, in whatever account."""
    if not session_ids:
        return set()
    rows = await tx.fetch(
        "select id::text from sessions where id = any($1::uuid[])", list(session_ids)
    )
    return {row[0] for row in rows}


async def update(tx: Transaction, changed: Sequence[Born]) -> None:
    """Write what became of sessions that existed.

    Those that let go of their ticket go first, in a statement of their own, then those that may
    have taken one over; new ones come after, with `insert`.
    """
    for group in (
        [session for session in changed if not isinstance(session, Active)],
        [session for session in changed if isinstance(session, Active)],
    ):
        if group:
            await _update(tx, group)


async def _update(tx: Transaction, changed: Sequence[Born]) -> None:
    await tx.execute_later(
        tables.sessions,
        """
        update sessions s set
            ticket_kind = c.ticket_kind, ticket_id = c.ticket_id,
            status = c.status, version = c.version, steps = c.steps,
            last_activity_at = c.last_activity_at, current_node_id = c.current_node_id,
            node_requested = c.node_requested, ended_at = c.ended_at,
            helpful = c.helpful, resolution_notes = c.resolution_notes, reason = c.reason,
            reason_category = c.reason_category
        from unnest(
            $1::uuid[], $2::text[], $3::text[], $4::text[], $5::int[], $6::int[],
            $7::timestamptz[], $8::text[], $9::boolean[], $10::timestamptz[], $11::boolean[],
            $12::text[], $13::text[], $14::text[]
        ) as c(
            id, ticket_kind, ticket_id, status, version, steps, last_activity_at,
            current_node_id, node_requested, ended_at, helpful, resolution_notes, reason,
            reason_category
        )
        where s.id = c.id
        """,
        *zip(
            *(
                (
                    session.origin.session_id,
                    session.origin.ticket.kind.value,
                    session.origin.ticket.id,
                    *_state(session),
                )
                for session in changed
            ),
            strict=True,
        ),
    )


async def insert(tx: Transaction, born: Sequence[Born]) -> None:
    """Write sessions that are new."""
    await tx.append(
        tables.sessions,
        (*_ORIGIN, *_STATE),
        [(*_origin(session.origin), *_state(session)) for session in born],
    )


async def put_escalations(tx: Transaction, escalated: Sequence[tuple[Escalated, datetime]]) -> None:
    """Write where escalations stand, new ones included, and when they last moved."""
    if not escalated:
        return
    await tx.execute_later(
        tables.escalations,
        """
        insert into escalations as e (
            session_id, account_id, escalated_by, last_activity_at, status, claimed_by,
            claimed_at, ended_at, resolution_notes, instructions, new_session_id, notified,
            moved_at
        )
        select * from unnest(
            $1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::text[], $6::uuid[],
            $7::timestamptz[], $8::timestamptz[], $9::text[], $10::text[], $11::uuid[], $12::int[],
            $13::timestamptz[]
        ) as c(
            session_id, account_id, escalated_by, last_activity_at, status, claimed_by,
            claimed_at, ended_at, resolution_notes, instructions, new_session_id, notified,
            moved_at
        )
        order by c.session_id
        on conflict (session_id) do update set
            status = excluded.status, claimed_by = excluded.claimed_by,
            claimed_at = excluded.claimed_at, ended_at = excluded.ended_at,
            resolution_notes = excluded.resolution_notes, instructions = excluded.instructions,
            new_session_id = excluded.new_session_id, notified = excluded.notified,
            moved_at = excluded.moved_at
        """,
        *zip(*(_escalation_row(session, moved_at) for session, moved_at in escalated), strict=True),
    )


async def add_audit(tx: Transaction, entries: Iterable[AuditEntry], now: datetime) -> None:
    """Append to the audit trail."""
    await tx.append(
        tables.audit_log,
        (
            "account_id", "session_id", "command_id", "actor_id", "actor_name", "acting_as",
            "action", "details", "recorded_at",
        ),
        [
            (
                entry.account_id, entry.session_id, entry.command_id, entry.actor.id,
                entry.actor.name, entry.actor.acting_as, entry.action, entry.details, now,
            )
            for entry in entries
        ],
    )  # fmt: skip


async def _sessions(tx: Transaction, rows: Sequence[asyncpg.Record]) -> dict[str, Born]:
    """The rows' sessions, AI-built walks with what was asked for them."""
    found = {row["id"]: _session(row) for row in rows}
    asking = {row["id"]: row["node_requested"] for row in rows if row["kind"] == "ai_build"}
    walked = await walks.walked(tx, asking)
    for session_id, built in (await built_walks.read(tx, asking)).items():
        session = found[session_id]
        if isinstance(session, Active):
            found[session_id] = replace(
                session,
                walked=walked.get(session_id, session.walked),
                request_id=built.newest_request if asking[session_id] else None,
                nodes=built.nodes,
            )
    return found


def _session(row: asyncpg.Record) -> Born:
    origin = Origin(
        row["id"], row["account_id"], SessionKind(row["kind"]),
        TicketRef(TicketKind(row["ticket_kind"]), row["ticket_id"]),
        row["created_by"], row["acting_as"], row["started_at"], row["flow_id"],
        row["flow_version"], row["flow_proposal_id"], row["category"], row["problem_text"],
        row["previous_session_id"],
    )  # fmt: skip
    so_far = (origin, row["version"], row["steps"], row["last_activity_at"], row["current_node_id"])
    match SessionStatus(row["status"]):
        case SessionStatus.ACTIVE:
            return Active(*so_far)
        case SessionStatus.RESOLVED:
            return Resolved(*so_far, row["ended_at"], row["helpful"], row["resolution_notes"])
        case SessionStatus.ABANDONED:
            return Abandoned(*so_far, row["ended_at"], row["reason"])
        case SessionStatus.ESCALATED:
            return Escalated(
                *so_far, row["ended_at"], row["reason"], row["reason_category"],
                row["escalated_by"], _escalation(row),
            )  # fmt: skip


def _escalation(row: asyncpg.Record) -> Escalation:
    claim, notified = (row["claimed_by"], row["claimed_at"]), row["notified"]
    match row["escalation"]:
        case "open":
            return Waiting(notified)
        case "claimed":
            return Claimed(*claim, notified)
        case "closed":
            return Closed(*claim, row["escalation_ended_at"], row["escalation_notes"], notified)
        case _:
            return ReturnedToFirstLine(
                *claim, row["escalation_ended_at"], row["instructions"], row["new_session_id"],
                notified,
            )  # fmt: skip


def _escalation_row(session: Escalated, moved_at: datetime) -> tuple[Any, ...]:
    """The columns of `put_escalations`."""
    common = (
        session.origin.session_id, session.origin.account_id, session.escalated_by,
        session.last_activity_at, escalation_status(session.escalation),
    )  # fmt: skip
    match session.escalation:
        case Waiting(notified):
            return (*common, None, None, None, None, None, None, notified, moved_at)
        case Claimed(by, at, notified):
            return (*common, by, at, None, None, None, None, notified, moved_at)
        case Closed(by, claimed_at, at, notes, notified):
            return (*common, by, claimed_at, at, notes, None, None, notified, moved_at)
        case ReturnedToFirstLine(by, claimed_at, at, instructions, new_session_id, notified):
            return (
                *common, by, claimed_at, at, None, instructions, new_session_id, notified,
                moved_at,
            )  # fmt: skip


def _origin(origin: Origin) -> tuple[Any, ...]:
    """The columns of `_ORIGIN`."""
    return (
        origin.session_id, origin.account_id, origin.kind.value, origin.ticket.kind.value,
        origin.ticket.id, origin.started_by, origin.acting_as, origin.started_at, origin.flow_id,
        origin.flow_version, origin.flow_proposal_id, origin.category, origin.problem_text,
        origin.previous_session_id,
    )  # fmt: skip


def _state(session: Born) -> tuple[Any, ...]:
    """The columns of `_STATE`."""
    common = (
        status(session).value, session.version, session.steps, session.last_activity_at,
        session.current_node_id,
    )  # fmt: skip
    match session:
        case Active():
            return (*common, session.request_id is not None, None, None, None, None, None)
        case Resolved(ended_at=at, helpful=helpful, resolution_notes=notes):
            return (*common, False, at, helpful, notes, None, None)
        case Escalated(ended_at=at, reason=reason, reason_category=category):
            return (*common, False, at, None, None, reason, category)
        case Abandoned(ended_at=at, reason=reason):
            return (*common, False, at, None, None, reason, None)
