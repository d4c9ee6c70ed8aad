"""Loading catalogue files into a real Postgres."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firstline.load import CatalogueError, load_file
from schemas.catalogue import RECIPIENT_LIMIT
from storage import catalogue, database
from storage.catalogue import Counts, Loaded
from tests.storage.catalogue_files import (
    NODES,
    Desk,
    Json,
    account,
    article,
    everything,
    flow,
    proposal,
    ticket,
    user,
)
from tests.storage.rows import ACME, ENGINEER, FLOW, GLOBEX, SESSION, TECH, TICKET

# -- what a load does ------------------------------------------------------------------------


async def test_a_whole_file_is_loaded_and_told_by_table(desk: Desk) -> None:
    assert await desk.load(**everything()) == {
        "accounts": Counts(2, 0, 0),
        "users": Counts(3, 0, 0),
        "recipients": Counts(1, 0, 0),
        "articles": Counts(1, 0, 0),
        "flows": Counts(1, 0, 0),
        "flow_versions": Counts(2, 0, 0),
        "tickets": Counts(1, 0, 0),
        "flow_proposals": Counts(1, 0, 0),
    }
    version = await desk.connection.fetchrow("select * from flow_versions where version = 2")
    assert version["nodes"] == NODES
    assert (version["title"], version["category"], version["start"]) == ("Mail, again", None, "n1")
    ticket = await desk.row("tickets")
    assert (ticket["kind"], ticket["id"], ticket["status"]) == ("internal", TICKET, "open")


async def test_the_same_file_again_changes_nothing(desk: Desk) -> None:
    added = await desk.load(**everything())
    assert await desk.load(**everything()) == {
        table: Counts(0, 0, counts.added) for table, counts in added.items()
    }


async def test_an_entry_that_differs_is_changed_and_the_others_are_not(desk: Desk) -> None:
    await desk.load(**everything())
    changed = await desk.load(
        accounts=[account(name="Acme Ltd", default_recipients=["night@acme.example"])],
        users=[user(), user(id=ENGINEER, name="Erin", role="engineer", l1_coverage=True)],
        articles=[article(body="Rules move mail.")],
    )
    assert changed == {
        "accounts": Counts(0, 1, 0),
        "users": Counts(0, 1, 1),
        "articles": Counts(0, 1, 0),
    }
    acme = await desk.connection.fetchrow("select * from accounts where id = $1", ACME)
    assert (acme["name"], acme["default_recipients"]) == ("Acme Ltd", ["night@acme.example"])


async def test_what_an_entry_leaves_out_has_its_default(desk: Desk) -> None:
    await desk.load(accounts=[account(categories=["email"], default_recipients=["a@b"])])
    await desk.load(accounts=[{"id": ACME, "name": "Acme MSP"}])
    acme = await desk.row("accounts")
    assert (acme["categories"], acme["default_recipients"]) == ([], [])


async def test_a_file_may_build_on_what_was_loaded_before(desk: Desk) -> None:
    await desk.load(accounts=[account()])
    await desk.load(users=[user()])
    loaded = await desk.load(
        recipients=[{"account_id": ACME, "reason_category": "network", "user_id": TECH}]
    )
    assert loaded == {"recipients": Counts(1, 0, 0)}


async def test_an_empty_file_loads_nothing(desk: Desk) -> None:
    assert await desk.load() == {}


async def test_a_policy_is_kept_with_the_defaults_of_what_it_leaves_out(desk: Desk) -> None:
    steps = [{"after_minutes": 30, "recipients": ["lead@acme.example"]}]
    policy = {"idle_hours": {"flow": 8}, "escalation": steps, "intake_actor_id": TECH}
    await desk.load(accounts=[account(policy=policy)], users=[user()])
    assert (await desk.row("accounts"))["policy"] == {
        "idle_hours": {"flow": 8, "proposal": 24, "adhoc": 24, "ai_build": 24},
        "escalation": steps,
        "silent_minutes": None,
        "intake_actor_id": TECH,
        "ai_nodes_per_day": None,
        "ai_microdollars_per_day": None,
    }
    assert await desk.load(accounts=[account(policy=policy)]) == {"accounts": Counts(0, 0, 1)}
    assert await desk.load(accounts=[account()]) == {"accounts": Counts(0, 1, 0)}


async def test_a_node_may_show_something_to_read_that_is_no_article(desk: Desk) -> None:
    nodes = NODES | {"n3": {"type": "article", "text": "Read the sign.", "next": "done"}}
    await desk.load(accounts=[account()], flow_proposals=[proposal(nodes=nodes, start="n1")])
    assert (await desk.row("flow_proposals"))["nodes"] == nodes


async def test_when_somebody_left_is_a_moment(desk: Desk) -> None:
    left = user(deleted_at="2026-01-01t01:00:60.5+01:00")
    await desk.load(accounts=[account()], users=[left])
    moment = datetime(2026, 1, 1, 0, 0, 59, 500_000, tzinfo=UTC)
    assert (await desk.row("users"))["deleted_at"] == moment
    assert await desk.load(users=[left]) == {"users": Counts(0, 0, 1)}
    assert await desk.load(users=[user()]) == {"users": Counts(0, 1, 0)}
    assert (await desk.row("users"))["deleted_at"] is None


# -- what never changes ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "noun"),
    [
        ("users", "user"),
        ("flows", "flow"),
        ("flow_proposals", "proposal"),
        ("tickets", "ticket"),
        ("articles", "article"),
    ],
)
async def test_an_account_id_never_changes(desk: Desk, section: str, noun: str) -> None:
    await desk.load(**everything())
    entry = {**everything()[section][0], "account_id": GLOBEX}
    if "nodes" in entry:
        entry |= {"start": "done", "nodes": {"done": NODES["done"]}, "version": 9}
    if section == "flow_proposals":
        del entry["version"]
    assert await desk.refuse(**{section: [entry]}) == [
        f"{noun} {entry['id']}: belongs to account {ACME}, and an account_id never changes"
    ]


async def test_the_status_of_a_ticket_that_exists_is_kept(desk: Desk) -> None:
    await desk.load(**everything())
    await desk.connection.execute(
        "update tickets set status = 'resolved', resolution_notes = 'Solved.'"
    )
    assert await desk.load(tickets=[ticket(status="closed")]) == {"tickets": Counts(0, 0, 1)}
    assert await desk.load(tickets=[ticket(title="Mail lost")]) == {"tickets": Counts(0, 1, 0)}
    row = await desk.row("tickets")
    assert (row["title"], row["status"], row["resolution_notes"]) == (
        *("Mail lost", "resolved", "Solved."),
    )


async def test_a_ticket_of_a_psa_may_have_the_same_id(desk: Desk) -> None:
    await desk.load(accounts=[account(), account(id=GLOBEX)])
    await desk.connection.execute(
        "insert into tickets (account_id, kind, id) values ($1, 'psa', $2)", GLOBEX, TICKET
    )
    assert await desk.load(tickets=[ticket()]) == {"tickets": Counts(1, 0, 0)}


@pytest.mark.parametrize(
    "other", [{"title": "Post"}, {"category": "network"}, {"start": "n2"}, {"nodes": "shorter"}]
)
async def test_a_flow_version_never_changes(desk: Desk, other: Json) -> None:
    await desk.load(**everything())
    if "nodes" in other:
        other = {"start": "done", "nodes": {"done": NODES["done"]}}
    (problem,) = await desk.refuse(flows=[flow() | other])
    assert problem.startswith(f"flow {FLOW}: version 1 was loaded with other content")


async def test_a_new_version_of_a_flow_is_a_new_row(desk: Desk) -> None:
    await desk.load(**everything())
    assert await desk.load(flows=[flow(version=7, title="Post")]) == {
        "flows": Counts(0, 0, 1),
        "flow_versions": Counts(1, 0, 0),
    }
    rows = await desk.connection.fetch("select version, title from flow_versions order by 1")
    assert [tuple(row) for row in rows] == [(1, "Mail"), (2, "Mail, again"), (7, "Post")]


async def test_a_flow_is_archived_and_brought_back(desk: Desk) -> None:
    await desk.load(**everything())
    for archived in (True, False):
        assert await desk.load(flows=[flow(archived=archived)]) == {
            "flows": Counts(0, 1, 0),
            "flow_versions": Counts(0, 0, 1),
        }
        assert (await desk.row("flows"))["archived"] is archived


async def test_a_proposal_once_validated_by_an_outcome_stays_so(desk: Desk) -> None:
    await desk.load(**everything())
    await desk.connection.execute("update flow_proposals set validated_by_outcome = true")
    assert await desk.load(flow_proposals=[proposal()]) == {"flow_proposals": Counts(0, 0, 1)}
    renamed = proposal(title="Toner", validated_by_outcome=False)
    assert await desk.load(flow_proposals=[renamed]) == {"flow_proposals": Counts(0, 1, 0)}
    row = await desk.row("flow_proposals")
    assert (row["title"], row["validated_by_outcome"]) == ("Toner", True)


async def test_the_nodes_of_a_proposal_may_change(desk: Desk) -> None:
    await desk.load(**everything())
    rewritten = proposal(start="done", nodes={"done": NODES["done"]}, validated_by_outcome=True)
    assert await desk.load(flow_proposals=[rewritten]) == {"flow_proposals": Counts(0, 1, 0)}
    row = await desk.row("flow_proposals")
    assert (row["nodes"], row["validated_by_outcome"]) == ({"done": NODES["done"]}, True)


# -- files -----------------------------------------------------------------------------------


async def test_json_and_yaml_are_the_same(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(
        f"""
        accounts: [{{id: {ACME}, name: Acme MSP}}]
        users:
          - id: {TECH}
            account_id: {ACME}
            name: Terry
            email: terry@acme.example
            role: l1_tech
            deleted_at: 2026-01-01T00:00:00+00:00
        """,
        encoding="utf-8",
    )
    loaded = await load_file(path, desk.url)
    assert loaded.tables["users"] == Counts(1, 0, 0)
    same = user(deleted_at="2026-01-01T00:00:00+00:00")
    assert await desk.load(users=[same]) == {"users": Counts(0, 0, 1)}


# -- several at once -------------------------------------------------------------------------


async def test_of_two_loads_of_a_file_at_once_one_finds_everything_there(desk: Desk) -> None:
    path = desk.file(everything())
    loads = await asyncio.gather(*(load_file(path, desk.url) for _ in range(2)))
    assert {load.tables["users"] for load in loads} == {Counts(3, 0, 0), Counts(0, 0, 3)}


async def test_of_two_loads_that_contradict_each_other_one_is_refused(desk: Desk) -> None:
    await desk.load(accounts=[account()], articles=[article()])
    titles = ("Mail", "Post", "Letters")
    paths = [desk.file({"flows": [flow(title=title)]}) for title in titles]
    done = await asyncio.gather(
        *(load_file(path, desk.url) for path in paths), return_exceptions=True
    )
    assert sum(isinstance(outcome, Loaded) for outcome in done) == 1
    assert sum(isinstance(outcome, CatalogueError) for outcome in done) == 2


async def test_a_load_does_not_hold_up_whoever_starts_a_session(desk: Desk) -> None:
    await desk.load(**everything())
    engine = database.connect(desk.url)
    row = {"id": ACME, "name": "Acme", "default_recipients": [], "categories": [], "policy": {}}
    async with engine.begin() as connection:
        loaded = await catalogue.load(connection, {"accounts": [row]}, RECIPIENT_LIMIT)
        assert loaded.tables["accounts"] == Counts(0, 1, 0)
        await desk.connection.execute("set lock_timeout = '1s'")
        await desk.connection.execute(
            """
            insert into sessions (
                id, account_id, created_by, ticket_kind, ticket_id, kind, flow_id, flow_version,
                started_at, status, version, steps, last_activity_at
            ) values ($1, $2, $3, 'internal', $4, 'flow', $5, 2, $6, 'active', 1, 0, $6)
            """,
            *(SESSION, ACME, TECH, TICKET, FLOW, datetime.now(UTC) - timedelta(minutes=1)),
        )
    await engine.dispose()
