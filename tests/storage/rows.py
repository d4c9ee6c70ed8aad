"""Rows of every table, right in every respect but for what a test says."""

from datetime import UTC, datetime

import asyncpg
import pytest

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME = "00000000-0000-4000-8000-00000000000a"
GLOBEX = "00000000-0000-4000-8000-00000000000b"
TECH = "00000000-0000-4000-8000-000000000001"
ENGINEER = "00000000-0000-4000-8000-000000000002"
GLOBEX_TECH = "00000000-0000-4000-8000-000000000003"
FLOW = "00000000-0000-4000-8000-000000000011"
PROPOSAL = "00000000-0000-4000-8000-000000000012"
GLOBEX_FLOW = "00000000-0000-4000-8000-000000000013"
TICKET = "00000000-0000-4000-8000-000000000021"
SESSION = "00000000-0000-4000-8000-000000000031"
OTHER_SESSION = "00000000-0000-4000-8000-000000000032"
COMMAND = "00000000-0000-4000-8000-000000000041"


def a_user(**more: object) -> dict[str, object]:
    user = {"account_id": ACME, "name": "Terry", "email": "t@acme.example", "role": "l1_tech"}
    return user | more


def a_version(**more: object) -> dict[str, object]:
    version: dict[str, object] = {"version": 1, "title": "Mail", "start": "n1", "nodes": "{}"}
    return version | more


def a_proposal(**more: object) -> dict[str, object]:
    proposal: dict[str, object] = {"id": PROPOSAL, "account_id": ACME, "title": "Mail"}
    return proposal | {"start": "n1", "nodes": "{}"} | more


def a_session(**more: object) -> dict[str, object]:
    session: dict[str, object] = {
        "id": SESSION,
        "account_id": ACME,
        "created_by": TECH,
        "ticket_kind": "psa",
        "ticket_id": "10045",
        "kind": "adhoc",
        "status": "active",
        "version": 1,
        "steps": 0,
        "started_at": NOW,
        "last_activity_at": NOW,
    }
    return session | more


def a_step(position: int, **more: object) -> dict[str, object]:
    step: dict[str, object] = {
        "session_id": SESSION,
        "position": position,
        "node_id": "n1",
        "question": "Does it open?",
        "answer": "No.",
        "recorded_at": NOW,
    }
    return step | more


def an_escalation(**more: object) -> dict[str, object]:
    escalation: dict[str, object] = {
        "session_id": SESSION,
        "account_id": ACME,
        "status": "open",
        "escalated_by": TECH,
        "last_activity_at": NOW,
        "moved_at": NOW,
    }
    return escalation | more


def an_audit(**more: object) -> dict[str, object]:
    audit: dict[str, object] = {
        "account_id": ACME,
        "session_id": SESSION,
        "command_id": COMMAND,
        "actor_id": TECH,
        "actor_name": "Terry",
        "action": "session.resolve",
        "details": "{}",
        "recorded_at": NOW,
    }
    return audit | more


def an_account_audit(**more: object) -> dict[str, object]:
    audit: dict[str, object] = {
        "account_id": ACME,
        "actor_id": TECH,
        "actor_name": "Terry",
        "action": "categories.set",
        "details": "{}",
        "recorded_at": NOW,
    }
    return audit | more


def a_ticket_event(**more: object) -> dict[str, object]:
    heard = {"account_id": ACME, "provider": "connectwise", "event_id": "7781-3"}
    return heard | {"recorded_at": NOW} | more


def a_dead_letter(**more: object) -> dict[str, object]:
    dead: dict[str, object] = {
        "id": COMMAND,
        "reason": "unreadable",
        "detail": "Not JSON.",
        "topic": "firstline.commands.chat",
        "partition": 0,
        "offset": 7,
        "headers": b"",
        "recorded_at": NOW,
    }
    return dead | more


async def insert(connection: asyncpg.Connection, table: str, **row: object) -> None:
    columns = ", ".join(f'"{column}"' for column in row)
    places = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await connection.execute(
        f'insert into "{table}" ({columns}) values ({places})',
        *row.values(),
    )


async def refusal(connection: asyncpg.Connection, table: str, **row: object) -> str:
    """The name of the constraint that refuses the row."""
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await insert(connection, table, **row)
    return str(refused.value.constraint_name)
