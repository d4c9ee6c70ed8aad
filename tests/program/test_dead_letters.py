"""`firstline dead-letters` as an operator uses it: what it says, what it does, how it ends."""

import json
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
import typer

from consumers.dead_letter_rules import LetterStays
from firstline import dead_letters
from firstline.looking.ask import NothingToShow
from firstline.settings import Settings
from storage.dead_letter_desk import LetterFilter
from tests.consumers.desk import Desk, a_desk
from tests.consumers.wire import new_id
from tests.program.running import run_all

NO_KAFKA = "127.0.0.1:1"
EVE = dead_letters.operator("eve", "the fix is out")


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(database_url, tmp_path) as made:
        yield made


async def open_letters(desk: Desk) -> list[str]:
    rows = await desk.connection.fetch(
        "select id::text from dead_letters where status = 'open' order by number"
    )
    return [row["id"] for row in rows]


def environment(database_url: str) -> Mapping[str, str]:
    return os.environ | {
        "FIRSTLINE_DATABASE_URL": database_url,
        "FIRSTLINE_KAFKA_BOOTSTRAP": NO_KAFKA,
        "USER": "terry",
        "LOGNAME": "terry",
    }


async def test_an_operator_looks_rehearses_edits_replays_and_discards(
    desk: Desk, database_url: str, tmp_path: Path
) -> None:
    """From an empty queue to an empty queue, by the command line alone."""
    session = await desk.park(datetime.now(UTC))
    await desk.apply(b"{")
    poison, behind, _, unreadable = await open_letters(desk)
    (command,) = [one["value"] for one in await desk.letters() if one["reason"] == "poison"]
    (tmp_path / "mended.json").write_bytes(command.replace(b'"odd"', b'"even"'))

    def run(*commands: str) -> list[tuple[int, str, str]]:
        ended = run_all(
            [(["dead-letters", *one.split()], environment(database_url)) for one in commands],
            tmp_path,
        )
        return [(one.code, one.out, one.err) for one in ended]

    listed, some, seen, rehearsed, nothing, unknown, limited = run(
        "list",
        "list --reason poison",
        f"show {poison}",
        f"replay {poison} --dry-run",
        "replay",
        "show 7",
        "list --limit 1",
    )
    assert [json.loads(line)["reason"] for line in listed[1].splitlines()] == [
        *("unreadable", "parked", "parked", "poison")
    ]
    assert [json.loads(line)["id"] for line in some[1].splitlines()] == [poison]
    assert json.loads(json.loads(seen[1])["value"])["session_id"] == session
    assert rehearsed[0] == 1
    assert f"{poison} still fails (CheckViolationError 23514 odd_check)" in rehearsed[1]
    assert (nothing[0], "name dead letters by id" in nothing[2]) == (2, True)
    assert (unknown[0], "is no id" in unknown[2]) == (1, True)
    assert (len(limited[1].splitlines()), "more than these 1" in limited[2]) == (1, True)

    edited, discarded = run(
        f"edit {poison} --file mended.json --because typo",
        f"discard {unreadable} --by eve --because noise",
    )
    assert edited[0] == 0
    assert '-  "correlation": "odd"' in edited[1]
    assert '+  "correlation": "even"' in edited[1]
    assert discarded == (0, f"{unreadable}: discarded\n", "")
    rehearsed, again = run(
        f"replay --session {session} --dry-run", f"discard {unreadable} --because noise"
    )
    assert rehearsed[0] == 0
    assert '-    "version": 1,' in rehearsed[1]
    assert '+    "version": 4,' in rehearsed[1]
    messages = [json.loads(one) for one in rehearsed[1].splitlines() if one.startswith('{"topic"')]
    assert [one["topic"] for one in messages] == [
        *(*["session-events"] * 3, *["replies"] * 3, "session-state")
    ]
    assert again[0] == 1
    assert again[2] == f"firstline: {unreadable} is discarded already\n"
    assert len(await desk.answers()) == 1, "the rehearsal was rolled back"
    (replayed,) = run(f"replay {poison} {behind} --rate 1000/s --because mended")
    assert replayed == (0, f"{poison}: 3 answered, session {session} goes on\n", "")

    assert [outcome for _, outcome in await desk.answers()] == ["accepted"] * 4
    rows = await desk.connection.fetch("select act, actor, because from dead_letter_acts")
    assert Counter(map(tuple, rows)) == {
        ("edited", "terry", "typo"): 1,
        ("replayed", "terry", "mended"): 3,
        ("discarded", "eve", "noise"): 1,
    }


async def test_letters_are_replayed_by_a_filter_no_faster_than_asked(
    desk: Desk, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    session = await desk.park(datetime.now(UTC))
    await desk.apply(b"{")
    poison, *_, unreadable = await open_letters(desk)
    await desk.cure()
    capsys.readouterr()
    begun = time.monotonic()
    rate = dead_letters.per_second("10/s")

    stays = await dead_letters.replay(database_url, Settings(), LetterFilter(), EVE, rate)

    assert stays
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"{poison}: 3 answered, session {session} goes on"
    assert second.startswith(f"stays: {unreadable} cannot be read")
    assert time.monotonic() - begun > 0.3
    assert await open_letters(desk) == [unreadable]
    assert not await dead_letters.replay(
        database_url, Settings(), LetterFilter(reason="poison"), EVE, None
    )
    assert capsys.readouterr().out == "there is none\n"


async def test_a_discard_says_what_became_of_those_behind_it(
    desk: Desk, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    session = await desk.park(datetime.now(UTC))
    poison, *_ = await open_letters(desk)
    capsys.readouterr()
    await dead_letters.discard(database_url, Settings(), poison, EVE)
    assert capsys.readouterr().out == (
        f"{poison}: discarded; behind it: 2 answered, session {session} goes on\n"
    )


async def test_an_editor_changes_what_is_replayed(
    desk: Desk,
    database_url: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await desk.park(datetime.now(UTC))
    poison, *_ = await open_letters(desk)

    async def edited(editor: str) -> str:
        monkeypatch.setenv("VISUAL", editor)
        capsys.readouterr()
        await dead_letters.edit(database_url, Settings(), poison, None, EVE)
        return capsys.readouterr().out

    assert await edited("true") == "nothing changed\n"
    with pytest.raises(LetterStays, match="the editor 'false' did not edit it"):
        await edited("false")
    with pytest.raises(LetterStays, match="the edit cannot be read"):
        await edited("sed -i s/command_id/command/")
    out = await edited("sed -i s/odd/even/")
    assert '+  "correlation": "even"' in out
    assert f"{poison}: edited" in out
    assert await edited("sed -i s/even/even/") == "nothing changed\n"
    await dead_letters.replay(database_url, Settings(), [poison], EVE, None)
    assert await open_letters(desk) == []


async def test_what_is_no_file_and_no_id_is_said(desk: Desk, database_url: str) -> None:
    await desk.park(datetime.now(UTC))
    poison, *_ = await open_letters(desk)
    with pytest.raises(LetterStays, match="cannot be read: No such file"):
        await dead_letters.edit(database_url, Settings(), poison, Path("/nowhere"), EVE)
    for bad in ("7", new_id().upper()):
        with pytest.raises(NothingToShow, match="is no id"):
            await dead_letters.replay(database_url, Settings(), [poison, bad], EVE, None)
    assert poison in await open_letters(desk)


@pytest.mark.parametrize(("text", "rate"), [("50/s", 50), ("0.5", 0.5), ("10", 10)])
def test_a_rate_is_a_number_a_second(text: str, rate: float) -> None:
    assert dead_letters.per_second(text) == rate


@pytest.mark.parametrize("text", ["", "0/s", "fast", "-1/s", "5/m"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no rate"):
        dead_letters.per_second(text)


def test_who_acts_is_written_up_whatever_was_typed() -> None:
    assert dead_letters.operator("e\udcffve" + "x" * 300, "y" * 3_000).name[:4] == "e?ve"
    assert len(dead_letters.operator("x" * 300, "y" * 3_000).because) == 2_000
