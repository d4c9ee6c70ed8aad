"""`firstline session` shows everything about one session, and nothing acts on the terminal."""

import asyncio
import json

import asyncpg
import pytest
from rich.console import Console

from firstline.commands import looking
from firstline.looking import ask
from firstline.looking.session import as_json, tree
from firstline.servers import Servers
from tests.builders import NOW, OTHER_SESSION, SESSION, TECH, an_id
from tests.looking.catalogue import CLAIMED_SESSION, POISONED, RETURNED_SESSION, furnish


@pytest.fixture
async def desk(database_url: str) -> str:
    await furnish(database_url)
    return database_url


async def _shown(database_url: str, session_id: str) -> str:
    console = Console(width=120, force_terminal=False)
    with console.capture() as capture:
        console.print(tree(session_id, await ask.session(database_url, session_id)))
    return capture.get()


async def test_the_tree_holds_state_walk_notes_audit_and_escalation(desk: str) -> None:
    shown = [line.rstrip() for line in (await _shown(desk, SESSION)).splitlines()]
    assert shown == [
        f"session {SESSION}",
        "├── status: escalated",
        "├── version: 3",
        "├── kind: flow Mail does not arrive 1",
        "├── account: Acme MSP 00000000-0000-4000-8000-00000000000a",
        "├── ticket: psa 10045",
        f"├── started: 2026-03-01 12:00:00Z by Terry \\u001b[2Jgone\\u0007 {TECH}",
        "├── ended: 2026-03-01 12:00:00Z",
        "├── reason category: network",
        "├── reason: \\u001b[2Jgone\\u0007",
        "├── walk, 1 step",
        "│   └──   1 2026-03-01 12:00:00Z n1",
        "│       Is the cable in?",
        "│       → Yes (y)",
        "│       note: One",
        "│       \\u001b[2Jgone\\u0007",
        "├── notes, 1",
        '│   └── {"text": "Called back \\u001b[31m"}',
        "├── audit trail",
        f"│   └── 2026-03-01 12:00:00Z session.escalate by Terry {TECH} l1_coverage",
        "└── escalation open",
        f"    └── by: Terry \\u001b[2Jgone\\u0007 {TECH}",
    ]


async def test_what_goes_into_a_pipe_is_whole(
    desk: str,
    servers: Servers,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever searches it for a text, or for an id, finds it in one line."""
    connection = await asyncpg.connect(desk)
    note = "Called back. " * 40
    await connection.execute("update walk_steps set note = $1", note)
    await connection.close()
    monkeypatch.setenv("FIRSTLINE_KAFKA_BOOTSTRAP", servers.kafka_bootstrap)
    monkeypatch.setenv("FIRSTLINE_DATABASE_URL", desk)
    monkeypatch.setattr("firstline.logs.configure", lambda _: None)
    await asyncio.to_thread(looking.session, SESSION)
    await asyncio.to_thread(looking.queue)
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert f"│       note: {note}".rstrip() in lines
    (waiting,) = [line for line in lines if line.endswith(OTHER_SESSION)]
    assert "network  psa 10046" in waiting


async def test_what_has_nothing_to_show_has_no_branch(desk: str) -> None:
    shown = await _shown(desk, OTHER_SESSION)
    assert "walk" not in shown
    assert "notes" not in shown
    assert "parked" not in shown


async def test_a_claimed_escalation_says_by_whom(desk: str) -> None:
    assert "claimed: 2026-03-01 12:00:00Z by Eve" in await _shown(desk, CLAIMED_SESSION)


async def test_an_escalation_that_was_handed_back_says_where_it_goes_on(desk: str) -> None:
    shown = await _shown(desk, RETURNED_SESSION)
    assert "escalation handed_back" in shown
    assert "told again: 2 times" in shown
    assert "instructions: \\u001b[2Jgone\\u0007" in shown
    assert f"goes on in: {OTHER_SESSION}" in shown


async def test_a_session_whose_start_is_poison_shows_what_is_parked(desk: str) -> None:
    shown = await _shown(desk, POISONED)
    assert f"session {POISONED} does not exist: its commands are parked" in shown
    assert "parked, 2 commands" in shown
    assert f"poison command {an_id(0x200)}, firstline.commands.chat/3 at 0" in shown
    assert f"parked command {an_id(0x201)}, firstline.commands.chat/3 at 1" in shown


async def test_the_json_holds_the_same(desk: str) -> None:
    text = as_json(await ask.session(desk, SESSION))
    assert "\x1b" not in text
    told = json.loads(text)
    assert told["session"]["started_at"] == "2026-03-01T12:00:00Z"
    assert [step["answer"] for step in told["walk"]] == ["Yes"]
    assert told["notes"] == [{"text": "Called back \x1b[31m"}]
    assert told["audit"][0]["details"] == {"reason_category": "network"}
    assert told["escalation"]["status"] == "open"
    assert told["parked"] == []


@pytest.mark.parametrize(
    ("session_id", "sentence"),
    [
        (an_id(0x99), f"there is no session {an_id(0x99)}"),
        (SESSION.upper().replace("0031", "00AB"), "is no id: ids are lower-case, 8-4-4-4-12"),
        ("' or 1=1", "is no id: ids are lower-case, 8-4-4-4-12"),
    ],
)
async def test_an_id_that_names_nothing_is_one_sentence(
    desk: str, session_id: str, sentence: str
) -> None:
    with pytest.raises(ask.NothingToShow, match=sentence):
        await ask.session(desk, session_id)


async def test_a_walk_that_is_kept_no_longer_is_said_to_be_so(desk: str) -> None:
    connection = await asyncpg.connect(desk)
    await connection.execute("delete from walk_steps")
    await connection.execute("delete from session_notes")
    await connection.execute("update sessions set walk_pruned_at = $1 where id = $2", NOW, SESSION)
    await connection.close()
    shown = await _shown(desk, SESSION)
    assert "walk, 1 step: kept no longer: deleted 2026-03-01 12:00:00Z, as the notes" in shown
    told = json.loads(as_json(await ask.session(desk, SESSION)))
    assert told["session"]["walk_pruned_at"] == "2026-03-01T12:00:00Z"
    assert (told["session"]["steps"], told["walk"]) == (1, [])
