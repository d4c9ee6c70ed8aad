"""A dead letter is the record as it was, within what a message may hold."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from producers import kafka, publish
from producers.dead_letters import HEADERS_LIMIT, KEY_LIMIT, kept_headers, message
from producers.kafka import partition_of
from producers.topics import DEAD_LETTERS, MESSAGE_LIMIT
from schemas.commands import VALUE_LIMIT
from storage.dead_letters import DeadLetterRow
from storage.headers import Headers, unpack
from storage.outbox import Message, size
from tests.builders import an_id

OURS = [
    *(b"fl_reason", b"fl_detail", b"fl_topic", b"fl_partition", b"fl_offset"),
    b"fl_dead_letter_id",
]


def a_letter(
    *,
    reason: str = "unreadable",
    key: bytes | None = b"k",
    value: bytes | None = b"{",
    headers: Headers = (),
) -> DeadLetterRow:
    return DeadLetterRow(
        an_id(1), reason, "not JSON at character 1", "t.commands.chat", 7, 42, key, headers, value
    )


def told(made: Message) -> dict[bytes, bytes | None]:
    """The headers that are ours, each of which is there once."""
    ours = [(name, value) for name, value in unpack(made.headers) if name.startswith(b"fl_")]
    assert len(dict(ours)) == len(ours)
    return dict(ours)


def test_it_says_what_happened_to_which_record() -> None:
    made = message(a_letter())
    assert made.topic == DEAD_LETTERS
    assert told(made) == {
        b"fl_reason": b"unreadable",
        b"fl_detail": b"not JSON at character 1",
        b"fl_topic": b"t.commands.chat",
        b"fl_partition": b"7",
        b"fl_offset": b"42",
        b"fl_dead_letter_id": an_id(1).encode(),
    }


parts = st.binary(max_size=8) | st.sampled_from([b"\0", b"\1", b"\1x", b"\1n\1e", b"fl_", b"\xff"])


@settings(max_examples=300, deadline=None)
@given(
    st.none() | st.binary(max_size=20),
    st.none() | st.binary(max_size=20),
    st.lists(st.tuples(parts, st.none() | parts), max_size=8),
)
def test_key_value_and_headers_are_untouched(
    key: bytes | None, value: bytes | None, headers: list[tuple[bytes, bytes | None]]
) -> None:
    made = message(a_letter(key=key, value=value, headers=headers))
    assert (made.key, made.value) == (key, value)
    kept = unpack(made.headers)
    assert [name for name, _ in kept[len(headers) :]] == OURS
    for (name, content), (sent, sent_content) in zip(kept, headers, strict=False):
        assert content == sent_content
        assert name == (b"orig_" + sent if sent.startswith(b"fl_") else sent)


def test_a_value_that_is_too_large_is_told_by_its_size_and_digest() -> None:
    value = b"x" * (VALUE_LIMIT + 1)
    made = message(a_letter(reason="too_large", value=value, headers=[(b"fl_size", b"0")]))
    assert made.value is None
    assert told(made)[b"fl_size"] == str(VALUE_LIMIT + 1).encode()
    assert told(made)[b"fl_sha256"] == hashlib.sha256(value).hexdigest().encode()
    assert (b"orig_fl_size", b"0") in unpack(made.headers)


def test_a_long_key_is_told_by_its_size_and_digest() -> None:
    room = KEY_LIMIT
    kept, left_out = (message(a_letter(key=b"k" * length)) for length in (room, room + 1))
    assert kept.key == b"k" * room
    assert b"fl_key_size" not in told(kept)
    assert left_out.key is None
    assert left_out.value == kept.value
    assert told(left_out)[b"fl_key_size"] == str(room + 1).encode()
    assert (
        told(left_out)[b"fl_key_sha256"] == hashlib.sha256(b"k" * (room + 1)).hexdigest().encode()
    )


MANY: dict[str, Headers] = {
    "half a million empty ones": [(b"", b"")] * 500_000,
    "half a million without a value": [(b"", None)] * 500_000,
    "those named like ours": [(b"fl_", None)] * 200_000,
    "those of NULs": [(b"\0", b"\0" * 30)] * 30_000,
    "a large one": [(b"big", b"x" * 1_000_000)],
    "large names": [(b"x" * 200_000, b"")] * 5,
}


@pytest.mark.parametrize("name", MANY)
def test_whatever_a_record_holds_its_letter_is_within_the_limit_of_messages(name: str) -> None:
    for reason, key, value in (
        ("poison", 1_000_000, VALUE_LIMIT),
        ("poison", 350_000, VALUE_LIMIT),
        ("too_large", 1_000_000, 1_000_000),
    ):
        letter = a_letter(reason=reason, key=b"k" * key, value=b"x" * value, headers=MANY[name])
        assert size(message(letter)) <= MESSAGE_LIMIT


@pytest.mark.parametrize("name", MANY)
def test_headers_are_kept_from_the_first_one_on_as_far_as_they_fit(name: str) -> None:
    headers = [(b"first", b"1"), *MANY[name]]
    kept = kept_headers(headers)
    assert kept[0] == (b"first", b"1")
    sizes = [len(one) + len(value or b"") + 2 for one, value in headers]
    assert sum(sizes[: len(kept)]) <= HEADERS_LIMIT < sum(sizes[: len(kept) + 1])


def test_headers_that_just_fit_are_all_kept() -> None:
    headers = [(b"a" * 10, b"v" * (HEADERS_LIMIT // 2 - 12))] * 2
    assert len(kept_headers(headers)) == 2
    assert len(kept_headers([*headers, (b"", None)])) == 2


def test_a_record_without_a_key_lies_in_the_first_partition() -> None:
    assert publish._partition(message(a_letter(key=None)), 12) == 0


def test_a_long_key_is_not_remembered() -> None:
    """Sixty thousand of them would fill the memory."""
    before = kafka._remembered.cache_info().currsize
    assert partition_of(b"k" * 4_096, 12) == partition_of(b"k" * 4_096, 12)
    assert kafka._remembered.cache_info().currsize == before
