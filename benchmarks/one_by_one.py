"""One command in one transaction, as most services do it: an ORM session, its rows one by one.

It decides with the same domain and writes the same rows as a worker does. What it does without is
everything that a worker does for many commands at once.
"""

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

from consumers.fold import Folded, Known, fold
from consumers.records import Delivery
from domain.commands import Command, Escalate, RecordStep, Start, StartFlow
from domain.context import Limits, Walkable
from domain.events import StepRecorded
from domain.history import Walk
from domain.people import Recipient, Role, User
from domain.sessions import (
    Abandoned,
    Active,
    Born,
    Ended,
    Escalated,
    Origin,
    Resolved,
    SessionKind,
    SessionStatus,
    status,
)
from domain.tickets import Ticket, TicketKind, TicketRef, TicketStatus
from producers import events, states
from storage import tables
from storage.facts import Facts
from storage.outbox import Message
from storage.people import Account
from storage.walkables import parse_flow

_SHARD = 0


class Row(DeclarativeBase):
    """A row of a mapped table."""

    metadata = tables.metadata


class AccountRow(Row):
    """A tenant."""

    __table__ = tables.accounts


class AuditRow(Row):
    """Who did what."""

    __table__ = tables.audit_log


class EscalationRow(Row):
    """What became of an escalated session."""

    __table__ = tables.escalations


class FlowRow(Row):
    """A flow."""

    __table__ = tables.flows


class FlowVersionRow(Row):
    """A flow as it was at a version."""

    __table__ = tables.flow_versions


class InboxRow(Row):
    """A command that was answered."""

    __table__ = tables.inbox


class OutboxRow(Row):
    """A message that waits."""

    __table__ = tables.outbox


class SessionRow(Row):
    """A session."""

    __table__ = tables.sessions


class StepRow(Row):
    """A step of a walk."""

    __table__ = tables.walk_steps


class TicketRow(Row):
    """A ticket."""

    __table__ = tables.tickets


class UserRow(Row):
    """A person of an account."""

    __table__ = tables.users


async def apply(db: AsyncSession, delivery: Delivery, now: datetime) -> None:
    """Apply one command, unless it was before, and commit."""
    command = delivery.command
    async with db.begin():
        if await db.get(InboxRow, command.command_id) is not None:
            return
        row = await db.get(SessionRow, command.session_id, with_for_update=True)
        facts = await _facts(db, command, row)
        folded = fold(facts, Known({}, frozenset()), [delivery], now, Limits())
        await _save(db, row, folded, now)
        _stage(db, folded)


async def _facts(db: AsyncSession, command: Command, row: SessionRow | None) -> Facts:
    """What the command is decided on."""
    facts = Facts(accounts={command.account_id: Account(None, "")})
    if row is not None:
        facts.sessions[command.session_id] = await _walking(db, _session(row), command)
    user: Any = await db.get(UserRow, command.actor_id)
    if user is not None:
        facts.users[user.id] = User(
            user.id,
            user.account_id,
            user.name,
            Role(user.role),
            user.l1_coverage,
            user.deleted_at is not None,
        )
    await _read_flow(db, facts, command, row)
    if isinstance(command, Start):
        await _read_ticket(db, facts, command)
    if isinstance(command, Escalate):
        await _read_what_is_told(db, facts, command)
    return facts


async def _walking(db: AsyncSession, session: Born, command: Command) -> Born:
    """The session, with the node that a step goes back to, where it does."""
    if (
        not isinstance(session, Active)
        or not isinstance(command, RecordStep)
        or command.node_id == session.current_node_id
    ):
        return session
    steps = select(tables.walk_steps.c.node_id).where(
        tables.walk_steps.c.session_id == command.session_id,
        tables.walk_steps.c.node_id == command.node_id,
    )
    return replace(session, walked=frozenset(await db.scalars(steps)))


async def _read_flow(
    db: AsyncSession, facts: Facts, command: Command, row: SessionRow | None
) -> None:
    session: Any = row
    flow: Any = None
    if isinstance(command, StartFlow):
        newest = (
            select(FlowVersionRow)
            .join(FlowRow, tables.flows.c.id == tables.flow_versions.c.flow_id)
            .where(
                tables.flows.c.account_id == command.account_id,
                tables.flows.c.id == command.flow_id,
                ~tables.flows.c.archived,
            )
            .order_by(tables.flow_versions.c.version.desc())
            .limit(1)
        )
        flow = (await db.scalars(newest)).first()
    elif session is not None:
        key = (session.account_id, session.flow_id, session.flow_version)
        flow = await db.get(FlowVersionRow, key)
    if flow is not None:
        walkable = Walkable(parse_flow(flow.start, json.dumps(flow.nodes)), flow.version)
        facts.newest_flows[flow.account_id, flow.flow_id] = walkable
        facts.flows[flow.account_id, flow.flow_id, flow.version] = walkable


async def _read_ticket(db: AsyncSession, facts: Facts, command: Start) -> None:
    """Lock the ticket, made where it is not known yet, and look for the session on it."""
    key = (command.account_id, command.ticket.kind.value, command.ticket.id)
    row: Any = await db.get(TicketRow, key, with_for_update=True)
    if row is None:
        db.add(TicketRow(account_id=key[0], kind=key[1], id=key[2]))
        await db.flush()
    place = (command.account_id, command.ticket)
    known = TicketStatus.OPEN if row is None else TicketStatus(row.status)
    facts.tickets[place] = Ticket(command.ticket, known)
    facts.stored_tickets[place] = facts.tickets[place]
    active = await db.scalar(
        select(tables.sessions.c.id).where(
            tables.sessions.c.account_id == key[0],
            tables.sessions.c.ticket_kind == key[1],
            tables.sessions.c.ticket_id == key[2],
            tables.sessions.c.status == SessionStatus.ACTIVE,
        )
    )
    if active is not None:
        facts.active[place] = active


async def _read_what_is_told(db: AsyncSession, facts: Facts, command: Escalate) -> None:
    """The walk so far, and the people who are told of it."""
    steps = await db.scalars(
        select(StepRow)
        .where(tables.walk_steps.c.session_id == command.session_id)
        .order_by(tables.walk_steps.c.position)
    )
    facts.walks[command.session_id] = Walk(tuple(_step(step) for step in steps))
    account: Any = await db.get(AccountRow, command.account_id)
    facts.default_recipients[command.account_id] = [
        Recipient(email) for email in account.default_recipients
    ]


async def _save(db: AsyncSession, row: SessionRow | None, folded: Folded, now: datetime) -> None:
    for entry in folded.recorded:
        session = entry.session
        if row is None:
            row = SessionRow(**_columns(session))
            db.add(row)
            await db.flush()  # steps point at it
        else:
            for name, value in _columns(session).items():
                setattr(row, name, value)
        if isinstance(entry.event, StepRecorded):
            db.add(_step_row(session, entry.event))
        if isinstance(session, Escalated):
            db.add(
                EscalationRow(
                    session_id=session.origin.session_id,
                    account_id=session.origin.account_id,
                    escalated_by=session.escalated_by,
                    last_activity_at=session.last_activity_at,
                    moved_at=now,
                )
            )
        db.add(_outbox_row(states.message(session)))
    for audited in folded.audit:
        db.add(
            AuditRow(
                account_id=audited.account_id,
                session_id=audited.session_id,
                command_id=audited.command_id,
                actor_id=audited.actor.id,
                actor_name=audited.actor.name,
                acting_as=audited.actor.acting_as,
                action=audited.action,
                details=json.loads(audited.details),
                recorded_at=now,
            )
        )
    for claim in folded.claims:
        db.add(
            InboxRow(
                command_id=claim.command_id,
                account_id=claim.account_id,
                session_id=claim.session_id,
                digest=claim.digest,
                reply=claim.reply,
                recorded_at=now,
            )
        )


def _stage(db: AsyncSession, folded: Folded) -> None:
    for entry in folded.recorded:
        db.add_all(_outbox_row(message) for message in events.messages(entry))
    db.add_all(_outbox_row(message) for message in folded.replies)


def _outbox_row(message: Message) -> OutboxRow:
    return OutboxRow(
        shard=_SHARD,
        topic=message.topic,
        key=message.key,
        headers=message.headers,
        value=message.value,
    )


def _step_row(session: Born, step: StepRecorded) -> StepRow:
    return StepRow(
        session_id=session.origin.session_id,
        position=step.position,
        node_id=step.node_id,
        question=step.question,
        option_id=step.option_id,
        answer=step.answer,
        note=step.note,
        recorded_at=step.at,
    )


def _step(row: Any) -> StepRecorded:  # noqa: ANN401 - a mapped row knows no types
    return StepRecorded(
        at=row.recorded_at,
        position=row.position,
        node_id=row.node_id,
        question=row.question,
        answer=row.answer,
        option_id=row.option_id,
        note=row.note,
    )


def _session(row: Any) -> Born:  # noqa: ANN401
    origin = Origin(
        row.id,
        row.account_id,
        SessionKind(row.kind),
        TicketRef(TicketKind(row.ticket_kind), row.ticket_id),
        row.created_by,
        row.acting_as,
        row.started_at,
        row.flow_id,
        row.flow_version,
    )
    so_far = (origin, row.version, row.steps, row.last_activity_at, row.current_node_id)
    match SessionStatus(row.status):
        case SessionStatus.ACTIVE:
            return Active(*so_far)
        case SessionStatus.RESOLVED:
            return Resolved(*so_far, row.ended_at, row.helpful, row.resolution_notes)
        case SessionStatus.ESCALATED:
            return Escalated(*so_far, row.ended_at, row.reason, row.reason_category, row.created_by)
        case SessionStatus.ABANDONED:
            return Abandoned(*so_far, row.ended_at, row.reason)


def _columns(session: Born) -> dict[str, object]:
    origin = session.origin
    return {
        "id": origin.session_id,
        "account_id": origin.account_id,
        "created_by": origin.started_by,
        "acting_as": origin.acting_as,
        "ticket_kind": origin.ticket.kind.value,
        "ticket_id": origin.ticket.id,
        "kind": origin.kind.value,
        "flow_id": origin.flow_id,
        "flow_version": origin.flow_version,
        "started_at": origin.started_at,
        "status": status(session).value,
        "version": session.version,
        "steps": session.steps,
        "current_node_id": session.current_node_id,
        "last_activity_at": session.last_activity_at,
        "ended_at": session.ended_at if isinstance(session, Ended) else None,
        "helpful": session.helpful if isinstance(session, Resolved) else None,
        "resolution_notes": (session.resolution_notes if isinstance(session, Resolved) else None),
        "reason": session.reason if isinstance(session, (Escalated, Abandoned)) else None,
        "reason_category": session.reason_category if isinstance(session, Escalated) else None,
    }
