"""What the schema refuses, in a real Postgres."""

import json

import asyncpg
import pytest

from tests.storage.rows import (
    ACME,
    COMMAND,
    ENGINEER,
    FLOW,
    GLOBEX,
    GLOBEX_FLOW,
    GLOBEX_TECH,
    NOW,
    OTHER_SESSION,
    PROPOSAL,
    SESSION,
    TECH,
    TICKET,
    a_dead_letter,
    a_session,
    a_step,
    a_ticket_event,
    a_user,
    an_account_audit,
    an_audit,
    an_escalation,
    insert,
    refusal,
)

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
