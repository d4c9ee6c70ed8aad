"""`firstline queue` shows who waits for an engineer, oldest first."""

import json
from datetime import timedelta

import pytest
from rich.console import Console

from firstline.looking import ask
from firstline.looking.queue import age, as_json, table
from storage import looking
from storage.database import begin, connect
from tests.builders import ACME, GLOBEX, NOW, OTHER_SESSION, SESSION
from tests.looking.catalogue import GLOBEX_SESSION, furnish


@pytest.fixture
async def desk(database_url: str) -> str:
    await furnish(database_url)
    return database_url


async def _queue(database_url: str, account_id: str | None = None) -> list[looking.Row]:
    engine = connect(database_url, pool_size=1)
    try:
        async with begin(engine) as tx:
            return await looking.queue(tx, account_id, NOW)
    finally:
        await engine.dispose()


async def test_who_waits_longest_is_first_and_who_is_claimed_does_not_wait(desk: str) -> None:
    rows = await _queue(desk)
    assert [row["session_id"] for row in rows] == [GLOBEX_SESSION, OTHER_SESSION, SESSION]
    assert [row["session_id"] for row in await ask.queue(desk, None)] == [
        row["session_id"] for row in rows
    ]


async def test_an_account_sees_its_own(desk: str) -> None:
    assert [row["account"] for row in await _queue(desk, GLOBEX)] == ["Globex"]
    assert {row["account"] for row in await _queue(desk, ACME)} == {"Acme MSP"}


async def test_the_table_fits_a_terminal_and_cuts_no_id(desk: str) -> None:
    console = Console(width=100, force_terminal=False)
    with console.capture() as capture:
        console.print(table(await _queue(desk)))
    header, first, *rest = capture.get().splitlines()
    assert header.split() == ["age", "reason", "ticket", "escalated", "by", "account", "session"]
    assert first.split() == ["2d", "0h", "network", "psa", "7", "Gus", "Globex", GLOBEX_SESSION]
    assert "\\u001b[2Jgone\\u0007" in "".join(rest)
    assert "\x1b" not in capture.get()


async def test_the_json_gives_the_age_in_seconds(desk: str) -> None:
    told = json.loads(as_json((await _queue(desk))[1]))
    assert told["age_seconds"] == 3600
    assert told["escalated_at"] == "2026-03-01T11:00:00Z"
    assert told["escalated_by_name"] == "Terry \x1b[2Jgone\x07"


@pytest.mark.parametrize(
    ("span", "shown"),
    [
        (timedelta(seconds=-3), "0s"),
        (timedelta(seconds=40), "40s"),
        (timedelta(minutes=5, seconds=1), "5m 1s"),
        (timedelta(hours=2, minutes=5), "2h 5m"),
        (timedelta(days=3, hours=4, minutes=9), "3d 4h"),
    ],
)
def test_an_age_is_told_in_its_two_largest_units(span: timedelta, shown: str) -> None:
    assert age(span) == shown
