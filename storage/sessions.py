"""Sessions as rows: reading them as states of the domain, and saving what became of them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import asyncpg

from domain.events import StepRecorded
from domain.people import Actor
from domain.sessions import (
    Abandoned,
    Active,
    Born,
    Escalated,
    Origin,
    Resolved,
    SessionKind,
    SessionStatus,
    status,
)
from domain.tickets import Ticket, TicketKind, TicketRef
from storage.database import Transaction

_READ = """
    select id::text, account_id::text, kind, ticket_kind, ticket_id, created_by::text, acting_as,
        started_at, flow_id::text, flow_version, flow_proposal_id::text, category, problem_text,
        previous_session_id::text,
        status, version, steps, last_activity_at, current_node_id, node_requested, ended_at,
        helpful, resolution_notes, reason, reason_category
    from sessions where id = any($1::uuid[])
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
    """Lock the sessions that exist, by id, and read them."""
    rows = await tx.fetch(f"{_READ} order by id for no key update", list(session_ids))
    return {row[0]: _session(row) for row in rows}


async def read(tx: Transaction, session_ids: Collection[str]) -> dict[str, Born]:
    """Read the sessions that exist, without waiting for anybody."""
    rows = await tx.fetch(_READ, list(session_ids))
    return {row[0]: _session(row) for row in rows}


async def update(tx: Transaction, changed: Sequence[Born]) -> None:
    """Write what became of sessions that existed.

    Those that let go of their ticket go before new ones that may take it: call this before
    `insert`.
    """
    if not changed:
        return
    await tx.execute(
        """
        update sessions s set
            status = c.status, version = c.version, steps = c.steps,
            last_activity_at = c.last_activity_at, current_node_id = c.current_node_id,
            node_requested = c.node_requested, ended_at = c.ended_at, helpful = c.helpful,
            resolution_notes = c.resolution_notes, reason = c.reason,
            reason_category = c.reason_category
        from unnest(
            $1::uuid[], $2::text[], $3::int[], $4::int[], $5::timestamptz[], $6::text[],
            $7::boolean[], $8::timestamptz[], $9::boolean[], $10::text[], $11::text[], $12::text[]
        ) as c(
            id, status, version, steps, last_activity_at, current_node_id, node_requested,
            ended_at, helpful, resolution_notes, reason, reason_category
        )
        where s.id = c.id
        """,
        *zip(*((session.origin.session_id, *_state(session)) for session in changed), strict=True),
    )


async def insert(tx: Transaction, born: Sequence[Born]) -> None:
    """Write sessions that are new."""
    await tx.copy(
        "sessions",
        (*_ORIGIN, *_STATE),
        [(*_origin(session.origin), *_state(session)) for session in born],
    )


async def add_steps(tx: Transaction, steps: Iterable[tuple[str, StepRecorded]]) -> None:
    """Append steps to the walks of the sessions they come with."""
    await tx.copy(
        "walk_steps",
        (
            "session_id", "position", "node_id", "question", "option_id", "answer", "note",
            "recorded_at",
        ),
        [
            (
                session_id, step.position, step.node_id, step.question, step.option_id,
                step.answer, step.note, step.at,
            )
            for session_id, step in steps
        ],
    )  # fmt: skip


async def put_notes(tx: Transaction, notes: Mapping[str, str]) -> None:
    """Replace the notes of sessions, given as JSON text by session id."""
    if not notes:
        return
    await tx.execute(
        """
        insert into session_notes (session_id, notes)
        select * from unnest($1::uuid[], $2::text[]::json[]) as n(session_id, notes)
        order by n.session_id
        on conflict (session_id) do update set notes = excluded.notes
        """,
        list(notes),
        list(notes.values()),
    )


async def add_escalations(tx: Transaction, escalated: Iterable[tuple[Escalated, Actor]]) -> None:
    """Open the escalations of sessions that were just escalated, with who did it."""
    await tx.copy(
        "escalations",
        ("session_id", "account_id", "escalated_by", "last_activity_at", "status"),
        [
            (
                session.origin.session_id, session.origin.account_id, actor.id,
                session.last_activity_at, "open",
            )
            for session, actor in escalated
        ],
    )  # fmt: skip


async def add_audit(tx: Transaction, entries: Iterable[AuditEntry], now: datetime) -> None:
    """Append to the audit trail."""
    await tx.copy(
        "audit_log",
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


async def update_tickets(tx: Transaction, tickets: Mapping[tuple[str, TicketRef], Ticket]) -> None:
    """Write what became of tickets that firstline keeps itself."""
    if not tickets:
        return
    await tx.execute(
        """
        update tickets t set status = c.status, resolution_notes = c.resolution_notes
        from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
            as c(account_id, kind, id, status, resolution_notes)
        where t.account_id = c.account_id and t.kind = c.kind and t.id = c.id
        """,
        *zip(
            *(
                (account_id, ref.kind.value, ref.id, ticket.status.value, ticket.resolution_notes)
                for (account_id, ref), ticket in tickets.items()
            ),
            strict=True,
        ),
    )


async def validate_proposals(tx: Transaction, proposal_ids: Collection[str]) -> None:
    """Mark proposals as validated by the outcome of a session that walked them."""
    if not proposal_ids:
        return
    await tx.execute(
        """
        update flow_proposals set validated_by_outcome = true
        where id = any($1::uuid[]) and not validated_by_outcome
        """,
        sorted(proposal_ids),
    )


def _session(row: asyncpg.Record) -> Born:
    (
        session_id, account_id, kind, ticket_kind, ticket_id, created_by, acting_as, started_at,
        flow_id, flow_version, proposal_id, category, problem_text, previous, state, version,
        steps, last_activity_at, node_id, node_requested, ended_at, helpful, notes, reason,
        reason_category,
    ) = row  # fmt: skip
    origin = Origin(
        session_id, account_id, SessionKind(kind), TicketRef(TicketKind(ticket_kind), ticket_id),
        created_by, acting_as, started_at, flow_id, flow_version, proposal_id, category,
        problem_text, previous,
    )  # fmt: skip
    if state == SessionStatus.ACTIVE:
        return Active(origin, version, steps, last_activity_at, node_id, node_requested)
    end = (origin, version, steps, last_activity_at, node_id, ended_at)
    match SessionStatus(state):
        case SessionStatus.RESOLVED:
            return Resolved(*end, helpful, notes)
        case SessionStatus.ESCALATED:
            return Escalated(*end, reason, reason_category)
        case _:
            return Abandoned(*end, reason)


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
            return (*common, session.node_requested, None, None, None, None, None)
        case Resolved(ended_at=at, helpful=helpful, resolution_notes=notes):
            return (*common, False, at, helpful, notes, None, None)
        case Escalated(ended_at=at, reason=reason, reason_category=category):
            return (*common, False, at, None, None, reason, category)
        case Abandoned(ended_at=at, reason=reason):
            return (*common, False, at, None, None, reason, None)
