"""`firstline dead-letters list` and `show`: everything about a letter, and nothing of it acts."""

import base64
import json
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, RenderableType

from consumers.dead_letter_desk import Desk as LetterDesk
from consumers.dead_letter_desk import Operator
from domain.context import Limits
from firstline.looking import ask
from firstline.looking import dead_letters as shown
from firstline.looking.ask import NothingToShow
from storage.dead_letter_desk import LetterFilter, Row, Seen
from tests.builders import ACME, NOW
from tests.consumers.desk import Desk, start
from tests.consumers.wire import CHAT_TOPIC, encode, new_id

HOSTILE = "\x1b[2J\u202egone\x07\r\n{{7*7}}[red]=cmd()"
VALUES = [
    *(None, b"", b"\0", b"\xff\xfe", HOSTILE.encode(), b"{" * 2_000),
    json.dumps({"text": HOSTILE}).encode(),
    b'{"a":"\\ud800\\u0000","b":1e400,"c":[NaN]}',
]


def printed(what: RenderableType) -> str:
    console = Console(width=100, force_terminal=False, highlight=False)
    with console.capture() as capture:
        console.print(what)
    return capture.get()


def is_inert(text: str) -> bool:
    """Whether a terminal does nothing but write the text; spaces of every width are written."""
    return all(
        character.isprintable() or character == "\n" or unicodedata.category(character) == "Zs"
        for character in text
    )


async def everything(desk: Desk, url: str) -> tuple[list[Row], list[Seen]]:
    del desk
    rows = await ask.dead_letters(url, LetterFilter(), 100)
    return rows, [await ask.dead_letter(url, row["id"]) for row in rows]


async def test_whatever_was_sent_is_shown_and_does_nothing(desk: Desk, database_url: str) -> None:
    await desk.apply(*VALUES)
    rows, letters = await everything(desk, database_url)

    assert len(rows) == len(VALUES)
    assert is_inert(printed(shown.table(rows)))
    for value, seen in zip(reversed(VALUES), letters, strict=True):
        assert seen.letter.value == value
        line = shown.as_json(seen)
        assert is_inert(line)
        assert "\n" not in line
        told = json.loads(line)
        assert told["headers"] == [
            {"name": "trace", "name_base64": "dHJhY2U=", "value_base64": "/w=="},
            {"name": "fl_mine", "name_base64": "ZmxfbWluZQ==", "value": None},
        ]
        if value is not None:
            assert base64.b64decode(told["value_base64"]) == value
        assert is_inert(printed(shown.tree(seen)))


async def test_the_newest_is_listed_first_and_filters_choose(desk: Desk, database_url: str) -> None:
    session = await desk.park()
    await desk.apply(b"{")
    await desk.connection.execute(
        "update dead_letters set recorded_at = now() - interval '3 hours' where reason = 'poison'"
    )

    async def reasons(wanted: LetterFilter, most: int = 100) -> list[str]:
        rows = await ask.dead_letters(database_url, wanted, most)
        return [row["reason"] for row in rows]

    since = ask.since("2h", datetime.now(UTC))
    whole = ["unreadable", "parked", "parked", "poison"]
    assert await reasons(LetterFilter()) == whole
    assert await reasons(LetterFilter(), 2) == whole[:2]
    assert await reasons(LetterFilter(reason="parked")) == ["parked"] * 2
    assert await reasons(LetterFilter(account_id=ACME)) == whole[1:]
    assert await reasons(LetterFilter(account_id=new_id())) == []
    assert await reasons(LetterFilter(session_id=session)) == whole[1:]
    for topic in (CHAT_TOPIC, "commands.chat"):
        assert await reasons(LetterFilter(topic=topic)) == whole
    assert await reasons(LetterFilter(topic="commands.psa")) == []
    assert "poison" not in await reasons(LetterFilter(since=since))
    rows = await ask.dead_letters(database_url, LetterFilter(session_id=session), 9)
    assert [row["behind"] for row in rows] == [0, 1, 2]
    assert json.loads(shown.as_line(rows[0]))["session_id"] == session


async def test_what_was_done_is_told(desk: Desk, database_url: str) -> None:
    session = await desk.park()
    poison = (await ask.dead_letters(database_url, LetterFilter(reason="poison"), 1))[0]["id"]
    letter = (await ask.dead_letter(database_url, poison)).letter
    assert letter.value is not None
    operator = Operator(f"eve{HOSTILE}", f"typo{HOSTILE}")
    acting = LetterDesk(desk.engine, Limits(), timedelta(days=16))
    mended = letter.value.replace(b"odd", b"even")
    await acting.edit(poison, mended, operator, NOW)

    seen = await ask.dead_letter(database_url, poison)
    tree = printed(shown.tree(seen))
    assert is_inert(tree)
    assert "waiting behind it, 2" in tree
    assert '-  "correlation": "odd"' in tree
    assert '+  "correlation": "even"' in tree
    assert "edited by eve" in tree
    await acting.replay(poison, operator, NOW)

    assert await ask.dead_letters(database_url, LetterFilter(session_id=session), 9) == []
    rows = await ask.dead_letters(database_url, LetterFilter(session_id=session, open=False), 9)
    assert [(row["status"], row["last_act"]) for row in rows] == [("replayed", "replayed")] * 3
    told = json.loads(shown.as_json(await ask.dead_letter(database_url, poison)))
    assert [act["act"] for act in told["acts"]] == ["edited", "replayed"]
    assert base64.b64decode(told["acts"][0]["value_base64"]) == mended
    assert told["acts"][1]["because"] == operator.because
    assert is_inert(printed(shown.table(rows)))


async def test_what_is_not_there_is_said(database_url: str) -> None:
    with pytest.raises(NothingToShow, match="no dead letter"):
        await ask.dead_letter(database_url, new_id())
    with pytest.raises(NothingToShow, match="is no id"):
        await ask.dead_letter(database_url, "7")
    with pytest.raises(NothingToShow, match="is no id"):
        await ask.dead_letters(database_url, LetterFilter(account_id="acme"), 1)


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("90s", NOW - timedelta(seconds=90)),
        ("5m", NOW - timedelta(minutes=5)),
        ("2h", NOW - timedelta(hours=2)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-02-28T12:00:00+00:00", NOW - timedelta(days=1)),
    ],
)
def test_since_is_a_span_or_a_time(text: str, begin: datetime) -> None:
    assert ask.since(text, NOW) == begin


@pytest.mark.parametrize("text", ["", "h", "2 h", "yesterday", "2026-02-28", "2026-02-28T12:00:00"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(NothingToShow, match="neither"):
        ask.since(text, NOW)


values = st.dictionaries(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
        max_leaves=8,
    ),
)


@given(values, st.booleans())
def test_json_is_indented_and_nothing_else_of_it_is_changed(
    value: dict[str, object],
    ascii_only: bool,  # noqa: FBT001 - drawn
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, allow_nan=True)
    if "Infinity" not in text:
        indented = json.dumps(value, ensure_ascii=ascii_only, indent=2)
        assert shown.text(text.encode()) == indented


def test_numbers_and_doubled_names_stay_as_they_are_written() -> None:
    written = b'{"a":1e400,"a":-0.10,"b":12345678901234567890}'
    assert shown.text(written).split() == [
        *("{", '"a":', "1e400,", '"a":', "-0.10,", '"b":', "12345678901234567890", "}")
    ]


@given(st.binary(), st.binary())
def test_any_two_values_have_a_difference_that_does_nothing(one: bytes, other: bytes) -> None:
    lines = [line.plain for line in shown.difference(shown.text(one), shown.text(other))]
    assert all(map(is_inert, lines))
    assert "\n" not in "".join(lines)
    assert bool(lines) == (shown.text(one) != shown.text(other))


def test_encoded_commands_are_shown_with_a_field_a_line() -> None:
    assert '\n  "type": "start_adhoc",\n' in shown.text(encode(start()))
