"""What is invalid in itself, whoever sends it and whatever is there."""

import pytest

from .asking import code_of, started
from .client import Client
from .commands import ABSENT, EVERY_START, command, encode
from .people import ACME

UPPER_ID = "AAAAAAAA-AAAA-4AAA-8AAA-AAAAAAAAAAAA"


@pytest.mark.parametrize("type_", [ABSENT, None, "", "START_ADHOC", "start_adhoc ", 7, ["abandon"]])
def test_an_unknown_type_is_invalid(client: Client, type_: object) -> None:
    assert code_of(client, command("abandon", None, type=type_)) == "invalid"


@pytest.mark.parametrize(
    ("type_", "field"),
    [
        *((start, name) for start in EVERY_START for name in ("ticket_id", "ticket_kind")),
        ("start_flow", "flow_id"),
        ("start_proposal", "flow_proposal_id"),
        ("start_ai_build", "problem_text"),
        ("escalate_without_walk", "reason_category"),
        ("record_step", "node_id"),
        ("record_step", "answer"),
        ("update_notes", "notes"),
        ("resolve", "helpful"),
        ("resolve", "resolution_notes"),
        ("escalate", "reason"),
        ("escalate", "reason_category"),
        *(
            (type_, name)
            for type_ in ("start_adhoc", "abandon")
            for name in ("account_id", "actor_id")
        ),
    ],
)
def test_a_required_field_must_be_there(client: Client, type_: str, field: str) -> None:
    assert code_of(client, command(type_, None, **{field: ABSENT})) == "invalid"


@pytest.mark.parametrize(
    ("type_", "field"),
    [
        ("start_adhoc", "ticket_id"),
        ("start_ai_build", "problem_text"),
        ("escalate_without_walk", "reason_category"),
        ("record_step", "node_id"),
        ("record_step", "answer"),
        ("escalate", "reason"),
        ("escalate", "reason_category"),
    ],
)
def test_required_text_is_not_empty(client: Client, type_: str, field: str) -> None:
    assert code_of(client, command(type_, None, **{field: ""})) == "invalid"


@pytest.mark.parametrize(
    ("type_", "field", "value"),
    [
        ("start_adhoc", "ticket_kind", "PSA"),
        ("start_adhoc", "ticket_kind", "email"),
        ("start_adhoc", "ticket_id", 10045),
        ("record_step", "answer", 7),
        ("record_step", "answer", True),
        ("record_step", "note", ["a"]),
        ("record_step", "node_id", {"id": "n1"}),
        ("resolve", "helpful", "yes"),
        ("resolve", "helpful", 1),
        ("resolve", "helpful", "true"),
        ("update_notes", "notes", {}),
        ("update_notes", "notes", "text"),
        ("update_notes", "notes", ["text"]),
        ("update_notes", "notes", [{"text": "a"}, None]),
        ("update_notes", "notes", [[]]),
        ("abandon", "reason", 7),
        ("abandon", "correlation", 7),
        ("abandon", "expected_version", -1),
        ("abandon", "expected_version", "1"),
        ("abandon", "expected_version", True),
        ("abandon", "expected_version", 1.5),
        ("abandon", "expected_version", [1]),
        ("abandon", "account_id", 7),
    ],
)
def test_a_value_of_another_type_is_invalid(
    client: Client, type_: str, field: str, value: object
) -> None:
    assert code_of(client, command(type_, None, **{field: value})) == "invalid"


@pytest.mark.parametrize(
    "id_",
    [
        "",
        "acme",
        ACME.upper(),
        ACME.replace("-", ""),
        f"{{{ACME}}}",
        f"urn:uuid:{ACME}",
        f" {ACME}",
        f"{ACME}\n",
        ACME[:-1],
        f"{ACME}0",
        f"0x{ACME[2:]}",
        # Arabic-Indic digits, which Python's UUID() reads as digits
        ACME.translate({ord(str(digit)): 0x660 + digit for digit in range(10)}),
        f"{ACME[:9]}{ACME[10:14]}-{ACME[14:]}",
    ],
)
@pytest.mark.parametrize("field", ["account_id", "actor_id", "flow_id"])
def test_an_id_has_one_spelling(client: Client, field: str, id_: str) -> None:
    assert code_of(client, command("start_flow", None, **{field: id_})) == "invalid"


@pytest.mark.parametrize("id_", [UPPER_ID, "10045", ""])
def test_the_id_of_an_internal_ticket_is_a_uuid(client: Client, id_: str) -> None:
    sent = command("start_adhoc", ticket_kind="internal", ticket_id=id_)
    assert code_of(client, sent) == "invalid"


@pytest.mark.parametrize(
    "id_", ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]
)
def test_the_least_and_the_greatest_id_are_ids_like_others(client: Client, id_: str) -> None:
    assert code_of(client, command("abandon", account_id=id_)) == "forbidden"
    assert code_of(client, command("abandon", actor_id=id_)) == "forbidden"
    assert code_of(client, command("start_flow", flow_id=id_)) == "unknown_flow"


@pytest.mark.parametrize(
    "time",
    [
        "",
        "yesterday",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-01-01 00:00:00+00:00",
        "2026-02-30T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00Z",
        "1999-12-31T23:59:59Z",
        "2101-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "294276-12-31T00:00:00Z",
        "-4713-01-01T00:00:00Z",
        "4713-01-01 BC",
        "infinity",
        "1767225600",
        1767225600,
        "2026-01-01T00:00:00+0000",
        "20260101T000000Z",
        "2026-W01-1T00:00:00Z",
        "\u0662026-01-01T00:00:00Z",
        " 2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
    ],
)
def test_a_time_is_rfc_3339_in_this_century(client: Client, time: object) -> None:
    assert code_of(client, command("start_adhoc", occurred_at=time)) == "invalid"


@pytest.mark.parametrize(
    "time",
    [
        "2000-01-01T00:00:00Z",
        "2100-12-31T23:59:59Z",
        "2026-01-01T00:00:00.5+05:30",
        "2026-01-01T00:00:00.123456789-08:00",
        "2024-02-29T00:00:00-00:00",
    ],
)
def test_a_time_that_is_one_is_taken(client: Client, time: str) -> None:
    assert code_of(client, command("start_adhoc", occurred_at=time)) == "accepted"


@pytest.mark.parametrize("escape", [b"\\u0000", b"\\ud800", b"\\udc00", b"\\udc00\\ud800"])
@pytest.mark.parametrize(
    ("type_", "field"),
    [
        ("start_adhoc", "ticket_id"),
        ("start_ai_build", "problem_text"),
        ("record_step", "answer"),
        ("record_step", "note"),
        ("abandon", "correlation"),
        ("abandon", "reason"),
        ("abandon", "type"),
    ],
)
def test_text_that_postgres_cannot_keep_is_invalid(
    client: Client, type_: str, field: str, escape: bytes
) -> None:
    sent = command(type_, None, **{field: "abcHEREdef"})
    client.send(encode(sent).replace(b"HERE", escape), key=sent["session_id"])
    [reply] = client.answers(sent)
    assert reply["code"] == "invalid"
    assert "correlation" not in reply


@pytest.mark.parametrize(
    "inside",
    [
        b'{"text":"\\u0000"}',
        b'{"text":"\\ud800"}',
        b'{"\\u0000":1}',
        b'{"\\udfff":1}',
        b'{"deep":[[{"text":"\\u0000"}]]}',
        b'{"n":1e400}',
        b'{"n":-1e400}',
        b'{"n":1e100000}',
        b'{"n":[1e200000]}',
        b'{"n":' + b"9" * 400 + b"}",
        b'{"n":' + b"9" * 5000 + b"}",
    ],
    ids=lambda inside: inside[:32].decode(),
)
def test_notes_that_postgres_cannot_keep_are_invalid(client: Client, inside: bytes) -> None:
    """In names as in values, and however deep."""
    session = started(client)
    sent = command("update_notes", session, notes=["HERE"])
    client.send(encode(sent).replace(b'"HERE"', inside), key=session)
    [reply] = client.answers(sent)
    assert reply["code"] == "invalid"


@pytest.mark.parametrize(
    "inside",
    [
        b'{"n":1e308}',
        b'{"n":-1.7976931348623157e308}',
        b'{"n":1e-400}',
        b'{"n":9223372036854775808}',
        b'{"n":123456789012345678901234567890}',
        b'{"n":-0.0}',
        b'{"pair":"\\ud83d\\udd25"}',
        b'{"":""}',
        b'{"__proto__":{"a":1},"constructor":null}',
        b'{"a":1,"a":2}',
        b'{"ctl":"\\u0001\\u001f\\u007f"}',
        b'{"edge":"\\ufffe\\uffff\\ufeff"}',
    ],
    ids=lambda inside: inside[:32].decode(),
)
def test_notes_that_are_merely_odd_are_kept(client: Client, inside: bytes) -> None:
    session = started(client)
    sent = command("update_notes", session, notes=["HERE"])
    client.send(encode(sent).replace(b'"HERE"', inside), key=session)
    [reply] = client.answers(sent)
    assert reply["outcome"] == "accepted"


@pytest.mark.parametrize("number", [b"1e400", b"9" * 5000, b"18446744073709551616"])
def test_an_expected_version_beyond_every_session_is_refused(client: Client, number: bytes) -> None:
    """As invalid, or as stale: the contract names no upper limit."""
    session = started(client)
    sent = command("abandon", session, expected_version=77777)
    client.send(encode(sent).replace(b"77777", number), key=session)
    [reply] = client.answers(sent)
    assert reply["code"] in {"invalid", "stale_version"}
