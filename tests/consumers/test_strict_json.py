"""The parser for values that need care: what nests, and that no value takes long."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.decode import decode
from consumers.records import Source
from consumers.strict_json import _depth, might_be_deep
from schemas.commands import VALUE_LIMIT
from tests.builders import SESSION
from tests.consumers.test_decode_properties import depth
from tests.consumers.wire import ABSENT, ARecord, command, encode

NOTES = encode(command("update_notes", notes=ABSENT))[:-1]
REASON = encode(command("escalate", reason=ABSENT))[:-1]


@settings(max_examples=1_000, deadline=None)
@given(st.text(st.sampled_from('[]{}",\\a'), max_size=40))
def test_brackets_are_counted_as_json_nests_them(text: str) -> None:
    assert _depth(text) == depth(text)


def test_what_can_be_deep_is_told_by_its_brackets() -> None:
    assert not might_be_deep(b"[{" * 32)
    assert might_be_deep(b"[{" * 32 + b"[")


def filled(start: bytes, unit: bytes, end: bytes) -> bytes:
    """As many units as the largest value has room for."""
    return start + unit * ((VALUE_LIMIT - len(start) - len(end)) // len(unit)) + end


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(filled(*parts), id=name)
        for name, parts in {
            "quotes without an end": (b'{"a":"', b'\\"', b""),
            "quotes and an escape without an end": (b'{"a":"', b'\\"', b"\\"),
            "quotes": (b"", b'"', b""),
            "quotes and brackets": (b"", b'["', b""),
            "escapes": (b'"', b"\\", b""),
            "brackets": (b"", b"[", b""),
            "pairs of brackets": (NOTES + b',"a":[[]', b",[]", b"]}"),
            "notes that are numbers": (NOTES + b',"notes":[1', b",1", b"]}"),
            "notes that are arrays": (NOTES + b',"notes":[[]', b",[]", b"]}"),
            "notes that are empty": (NOTES + b',"notes":[{}', b",{}", b"]}"),
            "one long integer": (NOTES + b',"notes":[{"a":', b"9", b"}]}"),
            "one long fraction": (NOTES + b',"notes":[{"a":0.', b"9", b"}]}"),
            "long integers": (NOTES + b',"notes":[{"a":[1', b"," + b"9" * 4_000, b"]}]}"),
            "doubled keys": (NOTES, b',"a":1', b"}"),
            "escaped text": (REASON + b',"reason":"', b"\\u0041", b'"}'),
            "lone surrogates": (REASON + b',"reason":"', b"\\ud800", b'"}'),
        }.items()
    ],
)
def test_no_value_takes_long_to_read(value: bytes) -> None:
    """A tenth of this is usual; a way that is quadratic in the size takes minutes."""
    before = time.process_time()
    decode(ARecord(value, SESSION.encode()), Source.CHAT)
    assert time.process_time() - before < 2
