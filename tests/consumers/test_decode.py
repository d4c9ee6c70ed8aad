"""Reading a record as the wire contract says: what is a command at all, of which type, for whom."""

import json

import pytest

from consumers.decode import decode
from consumers.reasons import Reason
from consumers.records import DeadLetter, Delivery, Refused, Source
from domain import commands
from domain.built_nodes import BuiltNode, NodeKind
from domain.commands import ServeNode
from domain.decisions import Code
from domain.tickets import TicketKind, TicketRef
from schemas.commands import INTERNAL_TYPES, NOTES_LIMIT, VALUE_LIMIT
from tests.builders import ACME, FLOW, SESSION, TECH, a_node, an_id
from tests.consumers.decoding import ID, ODD_IDS, notes_of, outcome, read
from tests.consumers.wire import (
    ABSENT,
    COMMON_OPTIONAL,
    INTERNAL,
    QUESTION,
    REQUIRED,
    ARecord,
    Json,
    command,
    encode,
    with_field,
)

GOOD = encode(command())
OPEN = GOOD[:-1]
CANARY = "canary7Q2x"


def nested(depth: int) -> bytes:
    """A command whose whole value nests so deep."""
    return OPEN + b',"deep":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def filled(size: int) -> bytes:
    """A command of just so many bytes."""
    start = OPEN + b',"fill":"'
    return start + b"x" * (size - len(start) - 2) + b'"}'


# -- what cannot be read ---------------------------------------------------------------------

UNREADABLE: dict[str, bytes | None] = {
    "a tombstone": None,
    "an empty value": b"",
    "blanks": b" \r\n\t",
    "no JSON": b"start_adhoc please",
    "an empty object": b"{}",
    "an array of a command": b"[" + GOOD + b"]",
    "a string": b'"' + ID.encode() + b'"',
    "a number": b"7",
    "null": b"null",
    "true": b"true",
    "a cut value": GOOD[:-1],
    "trailing text": GOOD + b"x",
    "a trailing NUL": GOOD + b"\0",
    "two objects": GOOD + GOOD,
    "a trailing comma": OPEN + b",}",
    "a comment": OPEN + b"/* */}",
    "single quotes": GOOD.replace(b'"', b"'"),
    "a byte order mark": b"\xef\xbb\xbf" + GOOD,
    "a byte order mark in UTF-16": GOOD.decode().encode("utf-16"),
    "UTF-32": GOOD.decode().encode("utf-32-be"),
    "Latin-1 in a field that nobody reads": OPEN + b',"a":"caf\xe9"}',
    "Latin-1 in a name": OPEN + b',"caf\xe9":1}',
    "a surrogate in UTF-8": OPEN + b',"a":"\xed\xa0\x80"}',
    "an overlong slash": OPEN + b',"a":"\xc0\xaf"}',
    "beyond Unicode": OPEN + b',"a":"\xf5\x80\x80\x80"}',
    "a raw NUL in a string": OPEN + b',"a":"\0"}',
    "a raw line break in a string": OPEN + b',"a":"\n"}',
    "a bad escape": OPEN + b',"a":"\\x41"}',
    "half an escape": OPEN + b',"a":"\\u00"}',
    "a string without end": OPEN + b',"a":"' + b'\\"' * 5_000,
    "NaN": OPEN + b',"a":NaN}',
    "NaN where a field is used": with_field(command(expected_version=ABSENT), "correlation", "NaN"),
    "NaN in notes": with_field(command("update_notes", notes=ABSENT), "notes", '[{"a":NaN}]'),
    "Infinity": OPEN + b',"a":Infinity}',
    "-Infinity": OPEN + b',"a":[-Infinity]}',
    "a leading zero": OPEN + b',"a":01}',
    "a plus": OPEN + b',"a":+1}',
    "no digit before the point": OPEN + b',"a":.5}',
    "no digit after the point": OPEN + b',"a":1.}',
    "a hexadecimal number": OPEN + b',"a":0x1F}',
    "True": OPEN + b',"a":True}',
    "depth 65": nested(65),
    "depth 65 of objects": OPEN + b',"a":' + b'{"a":' * 64 + b"1" + b"}" * 64 + b"}",
    "depth 100,000": nested(100_000),
    "brackets without end": b"[" * 200_000,
    "a command_id that comes again, wrong": OPEN + b',"command_id":7}',
    "a session_id that comes again as null": OPEN + b',"session_id":null}',
    "a surrogate in an id": OPEN + b',"session_id":"\\ud800"}',
    "just the limit, and no JSON": b"x" * VALUE_LIMIT,
    **{
        f"a {name} {how}": encode(command(**{name: text}))
        for name in ("command_id", "session_id")
        for how, text in ODD_IDS.items()
    },
    **{
        f"a {name} that is {odd!r}": encode(command(**{name: odd}))
        for name in ("command_id", "session_id")
        for odd in (None, 7, True, [ID], {"id": ID}, ABSENT)
    },
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_a_dead_letter_that_says_why(name: str) -> None:
    record = ARecord(UNREADABLE[name], b"any")
    decoded = decode(record, Source.CHAT)
    assert isinstance(decoded, DeadLetter)
    assert (decoded.record, decoded.reason) == (record, Reason.UNREADABLE)
    assert decoded.detail


@pytest.mark.parametrize("size", [VALUE_LIMIT - 1, VALUE_LIMIT])
def test_a_value_of_just_the_limit_is_a_command(size: int) -> None:
    assert len(filled(size)) == size
    assert outcome(read(filled(size))) == "delivered"


@pytest.mark.parametrize("value", [filled(VALUE_LIMIT + 1), b"\xff" * (VALUE_LIMIT + 1)])
def test_a_value_beyond_the_limit_is_not_parsed(value: bytes) -> None:
    assert outcome(read(value)) == "too_large"


# -- what can ---------------------------------------------------------------------------------

READABLE = {
    "depth 64": nested(64),
    "depth 64 of objects": OPEN + b',"a":' + b'{"a":' * 63 + b"1" + b"}" * 63 + b"}",
    "brackets in text": with_field(command(), "a", json.dumps('[{"' * 500 + "\\")),
    "a thousand arrays side by side": OPEN + b',"a":[' + b"[]," * 1_000 + b"[]]}",
    "blanks around it": b" \r\n\t" + GOOD + b" \r\n\t",
    "blanks within it": json.dumps(command(), indent=4).encode(),
    "escaped names and values": GOOD.replace(b'"type"', b'"\\u0074ype"'),
    "the words NaN and Infinity in text": with_field(command(), "a", '"NaN Infinity"'),
    "a command_id that comes again, right": b'{"command_id":7,' + GOOD[1:],
    "a type that comes again, right": b'{"type":"nonsense","type":null,' + GOOD[1:],
    "an account_id that comes again, right": b'{"account_id":[],' + GOOD[1:],
}
# Of a field that nobody knows, nothing is looked at but that it is JSON.
UNKNOWN = {
    "a lone surrogate": '"\\ud800"',
    "a lone surrogate as a name": '{"\\udc00":1}',
    "a NUL": '"\\u0000"',
    "a number beyond a double": "1e400",
    "a number far beyond a double": "-1e100000",
    "an integer of 400 digits": "9" * 400,
    "an integer of 5,000 digits": "-" + "9" * 5_000,
    "text without bounds": json.dumps("x" * 100_000),
    "null": "null",
    "doubled keys": '{"a":1,"a":2}',
}


@pytest.mark.parametrize("name", READABLE)
def test_what_is_one_strict_json_object_is_read(name: str) -> None:
    decoded = read(READABLE[name])
    assert isinstance(decoded, Delivery)
    assert decoded.command == commands.StartAdhoc(
        command_id=an_id(0x41),
        session_id=SESSION,
        account_id=ACME,
        actor_id=TECH,
        ticket=TicketRef(TicketKind.PSA, "10045"),
    )


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("kind", ["start_adhoc", "update_notes"])
def test_unknown_fields_are_not_looked_at(kind: str, name: str) -> None:
    sent = with_field(command(kind), "unknown", UNKNOWN[name])
    assert outcome(read(sent)) == "delivered"


def test_of_doubled_keys_the_last_one_wins() -> None:
    refused = read(with_field(command("escalate"), "reason", "7"))
    assert outcome(refused) == "invalid"
    delivered = read(b'{"reason":7,' + encode(command("escalate", reason="Twice."))[1:])
    assert isinstance(delivered, Delivery)
    assert isinstance(delivered.command, commands.Escalate)
    assert delivered.command.reason == "Twice."


# -- types and sources ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [None, ABSENT, "", "START_ADHOC", "start_adhoc ", 7, [], "sweep"])
@pytest.mark.parametrize("source", Source)
def test_an_unknown_type_is_invalid(kind: object, source: Source) -> None:
    assert outcome(read(command(type=kind), source)) == "invalid"


@pytest.mark.parametrize("kind", INTERNAL)
@pytest.mark.parametrize("actor", [TECH, None, ABSENT])
def test_internal_types_are_read_on_the_internal_topic(kind: str, actor: object) -> None:
    sent = command(kind, actor_id=actor, **COMMON_OPTIONAL)
    decoded = read(sent, Source.INTERNAL)
    assert isinstance(decoded, Delivery)
    for field in sent.keys() - {"ticket_id", "ticket_kind", "type", "actor_id", "node"}:
        assert getattr(decoded.command, field) == sent[field]
    for field in ("account_id", *INTERNAL[kind]):
        assert outcome(read(command(kind, **{field: ABSENT}), Source.INTERNAL)) == "invalid"


NODES: dict[str, tuple[Json, BuiltNode]] = {
    "a question": (QUESTION, a_node()),
    "an action that rests on an article": (
        {"id": "a", "type": "action", "text": "Go.", "article_id": FLOW, "options": None},
        BuiltNode("a", NodeKind.ACTION, "Go.", article_id=FLOW),
    ),
    "an escalation": (
        {"id": "e", "type": "escalate", "text": "Up.", "reason_category": "network"},
        BuiltNode("e", NodeKind.ESCALATE, "Up.", reason_category="network"),
    ),
}
WRONG_NODES: dict[str, Json] = {
    "no text": {"text": ""},
    "another type": {"type": "wish"},
    "no options": {"options": ABSENT},
    "one option": {"options": [{"id": "1", "label": "Yes"}]},
    "nine options": {"options": [{"id": str(one), "label": "Yes"} for one in range(9)]},
    "an empty label": {"options": [{"id": "1", "label": ""}, {"id": "2", "label": "No"}]},
    "an action with options": {"type": "action"},
    "a reason to escalate": {"reason_category": "network"},
    "no reason to escalate": {"type": "escalate", "options": ABSENT},
    "an article with an odd id": {"article_id": "7"},
    "an id too long": {"id": "i" * 101},
}


@pytest.mark.parametrize("name", NODES)
def test_a_served_node_is_read(name: str) -> None:
    sent, meant = NODES[name]
    decoded = read(command("serve_node", node=sent), Source.INTERNAL)
    assert isinstance(decoded, Delivery)
    assert isinstance(decoded.command, ServeNode)
    assert decoded.command.node == meant


@pytest.mark.parametrize("name", WRONG_NODES)
def test_a_served_node_has_what_its_type_has(name: str) -> None:
    node = {k: v for k, v in (QUESTION | WRONG_NODES[name]).items() if v is not ABSENT}
    assert outcome(read(command("serve_node", node=node), Source.INTERNAL)) == "invalid"


@pytest.mark.parametrize("step", [0, -1, "1", 1.5, True, None])
def test_a_step_is_an_integer_from_one(step: object) -> None:
    assert outcome(read(command("renotify", step=step), Source.INTERNAL)) == "invalid"


def test_internal_types_are_no_others() -> None:
    assert set(INTERNAL) == INTERNAL_TYPES
    assert not set(REQUIRED) & INTERNAL_TYPES


@pytest.mark.parametrize("kind", sorted(INTERNAL_TYPES))
@pytest.mark.parametrize("source", [Source.CHAT, Source.PSA])
def test_internal_types_are_unknown_elsewhere(kind: str, source: Source) -> None:
    for sent in (command(kind), command(kind, actor_id=ABSENT), command(kind, account_id=7)):
        outside = read(sent, source)
        assert isinstance(outside, Refused)
        assert outside.rejected.code is Code.INVALID
        assert outside.rejected.message == "type: not a command type"


def test_what_is_wrong_with_more_than_one_field_names_none() -> None:
    refused = read(command("start_adhoc", ticket_kind="internal", ticket_id="abc"), Source.CHAT)
    assert isinstance(refused, Refused)
    assert refused.rejected.message == "the ticket_id of an internal ticket is a UUID"


@pytest.mark.parametrize("kind", REQUIRED)
@pytest.mark.parametrize("actor", [None, ABSENT])
def test_the_system_acts_on_the_internal_topic_alone(kind: str, actor: object) -> None:
    sent = command(kind, actor_id=actor)
    decoded = read(sent, Source.INTERNAL)
    assert isinstance(decoded, Delivery)
    assert decoded.command.actor_id is None
    assert [outcome(read(sent, source)) for source in (Source.CHAT, Source.PSA)] == ["invalid"] * 2


@pytest.mark.parametrize("source", Source)
def test_the_source_is_the_topic_and_no_claim_of_the_body(source: Source) -> None:
    decoded = read(command() | {"source": "internal", "system": True}, source)
    assert isinstance(decoded, Delivery)
    assert decoded.source is source


# -- the order of refusals, and what they tell ------------------------------------------------


def test_invalid_comes_before_the_key_and_the_key_before_the_size_of_notes() -> None:
    too_large = notes_of(NOTES_LIMIT + 1)
    wrong = command("update_notes", notes=too_large, correlation=7)
    right = command("update_notes", notes=too_large)
    assert outcome(read(wrong, key="another")) == "invalid"
    assert outcome(read(right, key="another")) == "key_mismatch"
    assert outcome(read(right)) == "notes_too_large"


@pytest.mark.parametrize("key", [None, "", ID.upper(), f"{ID} ", f"{{{ID}}}", SESSION])
def test_the_key_is_the_session(key: str | None) -> None:
    decoded = read(command(session_id=ID), key=key)
    assert isinstance(decoded, Refused)
    assert decoded.rejected.code is Code.KEY_MISMATCH
    assert decoded.session_id == ID


def test_a_refusal_echoes_what_can_be_echoed() -> None:
    decoded = read(command(actor_id=7, correlation="chat-7"))
    assert isinstance(decoded, Refused)
    assert (decoded.command_id, decoded.session_id) == (an_id(0x41), SESSION)
    assert (decoded.account_id, decoded.correlation) == (ACME, "chat-7")


@pytest.mark.parametrize(
    ("field", "raw"),
    [
        ("account_id", '"ACME"'),
        ("account_id", "7"),
        ("correlation", "7"),
        ("correlation", '"' + "x" * 129 + '"'),
        ("correlation", '"\\u0000"'),
        ("correlation", '"\\ud800"'),
    ],
)
def test_a_refusal_echoes_nothing_else(field: str, raw: str) -> None:
    decoded = read(with_field(command(**{field: ABSENT}), field, raw))
    assert isinstance(decoded, Refused)
    assert getattr(decoded, field) is None


@pytest.mark.parametrize(
    "sent",
    [
        command(CANARY),
        command(ticket_kind=CANARY),
        command(occurred_at=CANARY),
        command(occurred_at=f"2026-02-30T12:00:00Z{CANARY}"),
        command(expected_version=CANARY),
        command(actor_id=CANARY),
        command("update_notes", notes=[{"a": 1}, CANARY]),
        command("update_notes", notes={CANARY: 1}),
        command("record_step", node_id=CANARY * 20),
        command() | {"command_id": CANARY},
        [CANARY],
        CANARY,
    ],
)
def test_no_refusal_and_no_dead_letter_quotes_what_was_sent(sent: object) -> None:
    for value in (encode(sent), encode(sent)[:-1] + CANARY.encode()):
        decoded = read(value)
        if isinstance(decoded, Refused):
            assert CANARY not in decoded.rejected.message
        else:
            assert isinstance(decoded, DeadLetter)
            assert CANARY not in decoded.detail


def test_the_digest_is_of_the_bytes() -> None:
    plain, spaced = read(GOOD), read(GOOD + b" ")
    assert isinstance(plain, Delivery)
    assert isinstance(spaced, Delivery)
    assert plain.command == spaced.command
    assert plain.digest != spaced.digest
    assert len(plain.digest) == 32


def test_a_flow_is_named_by_its_id_alone() -> None:
    decoded = read(command("start_flow", flow_version=7))
    assert isinstance(decoded, Delivery)
    assert isinstance(decoded.command, commands.StartFlow)
    assert decoded.command.flow_id == FLOW
