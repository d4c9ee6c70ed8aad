"""Flows and accounts, as whoever runs an installation looks at them and ends them."""

import json

import psycopg
import pytest

from tests.builders import an_id
from tests.outside.forking import Ended
from tests.outside.program import Installation
from tests.outside.wire import Json
from tests.program.running import run_all

ACCOUNT, OWNER, TECH, FLOW = (an_id(0xACC0 + number) for number in range(4))
NODES: Json = {
    "n1": {"type": "action", "text": "Hang up.", "next": "done"},
    "done": {"type": "resolve", "text": "Solved."},
}
CATALOGUE: Json = {
    "accounts": [{"id": ACCOUNT, "name": "Initech", "categories": ["email"]}],
    "users": [
        {"id": OWNER, "account_id": ACCOUNT, "name": "Olga", "email": "o@x", "role": "owner"},
        {"id": TECH, "account_id": ACCOUNT, "name": "Terry", "email": "t@x", "role": "l1_tech"},
    ],
    "flows": [
        {
            "id": FLOW, "account_id": ACCOUNT, "version": 1, "title": "Phones", "category": None,
            "archived": False, "start": "n1", "nodes": NODES,
        }
    ],
}  # fmt: skip
NOBODY = an_id(0xACCF)
MAY_NOT = f"{TECH} is no owner or admin of account {ACCOUNT}, and nobody else may"


@pytest.fixture(scope="module")
def ended(installation: Installation) -> dict[str, Ended]:
    """Commands one after the other, where one builds on another; what each came to."""
    folder = installation.folder
    (folder / "initech.json").write_text(json.dumps(CATALOGUE))
    stuck = {"n1": NODES["n1"] | {"next": "n1"}}
    flow = CATALOGUE["flows"][0]
    (folder / "stuck.json").write_text(json.dumps({"flows": [flow | {"nodes": stuck}]}))

    def run(*commands: str) -> dict[str, Ended]:
        orders = [(command.split(), installation.environment) for command in commands]
        return dict(zip(commands, run_all(orders, folder), strict=True))

    return {
        **run("load initech.json"),
        **run(
            "flows lint initech.json",
            "flows lint stuck.json",
            f"flows show {FLOW}",
            f"flows show {NOBODY}",
            f"flows export {FLOW} --version 1",
            f"flows export {FLOW} --mermaid",
            f"categories get {ACCOUNT} --actor {OWNER}",
            f"categories get {ACCOUNT} --actor {TECH}",
            f"categories set {ACCOUNT} email --actor {TECH}",
            f"categories set {ACCOUNT} email email --actor {OWNER}",
            f"account delete {NOBODY} --yes",
            f"account delete {ACCOUNT}",
        ),
        **run(f"categories set {ACCOUNT} phones mail --actor {OWNER}"),
        **run(f"account delete {ACCOUNT} --yes"),
    }


def test_a_sound_file_is_fine_and_a_faulty_one_says_why(ended: dict[str, Ended]) -> None:
    assert ended["flows lint initech.json"] == Ended(
        0, "flows and proposals that are fine: 1\n", ""
    )
    faulty = ended["flows lint stuck.json"]
    assert (faulty.code, faulty.out) == (1, f"flows {FLOW}: 'n1' never reaches an end\n")


def test_in_a_pipe_a_flow_is_plain_text(ended: dict[str, Ended]) -> None:
    shown = ended[f"flows show {FLOW}"]
    assert shown.code == 0
    assert shown.out.splitlines()[-2:] == [
        "├── n1 action: Hang up.",
        "└── done resolve: Solved.",
    ]


def test_a_flow_is_exported_as_a_catalogue_and_as_a_chart(ended: dict[str, Ended]) -> None:
    exported = json.loads(ended[f"flows export {FLOW} --version 1"].out)
    assert exported == {"flows": CATALOGUE["flows"]}
    chart = ended[f"flows export {FLOW} --mermaid"].out.splitlines()
    assert chart == ["flowchart TD", '    n0["Hang up."]', '    n1(["Solved."])', "    n0 --> n1"]


def test_categories_are_read_and_replaced(ended: dict[str, Ended]) -> None:
    assert ended[f"categories get {ACCOUNT} --actor {OWNER}"] == Ended(0, "email\n", "")
    changed = ended[f"categories set {ACCOUNT} phones mail --actor {OWNER}"]
    assert changed == Ended(0, "changed\n", "")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (f"flows show {NOBODY}", f"there is no flow {NOBODY}"),
        (f"categories get {ACCOUNT} --actor {TECH}", MAY_NOT),
        (f"categories set {ACCOUNT} email --actor {TECH}", MAY_NOT),
        (
            f"categories set {ACCOUNT} email email --actor {OWNER}",
            "'email' is there more than once",
        ),
        (f"account delete {NOBODY} --yes", f"there is no account {NOBODY}"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    ended: dict[str, Ended], command: str, sentence: str
) -> None:
    assert ended[command] == Ended(1, "", f"firstline: {sentence}\n")


def test_an_account_is_deleted_once_that_was_said(
    ended: dict[str, Ended], installation: Installation
) -> None:
    asked = ended[f"account delete {ACCOUNT}"]
    counts = "users: 2, flows: 1, tickets: 0, sessions: 0"
    assert asked.out.startswith(f"Delete Initech ({counts})? [y/N]: ")
    assert asked.code == 1
    # It was there until then: changing its categories came after.
    assert ended[f"account delete {ACCOUNT} --yes"] == Ended(0, "deleted (sessions: 0)\n", "")
    with psycopg.connect(installation.database_url) as connection:
        found = connection.execute("select from accounts where id = %s", [ACCOUNT]).fetchall()
    assert found == []
