"""What others wrote is shown, and does nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstline.looking.inert import inert


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J", r"\u001b[2J"),
        ("\x9b31m", r"\u009b31m"),
        ("a\rb\nc\x07", r"a\rb\nc\u0007"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\u2066a\u2069", r"\u2066a\u2069"),
        ("a\u2028b", r"a\u2028b"),
        ("\ud800", r"\ud800"),
        ("\U000e0041", r"\udb40\udc41"),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(hostile: str, shown: str) -> None:
    assert inert(hostile) == shown


@pytest.mark.parametrize(
    "harmless", ["Ünïcode", "日本語\u3000", "👩\u200d💻", "a\u00a0b", "{{7*7}} [red]"]
)
def test_what_people_write_stays_as_it_is(harmless: str) -> None:
    assert inert(harmless) == harmless


@given(st.text(st.characters()))
def test_escaped_json_is_the_same_json_and_can_be_written(text: str) -> None:
    shown = inert(json.dumps({"text": text}, ensure_ascii=False))
    assert json.loads(shown) == json.loads(json.dumps({"text": text}))
    shown.encode()
