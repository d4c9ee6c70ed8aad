"""Reading a record as the wire contract says, line by line."""

import json

import pytest

from consumers.decode import decode
from consumers.records import DeadLetter, Decoded, Delivery, Reason, Refused, Source
from domain import commands
from domain.built_nodes import BuiltNode, NodeKind
from domain.commands import ServeNode
from domain.decisions import Code
from domain.tickets import TicketKind, TicketRef
from schemas.commands import (
    INTERNAL_TYPES,
    NOTES_LIMIT,
    VALUE_LIMIT,
)
from tests.builders import ACME, FLOW, SESSION, TECH, a_node, an_id
from tests.consumers.wire import (
    ABSENT,
    COMMON_OPTIONAL,
    INTERNAL,
    OPTIONAL,
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
ID = "abcdefab-cdef-4abc-8def-abcdefabcdef"
CANARY = "canary7Q2x"
EMOJI = "\U0001f600"


def read(
    sent: Json | bytes | None, source: Source = Source.CHAT, key: str | None = SESSION
) -> Decoded:
    """Decode what was sent, keyed by its session."""
    value = encode(sent) if isinstance(sent, dict) else sent
    return decode(ARecord(value, None if key is None else key.encode()), source)


def outcome(decoded: Decoded) -> str:
    """What becomes of the record, in a word."""
    match decoded:
        case Delivery():
            return "delivered"
        case Refused(rejected=rejected):
            return rejected.code.value
        case DeadLetter(reason=reason):
            return reason.value


def nested(depth: int) -> bytes:
    """A command whose whole value nests so deep."""
    return OPEN + b',"deep":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def filled(size: int) -> bytes:
    """A command of just so many bytes."""
    start = OPEN + b',"fill":"'
    return start + b"x" * (size - len(start) - 2) + b'"}'


# -- what cannot be read ---------------------------------------------------------------------

ODD_IDS = {
    "empty": "",
    "in upper case": ID.upper(),
    "half in upper case": "A" + ID[1:],
    "in braces": f"{{{ID}}}",
    "as a URN": f"urn:uuid:{ID}",
    "without dashes": ID.replace("-", ""),
    "with dashes elsewhere": "abcdefabc-def-4abc-8def-abcdefabcdef",
    "with 0x": f"0x{ID[2:]}",
    "with an underscore": f"1_{ID[2:]}",
    "with a sign": f"+{ID[1:]}",
    "in Arabic-Indic digits": "\u0661" * 8 + ID[8:],
    "in full-width digits": "\uff11" * 8 + ID[8:],
    "with other dashes": ID.replace("-", "\u2010"),
    "with a line break behind": f"{ID}\n",
    "with a blank in front": f" {ID}",
    "with a NUL behind": f"{ID}\0",
    "too long": f"{ID}0",
    "too short": ID[:-1],
    "nil in braces": "{00000000-0000-0000-0000-000000000000}",
}

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


# -- fields -----------------------------------------------------------------------------------

LIMITS = [
    ("start_adhoc", "ticket_id", 64),
    ("start_ai_build", "problem_text", 20_000),
    ("start_ai_build", "category", 100),
    ("record_step", "node_id", 100),
    ("record_step", "answer", 4_000),
    ("record_step", "option_id", 100),
    ("record_step", "question", 20_000),
    ("record_step", "note", 20_000),
    ("resolve", "resolution_notes", 20_000),
    ("escalate", "reason", 20_000),
    ("escalate", "reason_category", 30),
    ("escalate_without_walk", "reason", 20_000),
    ("escalate_without_walk", "reason_category", 30),
    ("abandon", "reason", 20_000),
    ("abandon", "correlation", 128),
    ("intake", "ticket_id", 64),
    ("intake", "problem_text", 20_000),
    ("intake", "category", 100),
    ("close_escalation", "resolution_notes", 20_000),
    ("hand_back", "instructions", 20_000),
]


@pytest.mark.parametrize(("kind", "field", "most"), LIMITS)
@pytest.mark.parametrize("character", ["x", "é", EMOJI, "\u0301", "\x01"])
def test_a_limit_counts_code_points_and_is_inclusive(
    kind: str, field: str, most: int, character: str
) -> None:
    def sent(length: int) -> str:
        return outcome(read(command(kind, **{field: character * length})))

    assert [sent(length) for length in (1, most - 1, most, most + 1, most * 2)] == [
        *("delivered", "delivered", "delivered"),
        *("invalid", "invalid"),
    ]


@pytest.mark.parametrize(("kind", "field", "most"), LIMITS)
def test_an_escaped_pair_of_surrogates_is_one_code_point(kind: str, field: str, most: int) -> None:
    def sent(length: int) -> str:
        raw = '"' + "\\ud83d\\ude00" * length + '"'
        return outcome(read(with_field(command(kind, **{field: ABSENT}), field, raw)))

    assert [sent(most), sent(most + 1)] == ["delivered", "invalid"]


@pytest.mark.parametrize(("kind", "field", "most"), LIMITS)
def test_required_text_is_not_empty_but_for_the_notes_of_a_resolution(
    kind: str, field: str, most: int
) -> None:
    assert most
    required = field in REQUIRED[kind] and (kind, field) != ("resolve", "resolution_notes")
    assert outcome(read(command(kind, **{field: ""}))) == ("invalid" if required else "delivered")


@pytest.mark.parametrize(("kind", "field", "most"), LIMITS)
@pytest.mark.parametrize("raw", ['"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udfff\\ud800"', "7"])
def test_text_that_is_used_is_storable_text(kind: str, field: str, most: int, raw: str) -> None:
    assert most
    sent = with_field(command(kind, **{field: ABSENT}), field, raw)
    assert outcome(read(sent)) == "invalid"


def test_a_name_that_is_no_text_is_no_field_of_ours() -> None:
    assert outcome(read(OPEN + b',"\\ud800":1,"\\u0000":1,"type\\u0000":1}')) == "delivered"


@pytest.mark.parametrize(
    ("kind", "field"),
    [
        ("start_flow", "account_id"),
        ("start_flow", "actor_id"),
        ("start_flow", "flow_id"),
        ("start_proposal", "flow_proposal_id"),
    ],
)
def test_every_id_has_one_spelling(kind: str, field: str) -> None:
    spelled = {how: outcome(read(command(kind, **{field: text}))) for how, text in ODD_IDS.items()}
    assert set(spelled.values()) == {"invalid"}
    assert outcome(read(command(kind, **{field: ID}))) == "delivered"


@pytest.mark.parametrize("how", ODD_IDS)
def test_an_internal_ticket_has_such_an_id_and_a_psa_ticket_any_text(how: str) -> None:
    odd = ODD_IDS[how]
    assert outcome(read(command(ticket_kind="internal", ticket_id=odd))) == "invalid"
    if odd and "\0" not in odd:
        assert outcome(read(command(ticket_kind="psa", ticket_id=odd))) == "delivered"


def test_a_ticket_keeps_its_kind() -> None:
    decoded = read(command(ticket_kind="internal", ticket_id=ID))
    assert isinstance(decoded, Delivery)
    assert isinstance(decoded.command, commands.StartAdhoc)
    assert decoded.command.ticket == TicketRef(TicketKind.INTERNAL, ID)


@pytest.mark.parametrize("kind", ["PSA", "Internal", "", "psa ", 1, True, ["psa"], "psa\0"])
def test_there_are_two_kinds_of_tickets(kind: object) -> None:
    assert outcome(read(command(ticket_kind=kind))) == "invalid"


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01t12:00:00z",
        "2026-03-01T12:00:00+00:00",
        "2026-03-01T12:00:00-00:00",
        "2026-03-01T12:00:00+14:00",
        "2026-03-01T12:00:00-23:59",
        "2026-03-01T12:00:00.1Z",
        "2026-03-01T12:00:00.123456789Z",
        "2024-02-29T00:00:00Z",
        "2016-12-31T23:59:60Z",
        "2000-01-01T00:00:00Z",
        "1999-12-31T23:00:00-01:00",
        "2100-12-31T23:59:59.999999999Z",
        "2101-01-01T00:59:59+01:00",
    ],
)
def test_a_time_of_rfc_3339_is_kept_as_it_was_written(time: str) -> None:
    decoded = read(command(occurred_at=time))
    assert isinstance(decoded, Delivery)
    assert decoded.command.occurred_at == time


@pytest.mark.parametrize(
    "time",
    [
        "",
        "2026-03-01",
        "12:00:00Z",
        "2026-03-01T12:00:00",
        "2026-03-01 12:00:00Z",
        "2026-03-01T12:00Z",
        "2026-03-01T12:00:00.Z",
        "2026-03-01T12:00:00,5Z",
        "2026-03-01T12:00:00+0100",
        "2026-03-01T12:00:00+01",
        "2026-03-01T12:00:00+24:00",
        "2026-03-01T12:00:00+01:60",
        "2026-03-01T12:00:00 +01:00",
        "2026-03-01T12:00:00Z ",
        "2026-03-01T12:00:00Z\n",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-03-01T24:00:00Z",
        "2026-03-01T12:60:00Z",
        "2026-03-01T12:00:61Z",
        "26-03-01T12:00:00Z",
        "02026-03-01T12:00:00Z",
        "+2026-03-01T12:00:00Z",
        "20260301T120000Z",
        "2026-W09-7T12:00:00Z",
        "٢٠٢٦-03-01T12:00:00Z",
        "1999-12-31T23:59:59Z",
        "2000-01-01T00:00:00+01:00",
        "2101-01-01T00:00:00Z",
        "2100-12-31T23:59:59-01:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "0000-01-01T00:00:00Z",
        "294276-01-01T00:00:00Z",
        "infinity",
        "now",
        1_772_366_400,
        True,
    ],
)
def test_any_other_time_is_invalid(time: object) -> None:
    assert outcome(read(command(occurred_at=time))) == "invalid"


@pytest.mark.parametrize("raw", ["0", "1", "2147483648", "9223372036854775808", "1" + "0" * 300])
def test_a_version_is_an_integer_from_nought(raw: str) -> None:
    decoded = read(with_field(command(), "expected_version", raw))
    assert isinstance(decoded, Delivery)
    assert decoded.command.expected_version == int(raw)


@pytest.mark.parametrize(
    "raw",
    [
        *("-1", "0.5", "1.0", "1e2", "true", "false", '"1"', "[1]", "{}", "1e400"),
        "9" * 309,
        "1" + "0" * 400,
        "9" * 5_000,
        "-" + "9" * 400,
    ],
)
def test_no_version_is_anything_else_or_beyond_a_double(raw: str) -> None:
    assert outcome(read(with_field(command(), "expected_version", raw))) == "invalid"


@pytest.mark.parametrize("helpful", [True, False, None])
def test_whether_it_helped_may_be_unknown(helpful: object) -> None:
    decoded = read(command("resolve", helpful=helpful))
    assert isinstance(decoded, Delivery)
    assert isinstance(decoded.command, commands.Resolve)
    assert decoded.command.helpful is helpful


@pytest.mark.parametrize("helpful", [ABSENT, 0, 1, "true", "", [], 1.0])
def test_whether_it_helped_has_to_be_said(helpful: object) -> None:
    assert outcome(read(command("resolve", helpful=helpful))) == "invalid"


FIELDS = [
    (kind, field)
    for kind, required in REQUIRED.items()
    for field in ("account_id", *required)
    if field != "helpful"
]


@pytest.mark.parametrize(("kind", "field"), FIELDS)
@pytest.mark.parametrize("value", [None, ABSENT])
def test_what_is_required_is_neither_absent_nor_null(kind: str, field: str, value: object) -> None:
    assert outcome(read(command(kind, **{field: value}))) == "invalid"


@pytest.mark.parametrize("kind", REQUIRED)
def test_null_equals_absent(kind: str) -> None:
    nothing = dict.fromkeys((*COMMON_OPTIONAL, *OPTIONAL.get(kind, {})))
    absent, null = read(command(kind)), read(command(kind, **nothing))
    assert isinstance(absent, Delivery)
    assert isinstance(null, Delivery)
    assert absent.command == null.command
    assert absent.digest != null.digest


@pytest.mark.parametrize("kind", REQUIRED)
def test_every_field_comes_through(kind: str) -> None:
    optional = {**COMMON_OPTIONAL, **OPTIONAL.get(kind, {})}
    sent = command(kind, **optional)
    decoded = read(sent)
    assert isinstance(decoded, Delivery)
    ticket = {"ticket_id", "ticket_kind"}
    for field in sent.keys() - ticket - {"type", "notes"}:
        assert getattr(decoded.command, field) == sent[field]


# The JSON that fits a field, of what the test below tries; plain text where nothing is said.
FITS: dict[str, set[str]] = {
    "notes": {"[]"},
    "helpful": {"true"},
    "expected_version": {"7"},
    "adhoc": {"true"},
    "new_session_id": set(),
    "flow_id": set(),
    "flow_proposal_id": set(),
    "ticket_kind": set(),
    "occurred_at": set(),
}


@pytest.mark.parametrize("kind", REQUIRED)
@pytest.mark.parametrize("raw", ['"text"', "7", "true", "[]", '["x"]', '{"a":1}'])
def test_nothing_is_turned_into_another_json_type(kind: str, raw: str) -> None:
    for field in (*REQUIRED[kind], *OPTIONAL.get(kind, {}), *COMMON_OPTIONAL):
        expected = "delivered" if raw in FITS.get(field, {'"text"'}) else "invalid"
        sent = with_field(command(kind, **{field: ABSENT}), field, raw)
        assert outcome(read(sent)) == expected, field


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


# -- notes ------------------------------------------------------------------------------------


def notes_of(compact_bytes: int, character: str = "x") -> list[Json]:
    """Notes that take just so many bytes as compact JSON."""
    room = compact_bytes - len(encode([{"a": ""}]))
    size = len(json.dumps(character, ensure_ascii=False).encode()) - 2
    return [{"a": character * (room // size) + "x" * (room % size)}]


@pytest.mark.parametrize("character", ["x", "é", EMOJI, "\n", '"', "\x01", "/"])
def test_notes_are_measured_as_compact_json_with_nothing_escaped_that_need_not_be(
    character: str,
) -> None:
    fits, exceeds = notes_of(NOTES_LIMIT, character), notes_of(NOTES_LIMIT + 1, character)
    assert [len(encode(fits)), len(encode(exceeds))] == [NOTES_LIMIT, NOTES_LIMIT + 1]
    assert outcome(read(command("update_notes", notes=fits))) == "delivered"
    assert outcome(read(command("update_notes", notes=exceeds))) == "notes_too_large"


def test_how_notes_are_written_does_not_make_them_larger() -> None:
    fits = [{"a": "é" * 50_000, "b": ["x"] * 20_000}]
    sent = json.dumps(command("update_notes", notes=fits), ensure_ascii=True, indent=1).encode()
    assert len(sent) > NOTES_LIMIT
    decoded = read(sent)
    assert isinstance(decoded, Delivery)
    assert isinstance(decoded.command, commands.UpdateNotes)
    assert decoded.command.notes.encode() == encode(fits)


@pytest.mark.parametrize(
    "raw",
    [
        "[]",
        "[{}]",
        '[{"a":null,"b":[true,false,{"c":[]}]}]',
        '[{"":""}]',
        '[{"a":1e308,"b":-1.7976931348623157e308,"c":5e-324,"d":-0.0}]',
        '[{"a":1' + "0" * 308 + "}]",
        '[{"a":-1' + "0" * 308 + "}]",
        '[{"a":9007199254740993,"b":123456789012345678901234567890}]',
        '[{"a":"\\ud83d\\ude00 \\u0001 \\u007f \\u2028"}]',
        '[{"a":' + "[" * 60 + "]" * 60 + "}]",
    ],
)
def test_notes_are_kept_as_they_are(raw: str) -> None:
    decoded = read(with_field(command("update_notes", notes=ABSENT), "notes", raw))
    assert isinstance(decoded, Delivery)
    assert isinstance(decoded.command, commands.UpdateNotes)
    assert json.loads(decoded.command.notes) == json.loads(raw)


@pytest.mark.parametrize(
    "raw",
    [
        "{}",
        '"[]"',
        "[1]",
        "[null]",
        "[[]]",
        '["a"]',
        '[{"a":1},2]',
        '[{"a":"\\u0000"}]',
        '[{"a\\u0000":1}]',
        '[{"a":["\\ud800"]}]',
        '[{"\\udfff":1}]',
        '[{"a":1e400}]',
        '[{"a":[[-1e309]]}]',
        '[{"a":' + "9" * 309 + "}]",
        '[{"a":' + "9" * 5_000 + "}]",
        "[" + "1," * 100_000 + "1]",
    ],
)
def test_notes_that_could_not_be_read_back_are_invalid(raw: str) -> None:
    sent = with_field(command("update_notes", notes=ABSENT), "notes", raw)
    assert outcome(read(sent)) == "invalid"


def test_of_doubled_keys_in_notes_the_last_one_wins() -> None:
    raw = '[{"a":"\\u0000","b":1,"a":2}]'
    decoded = read(with_field(command("update_notes", notes=ABSENT), "notes", raw))
    assert isinstance(decoded, Delivery)
    assert isinstance(decoded.command, commands.UpdateNotes)
    assert json.loads(decoded.command.notes) == [{"a": 2, "b": 1}]


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
