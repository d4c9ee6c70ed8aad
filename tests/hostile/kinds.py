"""Records that nobody should send, and what has to become of each."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.consumers.raw_records import Raw
from tests.outside.commands import a_ticket, command, encode, new_id
from tests.outside.people import ACME, GLOBEX, GLOBEX_TECH

LIMIT = 524_288
KEY_LIMIT = 16 * 1024
"""The longest key that a dead letter keeps, in bytes."""
NIL = "00000000-0000-0000-0000-000000000000"
MAX = "ffffffff-ffff-ffff-ffff-ffffffffffff"
ODD_TEXT = "\u202e\x1b[31m\r\n<b>{{7*7}}' or 1=1 --=cmd()"
NOT_UTF_8 = [(b"\xff\xfe", b"1"), (b"plain", b"2"), (b"fl_\x80", None)]

Json = dict[str, Any]


def right_key(sent: Json) -> bytes:
    """The key that belongs to a right record: its session, or the ticket that it is about."""
    if "session_id" in sent:
        return bytes(sent["session_id"].encode())
    ticket = sent["ticket"]
    return f"{sent['account_id']}:{ticket['kind']}:{ticket['id']}".encode()


@dataclass(frozen=True, slots=True)
class Kind:
    """A way in which a record is hostile, as ``value`` and ``key`` make it from a right one.

    ``expected`` is the reason of its dead letter, the code of its answer, or ``accepted``; of what
    happened to a ticket, who gets no answer, ``accepted`` or ``ignored``.
    """

    expected: str
    value: Callable[[Json], bytes | None] = encode
    key: Callable[[Json], bytes | None] = right_key
    headers: Sequence[tuple[bytes, bytes | None]] = ()
    timestamp: int | None = None
    codec: str = "none"

    def record(self, sent: Json) -> Raw:
        return Raw(self.value(sent), self.key(sent), self.headers, self.timestamp)


def always(value: bytes | None) -> Callable[[Json], bytes | None]:
    return lambda _: value


def opened(end: bytes) -> Callable[[Json], bytes]:
    """The record without its last brace, and then that."""
    return lambda sent: encode(sent)[:-1] + end


def changed(**fields: object) -> Callable[[Json], bytes]:
    return lambda sent: encode(sent | fields)


def filled(size: int) -> Callable[[Json], bytes]:
    """The record, of just so many bytes."""

    def make(sent: Json) -> bytes:
        start = encode(sent)[:-1] + b',"fill":"'
        return start + b"x" * (size - len(start) - 2) + b'"}'

    return make


def keyed(key: Callable[[str], str]) -> Callable[[Json], bytes]:
    """A key that is made from the right one."""
    return lambda sent: key(right_key(sent).decode()).encode()


def respelt(name: str, spelling: Callable[[str], str]) -> Callable[[Json], bytes]:
    """The record with one of its ids in another spelling."""
    return lambda sent: encode(sent | {name: spelling(sent[name])})


def ticketed(**fields: object) -> Callable[[Json], bytes]:
    """What happened to a ticket, with something else said of the ticket."""
    return lambda sent: encode(sent | {"ticket": sent["ticket"] | fields})


SPELLINGS: dict[str, Callable[[str], str]] = {
    "in braces": lambda one: f"{{{one}}}",
    "as a URN": lambda one: f"urn:uuid:{one}",
    "without dashes": lambda one: one.replace("-", ""),
    "with 0x": lambda one: f"0x{one[2:]}",
    "in Arabic-Indic digits": lambda one: "\u0661" * 8 + one[8:],
    "with a line end": lambda one: f"{one}\n",
}
TIMES = {
    "without an offset": "2026-03-01T12:00:00",
    "with a blank": "2026-03-01 12:00:00Z",
    "of the year 1": "0001-01-01T00:00:00+14:00",
    "without end": "infinity",
    "of the year 294276": "294276-12-31T23:59:59Z",
    "before Christ": "4713-01-01T00:00:00Z BC",
}
GARBAGE = always(b"garbage")
HEADERS: dict[str, Sequence[tuple[bytes, bytes | None]]] = {
    "keys that are not UTF-8": NOT_UTF_8,
    "null values": [(b"a", None), (b"content-type", None)],
    "empty keys": [(b"", b""), (b"", None), (b"", b"x")],
    "doubled keys": [(b"a", b"1"), (b"a", b"2"), (b"a", b"1")],
    "reserved keys": [
        *((b"fl_reason", b"poison"), (b"fl_dead_letter_id", b"x"), (b"fl_", None)),
        *((b"ce_type", b"x"), (b"ce_id", b""), (b"orig_fl_x", b"")),
    ],
    "a lying content-type": [(b"content-type", b"application/avro"), (b"encoding", b"utf-16")],
    "values that are not text": [(b"content-type", b"\xff\xfe"), (b"correlation_id", b"\0\x80")],
    "keys that are hardly text": [(b" ", b"a"), ("\u202e".encode(), b"b"), (b"a\nb", b"\n")],
    "NULs": [(b"\0", b"\0"), (b"a\0b", b"")],
    "surrogates": [(b"\xed\xa0\x80", b"\xed\xa0\x80")],
    "ten thousand": [(f"h{number}".encode(), b"v" * 8) for number in range(10_000)],
    "a large one": [(b"big", b"x" * 400_000), (b"small", b"1")],
}

# What is hostile whatever a record is about.
ANYTHING: dict[str, Kind] = {
    # -- values that cannot be read
    "a tombstone": Kind("unreadable", always(None)),
    "a tombstone without a key": Kind("unreadable", always(None), always(None)),
    "an empty value": Kind("unreadable", always(b"")),
    "garbage": Kind("unreadable", GARBAGE),
    "a NUL": Kind("unreadable", always(b"\0")),
    "a list": Kind("unreadable", lambda sent: b"[" + encode(sent) + b"]"),
    "a byte order mark": Kind("unreadable", lambda sent: b"\xef\xbb\xbf" + encode(sent)),
    "UTF-16": Kind("unreadable", lambda sent: encode(sent).decode().encode("utf-16")),
    "bytes that are no text": Kind("unreadable", opened(b',"a":"\xff\xfe"}')),
    "NaN": Kind("unreadable", opened(b',"a":NaN}')),
    "depth 65": Kind("unreadable", opened(b',"a":' + b"[" * 64 + b"]" * 64 + b"}")),
    "brackets without end": Kind("unreadable", always(b"[" * LIMIT)),
    "quotes without end": Kind("unreadable", always(b'{"a":"' + b'\\"' * 2_000)),
    "two of them": Kind("unreadable", lambda sent: encode(sent) * 2),
    "Infinity": Kind("unreadable", opened(b',"a":[-Infinity]}')),
    "depth 2,000": Kind("unreadable", opened(b',"a":' + b'{"a":' * 2_000 + b"1" + b"}" * 2_001)),
    "a surrogate in UTF-8": Kind("unreadable", opened(b',"a":"\xed\xa0\x80"}')),
    "a raw NUL in text": Kind("unreadable", opened(b',"a":"\0"}')),
    # -- values that are too large
    "one byte too much": Kind("too_large", filled(LIMIT + 1)),
    "as much as Kafka takes": Kind("too_large", always(b"\xff" * 1_000_000)),
    "a bomb": Kind("too_large", always(b"x" * 4_000_000), codec="gzip"),
    "a bomb in zstd": Kind("too_large", always(b"{" * 4_000_000), codec="zstd"),
    "a bomb of right records": Kind("too_large", filled(2_000_000), codec="gzip"),
    # -- keys of what cannot be read
    "garbage with a key of 500 kB": Kind("unreadable", GARBAGE, always(b"k" * 500_000)),
    "the largest value with a large key": Kind(
        "unreadable", always(b"x" * LIMIT), always(b"k" * 262_144)
    ),
    "the largest value with a key that has no room beside it": Kind(
        "unreadable", always(b"x" * LIMIT), always(b"k" * 450_000)
    ),
    # -- what is odd and right
    "one byte less than the most": Kind("accepted", filled(LIMIT - 1)),
    "as much as a value may have": Kind("accepted", filled(LIMIT)),
    "depth 64": Kind("accepted", opened(b',"a":' + b"[" * 63 + b"]" * 63 + b"}")),
    "an unknown field full of horrors": Kind(
        "accepted", opened(b',"a":{"\\ud800":["\\u0000",1e400,' + b"9" * 5_000 + b"]}}")
    ),
    # -- headers
    **{
        f"a right record with headers: {name}": Kind("accepted", headers=headers)
        for name, headers in HEADERS.items()
    },
    **{
        f"garbage with headers: {name}": Kind("unreadable", GARBAGE, headers=headers)
        for name, headers in HEADERS.items()
    },
    **{
        f"a tombstone with headers: {name}": Kind("unreadable", always(None), headers=headers)
        for name, headers in HEADERS.items()
    },
    "garbage with fifty thousand empty headers": Kind(
        "unreadable", GARBAGE, headers=[(b"", b"")] * 50_000
    ),
    "too much with headers that are not UTF-8": Kind(
        "too_large", filled(LIMIT + 1), headers=NOT_UTF_8
    ),
}
# Times of records, where the broker sets its own.
TIMESTAMPS: dict[str, Kind] = {
    "a record from 1970": Kind("accepted", timestamp=1),
    "a record from before 1970": Kind("accepted", timestamp=-1_000_000),
    "a record from 2100": Kind("accepted", timestamp=4_102_444_800_000),
    "a record from the year 287396": Kind("accepted", timestamp=2**53),
}
KEYS: dict[str, Callable[[Json], bytes | None]] = {
    "no key": always(None),
    "an empty key": always(b""),
    "a key that is not text": always(b"\xff\0"),
    "a key that is a surrogate": always(b"\xed\xa0\x80"),
    "a key that would act elsewhere": always(ODD_TEXT.encode()),
    "a key with one character changed": keyed(lambda one: f"{one[:-1]}A"),
    **{f"a key {how}": keyed(spelling) for how, spelling in SPELLINGS.items()},
    "another one's key": lambda _: new_id().encode(),
    "a key of 500 kB": always(b"k" * 500_000),
}

COMMANDS: dict[str, Kind] = {
    **ANYTHING,
    **TIMESTAMPS,
    # -- values that cannot be read
    **{
        f"a command's id {how}": Kind("unreadable", respelt("command_id", spelling))
        for how, spelling in SPELLINGS.items()
    },
    "an id in upper case": Kind("unreadable", changed(command_id="ABCDEFAB" + "-CDEF" * 3)),
    "an id that comes again, wrong": Kind("unreadable", opened(b',"session_id":7}')),
    # -- what can be read and is refused
    **{name: Kind("key_mismatch", key=key) for name, key in KEYS.items()},
    "a NUL in text": Kind("invalid", opened(b',"correlation":"\\u0000"}')),
    "a lone surrogate": Kind("invalid", opened(b',"correlation":"\\ud800"}')),
    "a number beyond a double": Kind("invalid", opened(b',"expected_version":1e400}')),
    "an integer of 400 digits": Kind(
        "invalid", opened(b',"expected_version":' + b"9" * 400 + b"}")
    ),
    "a number beyond a double in notes": Kind(
        "invalid", opened(b',"type":"update_notes","notes":[{"a":1e100000}]}')
    ),
    "a NUL in notes": Kind("invalid", opened(b',"type":"update_notes","notes":[{"\\u0000":1}]}')),
    "true for an integer": Kind("invalid", opened(b',"expected_version":true}')),
    "a float for an integer": Kind("invalid", opened(b',"expected_version":0.0}')),
    **{f"a time {how}": Kind("invalid", changed(occurred_at=time)) for how, time in TIMES.items()},
    **{
        f"an account's id {how}": Kind("invalid", respelt("account_id", spelling))
        for how, spelling in SPELLINGS.items()
    },
    "9 kB in a column that has an index": Kind("invalid", changed(ticket_id="x" * 9_000)),
    "a type that nobody knows": Kind("invalid", changed(type="rm -rf")),
    "an internal type": Kind("invalid", changed(type="serve_node")),
    "no actor": Kind("invalid", changed(actor_id=None)),
    "another tenant's actor": Kind("forbidden", changed(actor_id=GLOBEX_TECH)),
    "another tenant's account": Kind("forbidden", changed(account_id=GLOBEX)),
    "nobody's actor": Kind("forbidden", changed(actor_id=NIL)),
    "everybody's account": Kind("forbidden", changed(account_id=MAX)),
    "an integer beyond 2^63": Kind("stale_version", opened(b',"expected_version":%d}' % 2**64)),
    # -- what is odd and right
    "an id that comes again, right": Kind(
        "accepted", lambda sent: b'{"session_id":7,"command_id":[],' + encode(sent)[1:]
    ),
    "as many characters as an index takes": Kind(
        "accepted",
        lambda sent: encode(sent | {"ticket_id": sent["session_id"] + "\U0001f600" * 28}),
    ),
    "text that would act elsewhere": Kind(
        "accepted",
        lambda sent: encode(sent | {"ticket_id": ODD_TEXT + sent["session_id"][:8]}),
    ),
}

TICKET_EVENTS: dict[str, Kind] = {
    **ANYTHING,
    **TIMESTAMPS,
    # -- what cannot be read
    "no event's id": Kind("unreadable", changed(event_id=None)),
    "a number for an event's id": Kind("unreadable", changed(event_id=7)),
    "a NUL in text": Kind("unreadable", ticketed(title="\0")),
    "a lone surrogate": Kind("unreadable", opened(b',"provider":"\\ud800"}')),
    "1 for true": Kind("unreadable", changed(actor={"is_self": 1})),
    "no ticket": Kind("unreadable", changed(ticket=None)),
    "a list for a ticket": Kind("unreadable", changed(ticket=["psa", "1"])),
    "a ticket of a kind that nobody knows": Kind("unreadable", ticketed(kind="rm -rf")),
    "an action that nobody knows": Kind("unreadable", changed(action="rm -rf")),
    **{f"a time {how}": Kind("unreadable", changed(occurred_at=at)) for how, at in TIMES.items()},
    **{
        f"a ticket of a time {how}": Kind("unreadable", ticketed(updated_at=at))
        for how, at in TIMES.items()
    },
    **{
        f"an account's id {how}": Kind("unreadable", respelt("account_id", spelling))
        for how, spelling in SPELLINGS.items()
    },
    "9 kB in a column that has an index": Kind("unreadable", ticketed(id="x" * 9_000)),
    "an event's id of 201 characters": Kind("unreadable", changed(event_id="x" * 201)),
    "a title of 20,001 characters": Kind("unreadable", ticketed(title="x" * 20_001)),
    # -- what is about nothing of anybody's
    "nobody's account": Kind("ignored", changed(account_id=NIL)),
    "everybody's account": Kind("ignored", changed(account_id=MAX)),
    # -- what is odd and right; nothing is decided by the key
    **{name: Kind("accepted", key=key) for name, key in KEYS.items()},
    "an internal ticket that nobody has": Kind("accepted", ticketed(kind="internal", id=MAX)),
    "an internal ticket whose id is none": Kind("accepted", ticketed(kind="internal", id="1")),
    "another tenant's account": Kind("accepted", changed(account_id=GLOBEX)),
    "a ticket that goes on as itself": Kind(
        "accepted",
        lambda sent: encode(sent | {"action": "merged", "merged_into": sent["ticket"]["id"]}),
    ),
    "an id that comes again, right": Kind(
        "accepted", lambda sent: b'{"event_id":7,"ticket":[],' + encode(sent)[1:]
    ),
    "as many characters as an index takes": Kind(
        "accepted", lambda sent: encode(sent | {"event_id": sent["event_id"] + "\U0001f600" * 164})
    ),
    "as many characters as a ticket's id has": Kind("accepted", ticketed(id="\U0001f600" * 64)),
    "as many characters as a title has": Kind("accepted", ticketed(title="\U0001f600" * 20_000)),
    "text that would act elsewhere": Kind(
        "accepted",
        lambda sent: encode(
            sent
            | {"event_id": ODD_TEXT + sent["event_id"], "provider": ODD_TEXT}
            | {"ticket": sent["ticket"] | dict.fromkeys(("title", "owner", "url"), ODD_TEXT)}
        ),
    ),
}

REASONS = {"unreadable", "too_large"}


def digest(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()


def right_command() -> Json:
    """A command of a session of its own, on a ticket of its own."""
    return command("start_adhoc")


def right_ticket_event() -> Json:
    """What happened to a ticket of its own."""
    ticket = {"kind": "psa", "id": a_ticket(), "title": "No mail"}
    common = {"event_id": new_id(), "account_id": ACME, "provider": "connectwise"}
    return {**common, "action": "updated", "ticket": ticket}


def right_node_request() -> Json:
    """A request that nobody has made."""
    ids = {name: new_id() for name in ("request_id", "session_id")}
    return {**ids, "account_id": ACME, "problem_text": "No mail", "path": []}
