"""Loading catalogue files into a real Postgres."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from firstline.load import CatalogueError, load_file, read_file
from schemas.catalogue import RECIPIENT_LIMIT
from storage import catalogue, database
from storage.catalogue import Counts, Loaded

Json = dict[str, Any]

ACME = "00000000-0000-4000-8000-00000000000a"
GLOBEX = "00000000-0000-4000-8000-00000000000b"
NOBODY = "00000000-0000-4000-8000-00000000000c"
TECH = "00000000-0000-4000-8000-000000000001"
ENGINEER = "00000000-0000-4000-8000-000000000002"
GLOBEX_TECH = "00000000-0000-4000-8000-000000000003"
FLOW = "00000000-0000-4000-8000-000000000011"
PROPOSAL = "00000000-0000-4000-8000-000000000012"
TICKET = "00000000-0000-4000-8000-000000000021"
ARTICLE = "00000000-0000-4000-8000-000000000022"
SESSION = "00000000-0000-4000-8000-000000000031"

NODES: Json = {
    "n1": {
        "type": "question",
        "text": "Does the mailbox open?",
        "options": [
            {"id": "y", "label": "Yes", "next": "n2"},
            {"id": "n", "label": "No", "next": "esc"},
        ],
    },
    "n2": {"type": "action", "text": "Restart the client.", "next": "n3"},
    "n3": {"type": "article", "text": "Read this.", "article_id": ARTICLE, "next": "done"},
    "done": {"type": "resolve", "text": "Solved."},
    "esc": {"type": "escalate", "reason_category": "beyond_scope", "text": "Hand over."},
}
WAYS: list[Json] = [
    {"id": "y", "label": "Yes", "next": "n9"},
    {"id": "n", "label": "No", "next": "esc"},
]
TOO_MANY = ["lead@acme.example"] * (RECIPIENT_LIMIT + 1)
STEP: Json = {"after_minutes": 30, "recipients": TOO_MANY}
NOTHING = Counts(0, 0, 0)


class Desk:
    """A folder for catalogue files, and the database that they are loaded into."""

    def __init__(self, folder: Path, url: str, connection: asyncpg.Connection) -> None:
        self.url = url
        self.connection = connection
        self._folder = folder

    def file(self, content: Json) -> Path:
        path = self._folder / f"{len(list(self._folder.iterdir()))}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    async def load(self, **sections: list[Json]) -> dict[str, Counts]:
        """Load a file; return the tables for which it had anything."""
        loaded = await load_file(self.file(sections), self.url)
        return {table: counts for table, counts in loaded.tables.items() if counts != NOTHING}

    async def refuse(self, **sections: list[Json]) -> list[str]:
        """Load a file that is refused; return the problems, once nothing is seen to be written."""
        before = await self._everything()
        with pytest.raises(CatalogueError) as refused:
            await self.load(**sections)
        assert await self._everything() == before
        assert str(refused.value) == "\n".join(refused.value.problems)
        return list(refused.value.problems)

    async def row(self, table: str) -> Json:
        """The only row of a table."""
        (row,) = await self.connection.fetch(f'select * from "{table}"')
        return dict(row)

    async def _everything(self) -> list[Any]:
        names = [row["name"] for row in await self.connection.fetch(_TABLES)]
        return [
            await self.connection.fetch(f'select * from "{name}" as t order by t::text')
            for name in names
        ]


_TABLES = "select tablename as name from pg_tables where schemaname = 'public' order by 1"


@pytest.fixture
async def desk(tmp_path: Path, database_url: str) -> AsyncIterator[Desk]:
    connection = await asyncpg.connect(database_url)
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads
    )
    yield Desk(tmp_path, database_url, connection)
    await connection.close()


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


# -- what does not hold together -------------------------------------------------------------


async def test_everything_that_refers_to_nothing_is_told_at_once(desk: Desk) -> None:
    await desk.load(accounts=[account(), account(id=GLOBEX)])
    foreign = {"account_id": ACME, "reason_category": "network"}
    problems = await desk.refuse(
        users=[user(account_id=NOBODY), user(id=GLOBEX_TECH, account_id=GLOBEX)],
        recipients=[{**foreign, "user_id": GLOBEX_TECH}, {**foreign, "user_id": ENGINEER}],
        flows=[flow(account_id=NOBODY, start="done", nodes={"done": NODES["done"]})],
        flow_proposals=[proposal(nodes=NODES, start="n1")],
        articles=[article(account_id=GLOBEX)],
        accounts=[account(policy={"intake_actor_id": GLOBEX_TECH})],
    )
    assert problems == [
        f"user {TECH}: there is no account {NOBODY}",
        f"flow {FLOW}: there is no account {NOBODY}",
        f"recipient for network: account {ACME} has no user {GLOBEX_TECH}",
        f"recipient for network: account {ACME} has no user {ENGINEER}",
        f"account {ACME}: intake_actor_id: the account has no user {GLOBEX_TECH}",
        f"proposal {PROPOSAL}: account {ACME} has no article {ARTICLE}",
    ]


async def test_every_typo_is_told_at_once_and_by_place(desk: Desk) -> None:
    nodes = {"n1": NODES["n1"] | {"options": [{"id": "y", "lable": "Yes", "next": "n1"}]}}
    problems = await desk.refuse(
        acounts=[],
        accounts=[account(id=ACME.replace("-", ""))],
        users=[user(role="boss"), user(id=ENGINEER, l1_coverage="yes")],
        recipients=[{"account_id": ACME, "reason_category": "x" * 31, "user_id": TECH}],
        flows=[flow(nodes=nodes, start="n1")],
        flow_proposals=[proposal(nodes={"d": {"type": "resolved", "text": "Done."}})],
        tickets=[ticket(title="")],
        articles=[article(body="x" * 20_001)],
    )
    assert [problem.split(": ")[0] for problem in problems] == [
        f"accounts {ACME.replace('-', '')}, id",
        f"users {TECH}, role",
        f"users {ENGINEER}, l1_coverage",
        "recipients[0], reason_category",
        f"flows {FLOW}, nodes.n1.options.0.label",
        f"flows {FLOW}, nodes.n1.options.0.lable",
        f"flow_proposals {PROPOSAL}, nodes.d",
        f"tickets {TICKET}, title",
        f"articles {ARTICLE}, body",
        "acounts",
        f"flows {FLOW}",
    ]


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"flows": [{"start": "n0"}]}, f"flows {FLOW}: the start 'n0' is not one of the nodes"),
        (
            {"flows": [{"nodes": NODES | {"n1": NODES["n1"] | {"options": WAYS}}}]},
            f"flows {FLOW}: 'n1' leads to 'n9', which is not one of the nodes",
        ),
        ({"flows": [{}, {}]}, f"flows: version 1 of {FLOW} is there more than once"),
        (
            {"flows": [{}, {"version": 2, "archived": True}]},
            f"flows: the versions of {FLOW} differ in account_id or archived",
        ),
        ({"users": [{}, {}]}, f"users: {TECH} is there more than once"),
        ({"recipients": [{}, {}]}, f"recipients: {TECH} is there more than once for network"),
        ({"accounts": {}}, "accounts: Input should be a valid list"),
        ({"flows": [{"version": 0}]}, "greater than or equal to 1"),
        ({"flows": [{"version": 2**31}]}, "less than or equal to"),
        ({"flows": [{"nodes": {}}]}, f"flows {FLOW}, nodes: "),
        ({"users": [{"name": "\0"}]}, f"users {TECH}, name: "),
        ({"users": [{"name": "\ud800"}]}, f"users {TECH}, name: "),
        ({"users": [{"email": "terry"}]}, f"users {TECH}, email: "),
        ({"users": [{"deleted_at": "2026-01-01"}]}, f"users {TECH}, deleted_at: "),
        ({"users": ["terry"]}, "users[0]: "),
        ({"accounts": [{"default_recipients": TOO_MANY}]}, f"accounts {ACME}, default_recipients"),
        ({"accounts": [{"policy": {"escalation": [STEP]}}]}, "policy.escalation.0.recipients"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    tmp_path: Path, sections: Json, problem: str
) -> None:
    of = {"users": user, "flows": flow, "accounts": account, "recipients": recipient}
    content = {
        name: [of[name](**entry) if isinstance(entry, dict) else entry for entry in entries]
        if isinstance(entries, list)
        else entries
        for name, entries in sections.items()
    }
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(CatalogueError) as refused:
        read_file(path)
    (told,) = refused.value.problems
    assert problem in told


def test_a_node_that_no_reply_could_carry_is_refused(tmp_path: Path) -> None:
    options = [{"id": str(number), "label": "x" * 20_000, "next": "n"} for number in range(14)]
    nodes = {"n": {"type": "question", "text": "Which?", "options": options}}
    path = tmp_path / "catalogue.json"
    path.write_text(json.dumps({"flows": [flow(start="n", nodes=nodes)]}), encoding="utf-8")
    with pytest.raises(CatalogueError, match="node n has more than 262144 bytes"):
        read_file(path)


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


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("catalogue.txt", b"{}", "a catalogue is a .json, .yaml or .yml file"),
        ("catalogue.json", b"{", "cannot be read"),
        ("catalogue.json", b"[]", "The file: Input should be"),
        ("catalogue.json", b"\xff{}", "cannot be read"),
        ("catalogue.json", b"[" * 100_000, "cannot be read"),
        ("catalogue.json", b'{"users": [], "users": []}', "'users' is there more than once"),
        ("catalogue.yaml", b"", "The file: Input should be"),
        ("catalogue.yaml", b"users: [", "cannot be read"),
        ("catalogue.yml", b"users: []\nusers: []\n", "'users' is there more than once"),
        ("catalogue.yaml", b"users: !!python/object:os.system []", "cannot be read"),
        ("catalogue.yaml", b"? [a]\n: b\n", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CatalogueError, match=problem):
        read_file(path)


def test_a_file_that_is_not_there_is_told_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"nowhere\.yaml cannot be read"):
        read_file(tmp_path / "nowhere.yaml")


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


async def test_a_category_has_no_more_recipients_than_a_notification_can_name(desk: Desk) -> None:
    """Whichever files they came in; who left is not told, and counts again on coming back."""
    ids = [f"00000000-0000-4000-9000-{number:012}" for number in range(RECIPIENT_LIMIT + 1)]
    people = [user(id=one) for one in ids]
    told = [recipient(user_id=one) for one in ids]
    problem = f"recipients for network: account {ACME} would have 201, at most 200 may be"
    await desk.load(accounts=[account()], users=people)
    assert await desk.refuse(recipients=told) == [problem]
    await desk.load(recipients=told[:-1])
    assert await desk.refuse(recipients=told[-1:]) == [problem]
    await desk.load(users=[people[0] | {"deleted_at": "2026-01-01T00:00:00Z"}])
    await desk.load(recipients=[*told[-1:], recipient(reason_category="email")], users=[user()])
    assert await desk.refuse(users=people[:1]) == [problem]


# -- builders --------------------------------------------------------------------------------


def everything() -> dict[str, list[Json]]:
    return {
        "accounts": [account(), account(id=GLOBEX, name="Globex")],
        "users": [
            user(),
            user(id=ENGINEER, name="Erin", role="engineer"),
            user(id=GLOBEX_TECH, account_id=GLOBEX, name="Gus"),
        ],
        "recipients": [recipient(user_id=ENGINEER)],
        "flows": [flow(), flow(version=2, title="Mail, again", category=None)],
        "flow_proposals": [proposal()],
        "tickets": [ticket()],
        "articles": [article()],
    }


def account(**more: object) -> Json:
    return {"id": ACME, "name": "Acme MSP", "categories": ["email"]} | more


def user(**more: object) -> Json:
    person = {"id": TECH, "account_id": ACME, "name": "Terry", "email": "terry@acme.example"}
    return person | {"role": "l1_tech"} | more


def recipient(**more: object) -> Json:
    return {"account_id": ACME, "reason_category": "network", "user_id": TECH} | more


def flow(**more: object) -> Json:
    walk = {"id": FLOW, "account_id": ACME, "version": 1, "title": "Mail", "category": "email"}
    return walk | {"archived": False, "start": "n1", "nodes": NODES} | more


def proposal(**more: object) -> Json:
    walk = {"id": PROPOSAL, "account_id": ACME, "title": "Printer offline"}
    return walk | {"start": "d", "nodes": {"d": {"type": "resolve", "text": "Plug it in."}}} | more


def ticket(**more: object) -> Json:
    return {"id": TICKET, "account_id": ACME, "title": "Mail is gone"} | more


def article(**more: object) -> Json:
    return {"id": ARTICLE, "account_id": ACME, "title": "Mail rules", "body": "Rules."} | more
