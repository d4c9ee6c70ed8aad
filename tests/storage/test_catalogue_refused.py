"""Catalogue files that are refused as a whole, each with all that is wrong with it."""

import json
from pathlib import Path

import pytest

from firstline.catalogue_file import _parse_yaml
from firstline.load import CatalogueError, read_file
from schemas.catalogue import RECIPIENT_LIMIT
from tests.storage.catalogue_files import (
    ARTICLE,
    NOBODY,
    NODES,
    Desk,
    Json,
    account,
    article,
    flow,
    proposal,
    recipient,
    ticket,
    user,
)
from tests.storage.rows import ACME, ENGINEER, FLOW, GLOBEX, GLOBEX_TECH, PROPOSAL, TECH, TICKET

WAYS: list[Json] = [
    {"id": "y", "label": "Yes", "next": "n9"},
    {"id": "n", "label": "No", "next": "esc"},
]
TOO_MANY = ["lead@acme.example"] * (RECIPIENT_LIMIT + 1)
STEP: Json = {"after_minutes": 30, "recipients": TOO_MANY}


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


async def test_nothing_is_loaded_for_an_account_that_is_being_deleted(desk: Desk) -> None:
    await desk.load(accounts=[account()])
    await desk.connection.execute("update accounts set ended_at = now()")
    told = "its deletion was broken off: run `firstline account delete` again first"
    assert await desk.refuse(accounts=[account()]) == [f"account {ACME}: {told}"]
    assert await desk.refuse(users=[user()]) == [f"account {ACME}: {told}"]


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


# -- files that can be read --------------------------------------------------------------------


def test_words_of_yaml_are_text_unless_they_are_true_or_false() -> None:
    """An answer is ``Yes`` more often than anything else."""
    read = _parse_yaml("{words: [Yes, no, On, off, y, true, False]}")
    assert read == {"words": ["Yes", "no", "On", "off", "y", True, False]}


# -- files that cannot be read ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("catalogue.txt", b"{}", "a catalogue is a .json, .yaml or .yml file"),
        ("catalogue.json", b"{", "cannot be read"),
        ("catalogue.json", b"[]", "The file: Input should be"),
        ("catalogue.json", b"\xff{}", "cannot be read"),
        ("catalogue.json", b"[" * 100_000, "cannot be read: it is nested too deeply$"),
        ("catalogue.json", b'{"users": [], "users": []}', "'users' is there more than once"),
        ("catalogue.yaml", b"", "The file: Input should be"),
        ("catalogue.yaml", b"users: [", r"cannot be read: expected [^\n]* \(line 1, column 9\)$"),
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
