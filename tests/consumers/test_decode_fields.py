"""Reading the fields of a command as the wire contract says, line by line, and its notes."""

import json

import pytest

from consumers.records import Delivery
from domain import commands
from domain.tickets import TicketKind, TicketRef
from schemas.commands import NOTES_LIMIT
from tests.consumers.decoding import EMOJI, ID, ODD_IDS, notes_of, outcome, read
from tests.consumers.wire import (
    ABSENT,
    COMMON_OPTIONAL,
    OPTIONAL,
    REQUIRED,
    command,
    encode,
    with_field,
)

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
    assert (
        outcome(read(encode(command())[:-1] + b',"\\ud800":1,"\\u0000":1,"type\\u0000":1}'))
        == "delivered"
    )


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


# -- notes ------------------------------------------------------------------------------------


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
