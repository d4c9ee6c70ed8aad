"""The schema in a real Postgres: what it refuses, and that the tables are declared as it is."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from firstline import migrate
from storage.database import DIALECT, dialling
from storage.tables import metadata

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

TARGETS: dict[str, dict[str, object]] = {
    "flow": {"flow_id": FLOW, "flow_version": 1},
    "proposal": {"flow_proposal_id": PROPOSAL},
    "adhoc": {},
    "ai_build": {"problem_text": "No mail."},
}
OUTCOMES: dict[str, dict[str, object]] = {
    "active": {},
    "resolved": {"ended_at": NOW, "resolution_notes": ""},
    "escalated": {"ended_at": NOW, "reason_category": "network"},
    "abandoned": {"ended_at": NOW},
}


@pytest.fixture
async def tx(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database that holds two accounts with somebody and something to walk."""
    connection = await asyncpg.connect(database_url)
    await connection.set_type_codec(
        "json", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
    )
    for account, user, flow in ((ACME, TECH, FLOW), (GLOBEX, GLOBEX_TECH, GLOBEX_FLOW)):
        await insert(connection, "accounts", id=account, name="Acme")
        await insert(connection, "users", **a_user(id=user, account_id=account))
        await insert(connection, "flows", id=flow, account_id=account)
        await insert(connection, "flow_versions", **a_version(flow_id=flow, account_id=account))
    await insert(connection, "users", **a_user(id=ENGINEER, role="engineer"))
    await insert(connection, "flow_proposals", **a_proposal())
    yield connection
    await connection.close()


# -- one schema, told twice ------------------------------------------------------------------


async def test_the_declared_tables_are_those_that_the_migrations_make(database_url: str) -> None:
    migrated = await described(database_url)
    await migrate.downgrade(database_url, "base")
    engine = create_async_engine(DIALECT, async_creator=dialling(database_url))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    declared = await described(database_url)
    views = {line for line in migrated if line[0] == "view"}
    assert {line[1] for line in views} == {
        *("session_walks", "flow_outcomes", "proposal_outcomes", "ended_sessions"),
        *("weekly_first_level_resolution", "weekly_escalation", "weekly_time_to_outcome"),
        *("weekly_steps_to_outcome", "weekly_abandonment", "weekly_reopening", "weekly_flow_hits"),
        "node_usage_by_account_and_day",
    }
    assert declared == migrated - views


async def test_up_and_down_and_up_again_leaves_the_same_schema(database_url: str) -> None:
    before = await described(database_url)
    await migrate.downgrade(database_url, "base")
    assert await described(database_url) == set()
    assert await migrate.current(database_url) is None
    applied = await migrate.migrate(database_url)
    assert applied[0] == "0001"
    assert await migrate.current(database_url) == applied[-1]
    assert await described(database_url) == before


async def test_an_intent_that_is_open_keeps_its_rows_down_and_up_again(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        """
        insert into relay_shards (shard, number, settled, row_ids, settled_ids)
        values (0, 1, 0, '{[3,6),[9,10)}', null), (1, 7, 7, null, '{[1,3)}')
        """
    )
    before = await connection.fetch("select * from relay_shards order by shard")
    await migrate.downgrade(database_url, "0008")
    assert await connection.fetch(
        "select row_ids, settled_ids from relay_shards order by shard"
    ) == [([3, 4, 5, 9], None), (None, [1, 2])]
    assert await migrate.migrate(database_url) == ["0009"]
    assert await connection.fetch("select * from relay_shards order by shard") == before
    await connection.close()


async def test_a_migrated_database_is_left_alone(database_url: str) -> None:
    before = await migrate.current(database_url)
    assert await migrate.migrate(database_url) == []
    assert await migrate.current(database_url) == before


async def test_of_two_migrations_at_once_one_finds_nothing_to_do(database_url: str) -> None:
    await migrate.downgrade(database_url, "base")
    applied = await asyncio.gather(migrate.migrate(database_url), migrate.migrate(database_url))
    assert sorted(map(bool, applied)) == [False, True]


async def test_a_database_newer_than_the_program_is_refused(
    database_url: str, tx: asyncpg.Connection
) -> None:
    await tx.execute("update alembic_version set version_num = '9999'")
    with pytest.raises(migrate.UnknownRevision, match="9999"):
        await migrate.migrate(database_url)


# -- kinds and statuses ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", TARGETS)
async def test_a_session_may_be_of_each_kind(tx: asyncpg.Connection, kind: str) -> None:
    await insert(tx, "sessions", **a_session(kind=kind, **TARGETS[kind]))


@pytest.mark.parametrize("status", OUTCOMES)
async def test_a_session_may_have_each_status(tx: asyncpg.Connection, status: str) -> None:
    await insert(tx, "sessions", **a_session(status=status, **OUTCOMES[status]))


@pytest.mark.parametrize("kind", ["psa", "internal"])
async def test_a_session_may_work_on_each_kind_of_ticket(tx: asyncpg.Connection, kind: str) -> None:
    await insert(tx, "sessions", **a_session(ticket_kind=kind, ticket_id=TICKET))
    await insert(tx, "tickets", account_id=ACME, kind=kind, id=TICKET)


@pytest.mark.parametrize(
    ("table", "column", "more"),
    [
        ("sessions", "kind", {}),
        ("sessions", "status", {"ended_at": NOW}),
        ("sessions", "ticket_kind", {}),
        ("sessions", "acting_as", {}),
        ("tickets", "kind", {}),
        ("tickets", "status", {}),
        ("users", "role", {}),
        ("escalations", "status", {"claimed_by": ENGINEER, "claimed_at": NOW}),
        ("audit_log", "action", {}),
        ("account_audit", "action", {}),
        ("dead_letters", "reason", {}),
        ("dead_letters", "status", {}),
    ],
)
async def test_a_check_of_its_own_refuses_every_other_word(
    tx: asyncpg.Connection, table: str, column: str, more: dict[str, object]
) -> None:
    rows: dict[str, dict[str, object]] = {
        "sessions": a_session(),
        "tickets": {"account_id": ACME, "kind": "psa", "id": "10045"},
        "users": a_user(id=COMMAND),
        "escalations": an_escalation(),
        "audit_log": an_audit(),
        "account_audit": an_account_audit(),
        "dead_letters": a_dead_letter(),
    }
    row = rows[table] | more | {column: "other"}
    assert await refusal(tx, table, **row) == f"{table}_{column}_check"


# -- what fits together ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("other", ["flow", "proposal"])
async def test_a_session_walks_what_its_kind_says_and_nothing_else(
    tx: asyncpg.Connection, kind: str, other: str
) -> None:
    if kind == other:
        session = a_session(kind=kind)
    else:
        session = a_session(kind=kind, **TARGETS[kind] | TARGETS[other])
    assert await refusal(tx, "sessions", **session) == "sessions_target_check"


async def test_a_flow_session_stays_on_a_version(tx: asyncpg.Connection) -> None:
    session = a_session(kind="flow", flow_id=FLOW)
    assert await refusal(tx, "sessions", **session) == "sessions_target_check"
    session = a_session(kind="flow", flow_id=FLOW, flow_version=2)
    assert await refusal(tx, "sessions", **session) == "sessions_flow_fkey"


async def test_an_ai_built_walk_has_a_problem(tx: asyncpg.Connection) -> None:
    session = a_session(kind="ai_build")
    assert await refusal(tx, "sessions", **session) == "sessions_problem_check"


async def test_nothing_of_another_account_is_walked(tx: asyncpg.Connection) -> None:
    session = a_session(kind="flow", flow_id=GLOBEX_FLOW, flow_version=1)
    assert await refusal(tx, "sessions", **session) == "sessions_flow_fkey"
    session = a_session(created_by=GLOBEX_TECH)
    assert await refusal(tx, "sessions", **session) == "sessions_creator_fkey"
    session = a_session(account_id=GLOBEX, created_by=GLOBEX_TECH, kind="proposal")
    session["flow_proposal_id"] = PROPOSAL
    assert await refusal(tx, "sessions", **session) == "sessions_proposal_fkey"


@pytest.mark.parametrize(
    ("status", "more"),
    [
        ("active", {"ended_at": NOW}),
        ("active", {"resolution_notes": "Solved."}),
        ("active", {"helpful": True}),
        ("active", {"reason": "Too hard."}),
        ("active", {"reason_category": "network"}),
        ("resolved", {"ended_at": None}),
        ("resolved", {"resolution_notes": None}),
        ("resolved", {"reason": "Too hard."}),
        ("resolved", {"reason_category": "network"}),
        ("escalated", {"ended_at": None}),
        ("escalated", {"reason_category": None}),
        ("escalated", {"helpful": False}),
        ("escalated", {"resolution_notes": "Solved."}),
        ("abandoned", {"ended_at": None}),
        ("abandoned", {"helpful": True}),
        ("abandoned", {"reason_category": "network"}),
    ],
)
async def test_an_outcome_has_what_belongs_to_it_and_nothing_else(
    tx: asyncpg.Connection, status: str, more: dict[str, object]
) -> None:
    session = a_session(status=status, **OUTCOMES[status] | more)
    assert await refusal(tx, "sessions", **session) == "sessions_outcome_check"


async def test_a_ticket_has_at_most_one_active_session(tx: asyncpg.Connection) -> None:
    await insert(tx, "sessions", **a_session())
    second = a_session(id=OTHER_SESSION)
    assert await refusal(tx, "sessions", **second) == "sessions_one_active_per_ticket"
    await insert(tx, "sessions", **second | {"status": "abandoned", "ended_at": NOW})
    await tx.execute(
        "update sessions set status = 'abandoned', ended_at = $1 where id = $2", NOW, SESSION
    )
    await tx.execute(
        "update sessions set status = 'active', ended_at = null where id = $1", OTHER_SESSION
    )


async def test_accounts_and_kinds_keep_equal_ticket_ids_apart(tx: asyncpg.Connection) -> None:
    await insert(tx, "sessions", **a_session(ticket_id=TICKET))
    await insert(
        tx, "sessions", **a_session(id=OTHER_SESSION, ticket_id=TICKET, ticket_kind="internal")
    )
    of_globex = a_session(id=COMMAND, account_id=GLOBEX, created_by=GLOBEX_TECH, ticket_id=TICKET)
    await insert(tx, "sessions", **of_globex)


async def test_an_internal_ticket_belongs_to_one_account_and_has_a_uuid(
    tx: asyncpg.Connection,
) -> None:
    await insert(tx, "tickets", account_id=ACME, kind="internal", id=TICKET)
    doubled = await refusal(tx, "tickets", account_id=GLOBEX, kind="internal", id=TICKET)
    assert doubled == "tickets_internal_key"
    named = await refusal(tx, "tickets", account_id=ACME, kind="internal", id="10045")
    assert named == "tickets_internal_id_check"
    await insert(tx, "tickets", account_id=GLOBEX, kind="psa", id=TICKET)


# -- the queue of escalations ----------------------------------------------------------------


async def test_the_escalation_queue_comes_from_an_index_in_its_order(
    tx: asyncpg.Connection,
) -> None:
    definition = await tx.fetchval(
        "select indexdef from pg_indexes where indexname = 'escalations_queue'"
    )
    columns = "(account_id, last_activity_at DESC)"
    assert f"USING btree {columns} WHERE (status = ANY (ARRAY['open'" in definition
    # The table is empty: only the plan's shape is of interest.
    await tx.execute("set enable_seqscan = off")
    await tx.execute("set enable_bitmapscan = off")
    plan = await tx.fetch(
        """
        explain select session_id from escalations
        where account_id = $1 and status in ('open', 'claimed')
        order by last_activity_at desc limit 20
        """,
        ACME,
    )
    lines = "\n".join(line[0] for line in plan)
    assert "Index Scan using escalations_queue" in lines
    assert "Sort" not in lines


async def test_who_claimed_and_when_it_ended_fit_the_escalation(tx: asyncpg.Connection) -> None:
    await insert(tx, "sessions", **a_session(status="escalated", **OUTCOMES["escalated"]))
    claim: dict[str, object] = {"claimed_by": ENGINEER, "claimed_at": NOW}
    closed: dict[str, object] = {"resolution_notes": "Repaired."}
    handed_back: dict[str, object] = {"instructions": "Again.", "new_session_id": OTHER_SESSION}
    for status, more, check in (
        ("open", claim, "escalations_claim_check"),
        ("claimed", {}, "escalations_claim_check"),
        ("claimed", {"claimed_by": ENGINEER}, "escalations_claim_check"),
        ("claimed", claim | {"ended_at": NOW}, "escalations_end_check"),
        ("closed", claim | closed, "escalations_end_check"),
        ("handed_back", claim | handed_back, "escalations_end_check"),
        ("closed", claim | {"ended_at": NOW}, "escalations_outcome_check"),
        ("closed", claim | closed | handed_back | {"ended_at": NOW}, "escalations_outcome_check"),
        (
            "handed_back",
            claim | {"ended_at": NOW, "instructions": "Again."},
            "escalations_outcome_check",
        ),
        ("claimed", claim | closed, "escalations_outcome_check"),
        ("claimed", claim | {"claimed_by": GLOBEX_TECH}, "escalations_claimer_fkey"),
    ):
        escalation = an_escalation(status=status, **more)
        assert await refusal(tx, "escalations", **escalation) == check
    await insert(tx, "escalations", **an_escalation(status="claimed", **claim))


# -- what goes along -------------------------------------------------------------------------


async def test_an_account_takes_all_it_has_along(tx: asyncpg.Connection) -> None:
    await insert(tx, "recipients", account_id=ACME, reason_category="network", user_id=ENGINEER)
    await insert(tx, "tickets", account_id=ACME, kind="internal", id=TICKET)
    await insert(tx, "articles", id=COMMAND, account_id=ACME, title="Mail", body="Rules.")
    await insert(tx, "sessions", **a_session(kind="flow", **TARGETS["flow"]))
    ended = a_session(id=OTHER_SESSION, status="escalated", **OUTCOMES["escalated"])
    await insert(tx, "sessions", **ended | {"kind": "proposal", "flow_proposal_id": PROPOSAL})
    await insert(tx, "walk_steps", **a_step(1))
    await insert(tx, "session_notes", session_id=SESSION, notes=[])
    await insert(
        tx,
        "escalations",
        **an_escalation(
            session_id=OTHER_SESSION, status="claimed", claimed_by=ENGINEER, claimed_at=NOW
        ),
    )
    await insert(tx, "audit_log", **an_audit())
    await insert(tx, "account_audit", **an_account_audit())
    await insert(tx, "ticket_events_heard", **a_ticket_event())
    of_session = {"account_id": ACME, "session_id": SESSION, "version": 1}
    await insert(tx, "node_requests", request_id=COMMAND, requested_at=NOW, **of_session)
    await insert(tx, "served_nodes", session_id=SESSION, version=2, node={})
    claimed = {"claimed_at": NOW, "claimed_until": NOW, "claim_id": COMMAND, "holder": "one"}
    await insert(tx, "node_results", request_id=COMMAND, account_id=ACME, **claimed)
    used = {"model": "m", "input_tokens": 1, "output_tokens": 1, "cost_microdollars": 1}
    of_call = {"claim_id": COMMAND, "request_id": COMMAND, "account_id": ACME, "used_at": NOW}
    await insert(tx, "node_usage", **of_call, **used)
    await insert(tx, "proposal_drafts", flow_proposal_id=PROPOSAL, session_id=SESSION)

    await tx.execute("delete from accounts where id = $1", ACME)

    left = {
        table: await tx.fetchval(f'select count(*) from "{table}"')
        for table in await tables_of_accounts(tx)
    }
    # The other account's are still there.
    assert left.pop("users") == left.pop("flows") == left.pop("flow_versions") == 1
    assert set(left) == {
        *("recipients", "tickets", "articles", "flow_proposals", "ticket_events_heard"),
        *("sessions", "walk_steps", "session_notes", "escalations", "audit_log"),
        *("node_requests", "served_nodes", "node_results", "node_usage", "proposal_drafts"),
        "account_audit",
    }
    assert set(left.values()) == {0}


async def test_a_user_with_sessions_cannot_be_deleted(tx: asyncpg.Connection) -> None:
    await insert(tx, "sessions", **a_session())
    with pytest.raises(asyncpg.ForeignKeyViolationError) as refused:
        await tx.execute("delete from users where id = $1", TECH)
    assert refused.value.constraint_name == "sessions_creator_fkey"


async def test_a_user_without_sessions_can_be_deleted(tx: asyncpg.Connection) -> None:
    await insert(tx, "recipients", account_id=ACME, reason_category="network", user_id=ENGINEER)
    await tx.execute("delete from users where id = $1", ENGINEER)
    assert await tx.fetchval("select count(*) from recipients") == 0


@pytest.mark.parametrize(
    ("kind", "table", "id_", "constraint"),
    [
        ("flow", "flows", FLOW, "sessions_flow_fkey"),
        ("proposal", "flow_proposals", PROPOSAL, "sessions_proposal_fkey"),
    ],
)
async def test_what_sessions_walked_cannot_be_deleted(
    tx: asyncpg.Connection, kind: str, table: str, id_: str, constraint: str
) -> None:
    await insert(tx, "sessions", **a_session(kind=kind, **TARGETS[kind]))
    with pytest.raises(asyncpg.ForeignKeyViolationError) as refused:
        await tx.execute(f"delete from {table} where id = $1", id_)
    assert refused.value.constraint_name == constraint


# -- what an intake searches -----------------------------------------------------------------


@pytest.mark.parametrize("table", ["flow_versions", "flow_proposals"])
async def test_the_words_of_a_walk_are_those_of_its_title_category_and_nodes(
    tx: asyncpg.Connection, table: str
) -> None:
    nodes = {"n1": {"type": "question", "text": "Printers?", "options": [{"label": "Hidden"}]}}
    await tx.execute(f"update {table} set category = 'email', nodes = $1", json.dumps(nodes))
    words = await tx.fetchval(f"select words::text from {table} limit 1")
    assert words == "'email':2B 'mail':1A 'printer':3"


async def test_the_words_of_an_article_are_those_of_its_title_category_and_body(
    tx: asyncpg.Connection,
) -> None:
    await insert(tx, "articles", id=COMMAND, account_id=ACME, title="Mail", body="The rules.")
    assert await tx.fetchval("select words::text from articles") == "'mail':1A 'rule':3"


# -- the walk as one value -------------------------------------------------------------------


async def test_the_view_gives_the_walk_and_the_notes_as_json(tx: asyncpg.Connection) -> None:
    await insert(tx, "sessions", **a_session(version=3, steps=2))
    await insert(tx, "walk_steps", **a_step(2, node_id="n2", note="Twice.", option_id="y"))
    await insert(tx, "walk_steps", **a_step(1))
    await insert(tx, "session_notes", session_id=SESSION, notes=[{"text": "Called back."}])
    (row,) = await tx.fetch("select * from session_walks")
    assert row["version"] == 3
    assert row["walk_notes"] == [{"text": "Called back."}]
    first, second = row["walked_path"]
    assert first == {
        "node_id": "n1",
        "question": "Does it open?",
        "option_id": None,
        "answer": "No.",
        "note": None,
        "recorded_at": "2026-03-01T12:00:00+00:00",
    }
    assert (second["node_id"], second["note"], second["option_id"]) == ("n2", "Twice.", "y")


async def test_a_session_without_steps_or_notes_has_empty_ones(tx: asyncpg.Connection) -> None:
    await insert(tx, "sessions", **a_session())
    (row,) = await tx.fetch("select walked_path, walk_notes from session_walks")
    assert (row["walked_path"], row["walk_notes"]) == ([], [])


async def test_the_outcomes_of_a_flow_are_counted_by_version(tx: asyncpg.Connection) -> None:
    flow = TARGETS["flow"]
    helped = OUTCOMES["resolved"] | {"helpful": True}
    await insert(tx, "sessions", **a_session(kind="flow", status="resolved", **flow | helped))
    other = a_session(id=OTHER_SESSION, kind="flow", status="escalated", **flow)
    await insert(tx, "sessions", **other | OUTCOMES["escalated"])
    (row,) = await tx.fetch("select * from flow_outcomes")
    assert [*row.values()][1:] == [1, 2, 1, 0, 1, 0]
    assert await tx.fetch("select * from proposal_outcomes") == []


async def test_notes_are_an_array_of_at_most_256_kib(tx: asyncpg.Connection) -> None:
    await insert(tx, "sessions", **a_session())
    refused = await refusal(tx, "session_notes", session_id=SESSION, notes={})
    assert refused == "session_notes_array_check"
    filling = "x" * (262_144 - len('[""]'))
    refused = await refusal(tx, "session_notes", session_id=SESSION, notes=[filling + "x"])
    assert refused == "session_notes_size_check"
    await insert(tx, "session_notes", session_id=SESSION, notes=[filling])


# -- builders --------------------------------------------------------------------------------


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


async def tables_of_accounts(connection: asyncpg.Connection) -> list[str]:
    """The tables from which foreign keys lead to an account, over however many others."""
    rows = await connection.fetch(
        """
        with recursive owned as (
            select conrelid as id from pg_constraint
            where contype = 'f' and confrelid = 'accounts'::regclass
            union
            select c.conrelid from pg_constraint c join owned o on c.confrelid = o.id
            where c.contype = 'f'
        )
        select id::regclass::text as name from owned
        """
    )
    return [row["name"] for row in rows]


async def described(database_url: str) -> set[tuple[str, str, str]]:
    """Everything that the catalogues of Postgres say of the schema: kind, name, definition."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            """
            select 'table' as kind, c.relname as name,
                concat_ws(' ', c.relpersistence, c.reloptions::text) as definition
            from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
            union all
            select 'column', format('%s.%s', c.relname, a.attname), concat_ws(' ',
                row_number() over (partition by c.oid order by a.attnum),
                format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation,
                a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid))
            from pg_attribute a
            join pg_class c on c.oid = a.attrelid
            left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
            where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
                and a.attnum > 0 and not a.attisdropped
            union all
            -- not null is told with the columns; newer versions list it here as well
            select 'constraint', format('%s.%s', conrelid::regclass, conname),
                concat_ws(' ', pg_get_constraintdef(oid), condeferrable, convalidated)
            from pg_constraint
            where connamespace = 'public'::regnamespace and contype <> 'n'
            union all
            select 'index', indexname, indexdef from pg_indexes where schemaname = 'public'
            union all
            select 'sequence', sequencename,
                concat_ws(' ', data_type, start_value, increment_by, cache_size, cycle)
            from pg_sequences where schemaname = 'public'
            union all
            select 'view', viewname, definition from pg_views where schemaname = 'public'
            """
        )
    finally:
        await connection.close()
    # Alembic's own table comes first and stays to the end.
    return {tuple(row) for row in rows if "alembic_version" not in row["name"]}
