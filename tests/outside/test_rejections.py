"""Every code of the contract that a command can be refused with today, and which comes first."""

import pytest

from .checker import check
from .client import Client
from .commands import ABSENT, STARTS, a_ticket, command, encode, new_id, script
from .look import look, wait_for_rest
from .people import (
    ACME,
    ADMIN,
    ARCHIVED_FLOW,
    CLOSED_TICKET,
    ENGINEER,
    GLOBEX,
    GLOBEX_FLOW,
    GLOBEX_PROPOSAL,
    GLOBEX_TECH,
    GLOBEX_TICKET,
    GONE,
    GONE_ENGINEER,
    OPEN_TICKETS,
    OWNER,
    PROPOSAL,
    TECH,
)
from .program import Installation
from .wire import MAX_NOTES, MAX_STEPS, Json

FOREIGN = {"account_id": GLOBEX, "actor_id": GLOBEX_TECH}
TOO_LARGE_NOTES = [{"text": "x" * MAX_NOTES}]
ON_SESSIONS = ("record_step", "update_notes", "resolve", "escalate", "abandon")
EVERY_START = (*STARTS, "escalate_without_walk")
UPPER_ID = "AAAAAAAA-AAAA-4AAA-8AAA-AAAAAAAAAAAA"


def code_of(client: Client, sent: Json, *, key: str | None = None, source: str = "chat") -> str:
    """Send one command and return the code it is refused with, or its outcome."""
    client.send(sent, source, key=key or sent["session_id"])
    [reply] = client.answers(sent)
    return str(reply.get("code", reply["outcome"]))


def started(client: Client, start: str = "start_adhoc", *ends: str) -> str:
    """Return a new session that was started, and ended where an end is given."""
    session = new_id()
    replies = client.ask(*script(session, (start, {}), *((end, {}) for end in ends)))
    assert {reply["outcome"] for reply in replies} == {"accepted"}
    return session


# invalid


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


# Limits, in code points and inclusive


@pytest.mark.parametrize("character", ["x", "é", "🔥"])
@pytest.mark.parametrize(
    ("type_", "field", "limit"),
    [
        ("start_adhoc", "ticket_id", 64),
        ("start_adhoc", "correlation", 128),
        ("start_ai_build", "category", 100),
        ("start_ai_build", "problem_text", 20_000),
        ("record_step", "node_id", 100),
        ("record_step", "answer", 4_000),
        ("record_step", "question", 20_000),
        ("record_step", "note", 20_000),
        ("resolve", "resolution_notes", 20_000),
        ("escalate", "reason", 20_000),
        ("escalate", "reason_category", 30),
        ("escalate_without_walk", "reason", 20_000),
        ("escalate_without_walk", "reason_category", 30),
        ("abandon", "reason", 20_000),
    ],
)
def test_a_limit_counts_code_points_and_is_inclusive(
    client: Client, type_: str, field: str, limit: int, character: str
) -> None:
    session = new_id() if type_ in EVERY_START else started(client, "start_flow")
    # tickets are one another's neighbours: the last characters make each one's own
    end = "" if field != "ticket_id" else new_id()[:8]
    text = character * (limit - len(end)) + end
    over = command(type_, session, **{field: character + text})
    exact = command(type_, session, **{field: text})
    refused, accepted = client.ask(over, exact)
    assert refused["code"] == "invalid"
    assert accepted["outcome"] == "accepted"
    told = [
        r.json["data"] for r in client.of_session("session-events", session, accepted["version"])
    ]
    if field == "correlation":
        assert accepted["correlation"] == text
    elif field == "ticket_id":
        assert told[-1]["ticket"]["id"] == text
    else:
        assert text in {data.get(field) for data in told}


@pytest.mark.parametrize(
    ("type_", "field"),
    [
        ("record_step", "note"),
        ("record_step", "question"),
        ("record_step", "option_id"),
        ("abandon", "reason"),
        ("abandon", "correlation"),
        ("start_ai_build", "category"),
        ("escalate_without_walk", "reason"),
    ],
)
def test_optional_text_may_be_empty(client: Client, type_: str, field: str) -> None:
    session = new_id() if type_ in EVERY_START else started(client, "start_flow")
    assert code_of(client, command(type_, session, **{field: ""})) == "accepted"


@pytest.mark.parametrize(("length", "code"), [(100, "accepted"), (20_001, "invalid")])
def test_an_option_id_has_a_limit(client: Client, length: int, code: str) -> None:
    """Somewhere from 100 to 20,000: the contract does not say whether it is free text."""
    session = started(client, "start_flow")
    assert code_of(client, command("record_step", session, option_id="x" * length)) == code


@pytest.mark.parametrize(
    ("filler", "spelt"),
    [
        (b"x", b"x"),
        ("é".encode(), "é".encode()),
        ("é".encode(), b"\\u00e9"),
        ("🔥".encode(), b"\\ud83d\\udd25"),
        (b"/", b"\\/"),
        (b"\x7f", b"\\u007f"),
        ("\u2028".encode(), b"\\u2028"),
        (b"\\n", b"\\n"),
        (b"\\n", b"\\u000a"),
        (b'\\"', b"\\u0022"),
        (b"\\u0001", b"\\u0001"),
    ],
    ids=lambda part: part.decode(errors="replace"),
)
def test_notes_are_measured_with_nothing_escaped_that_need_not_be(
    client: Client, filler: bytes, spelt: bytes
) -> None:
    """262,144 bytes pass and one more does not, however the sender spells and spaces them."""
    session = started(client)
    times = min(30_000, (MAX_NOTES - 100) // len(filler))
    room = MAX_NOTES - len(b'[{"text":""},{"more":""}]') - times * len(filler)
    for extra, expected in ((0, "accepted"), (1, "notes_too_large")):
        sent = command("update_notes", session, notes="HERE")
        rest = b"y" * (room + extra)
        notes = b'[{"text":"' + spelt * times + b'"} ,\r\n{ "more" : "' + rest + b'" } ]'
        client.send(encode(sent).replace(b'"HERE"', notes), key=session)
        [reply] = client.answers(sent)
        assert reply.get("code", reply["outcome"]) == expected


def test_a_walk_has_at_most_500_steps(client: Client) -> None:
    """The walk can still be ended, and its notes be changed."""
    session = new_id()
    steps = [command("record_step", session, answer=str(n)) for n in range(MAX_STEPS + 1)]
    replies = client.ask(command("start_flow", session), *steps)
    assert {reply["outcome"] for reply in replies[:-1]} == {"accepted"}
    assert replies[-1]["code"] == "path_too_long"
    assert replies[-1]["version"] == MAX_STEPS + 1
    assert replies[-1]["session"]["status"] == "active"
    notes, end = client.ask(*script(session, ("update_notes", {}), ("resolve", {})))
    assert notes["version"] == MAX_STEPS + 2
    assert end["outcome"] == "accepted"


# forbidden


@pytest.mark.parametrize(
    "actor",
    [ENGINEER, ADMIN, OWNER, GONE, GONE_ENGINEER, GLOBEX_TECH, new_id()],
    ids=["no-coverage", "admin", "owner", "deleted", "deleted-engineer", "foreign", "unknown"],
)
def test_who_does_not_walk_is_forbidden(client: Client, actor: str) -> None:
    """An admin and an owner are, although somebody gave them coverage."""
    session = started(client, "start_flow")
    sent = [command(start, actor_id=actor) for start in EVERY_START]
    sent += [command(type_, session, actor_id=actor) for type_ in ON_SESSIONS]
    assert {reply.get("code") for reply in client.ask(*sent)} == {"forbidden"}


def test_an_unknown_account_is_forbidden(client: Client) -> None:
    assert code_of(client, command("start_adhoc", account_id=new_id())) == "forbidden"


def test_an_actor_of_another_account_is_forbidden(client: Client) -> None:
    assert code_of(client, command("start_adhoc", account_id=GLOBEX, actor_id=TECH)) == "forbidden"


# unknown_session, session_exists, stale_version


@pytest.mark.parametrize("type_", ON_SESSIONS)
def test_a_session_nobody_started_is_unknown(client: Client, type_: str) -> None:
    assert code_of(client, command(type_)) == "unknown_session"


@pytest.mark.parametrize("type_", ON_SESSIONS)
def test_a_session_of_another_account_is_unknown(client: Client, type_: str) -> None:
    session = started(client, "start_flow")
    assert code_of(client, command(type_, session, **FOREIGN)) == "unknown_session"


@pytest.mark.parametrize("start", EVERY_START)
def test_a_session_id_is_taken_once(client: Client, start: str) -> None:
    for session in (started(client), started(client, "start_flow", "resolve")):
        assert code_of(client, command(start, session)) == "session_exists"


def test_a_session_id_taken_by_another_account_is_taken(client: Client) -> None:
    session = started(client)
    assert code_of(client, command("start_adhoc", session, **FOREIGN)) == "session_exists"


def test_a_session_elsewhere_than_expected_is_stale(client: Client) -> None:
    session = started(client, "start_flow")
    assert code_of(client, command("record_step", session, expected_version=0)) == "stale_version"
    assert code_of(client, command("record_step", session, expected_version=2)) == "stale_version"
    assert code_of(client, command("record_step", session, expected_version=1)) == "accepted"
    assert code_of(client, command("record_step", session, expected_version=1)) == "stale_version"


@pytest.mark.parametrize("start", EVERY_START)
def test_a_start_expects_only_version_zero(client: Client, start: str) -> None:
    assert code_of(client, command(start, None, expected_version=1)) == "stale_version"
    assert code_of(client, command(start, None, expected_version=0)) == "accepted"


# not_active, wrong_kind


@pytest.mark.parametrize("end", ["resolve", "escalate", "abandon"])
@pytest.mark.parametrize("type_", ON_SESSIONS)
def test_a_session_that_has_ended_is_not_active(client: Client, type_: str, end: str) -> None:
    session = started(client, "start_flow", end)
    assert code_of(client, command(type_, session)) == "not_active"


@pytest.mark.parametrize("type_", ON_SESSIONS)
def test_a_session_that_began_escalated_is_not_active(client: Client, type_: str) -> None:
    session = started(client, "escalate_without_walk")
    assert code_of(client, command(type_, session)) == "not_active"


def test_an_adhoc_session_has_no_steps(client: Client) -> None:
    assert code_of(client, command("record_step", started(client))) == "wrong_kind"


# unknown_flow, unknown_proposal, unknown_ticket, ticket_closed, ticket_has_active_session


@pytest.mark.parametrize(
    "flow",
    [new_id(), ARCHIVED_FLOW, GLOBEX_FLOW, PROPOSAL],
    ids=["unknown", "archived", "foreign", "proposal"],
)
def test_a_flow_that_cannot_be_walked_is_unknown(client: Client, flow: str) -> None:
    assert code_of(client, command("start_flow", flow_id=flow)) == "unknown_flow"


@pytest.mark.parametrize("proposal", [new_id(), GLOBEX_PROPOSAL], ids=["unknown", "foreign"])
def test_a_proposal_that_cannot_be_walked_is_unknown(client: Client, proposal: str) -> None:
    sent = command("start_proposal", flow_proposal_id=proposal)
    assert code_of(client, sent) == "unknown_proposal"


@pytest.mark.parametrize("ticket", [new_id(), GLOBEX_TICKET], ids=["unknown", "foreign"])
@pytest.mark.parametrize("start", EVERY_START)
def test_an_internal_ticket_is_one_of_the_account(client: Client, start: str, ticket: str) -> None:
    sent = command(start, None, ticket_kind="internal", ticket_id=ticket)
    assert code_of(client, sent) == "unknown_ticket"


@pytest.mark.parametrize("start", EVERY_START)
def test_a_closed_ticket_is_not_worked_on(client: Client, start: str) -> None:
    sent = command(start, None, ticket_kind="internal", ticket_id=CLOSED_TICKET)
    assert code_of(client, sent) == "ticket_closed"


@pytest.mark.parametrize("start", STARTS)
def test_a_ticket_has_one_active_session(client: Client, start: str) -> None:
    ticket = a_ticket()
    first, second = command("start_adhoc", ticket_id=ticket), command(start, ticket_id=ticket)
    client.ask(first)
    [reply] = client.ask(second)
    assert reply["code"] == "ticket_has_active_session"
    assert reply["active_session_id"] == first["session_id"]
    assert "version" not in reply


def test_of_many_starts_on_a_ticket_in_one_batch_one_wins(client: Client) -> None:
    ticket = a_ticket()
    sent = [command("start_adhoc", ticket_id=ticket) for _ in range(30)]
    replies = client.ask(*sent)
    [winner] = [reply for reply in replies if reply["outcome"] == "accepted"]
    losers = [reply for reply in replies if reply is not winner]
    assert {reply["code"] for reply in losers} == {"ticket_has_active_session"}
    assert {reply["active_session_id"] for reply in losers} == {winner["session_id"]}


def test_the_same_ticket_of_two_accounts_is_two_tickets(client: Client) -> None:
    ticket = a_ticket()
    replies = client.ask(
        command("start_adhoc", ticket_id=ticket),
        command("start_adhoc", ticket_id=ticket, account_id=GLOBEX, actor_id=GLOBEX_TECH),
    )
    assert [reply["outcome"] for reply in replies] == ["accepted", "accepted"]


# Which code comes first


def test_invalid_comes_before_a_wrong_key(client: Client) -> None:
    assert code_of(client, command("start_adhoc", ticket_id=""), key=new_id()) == "invalid"


def test_invalid_comes_before_notes_too_large(client: Client) -> None:
    sent = command("update_notes", account_id="x", notes=TOO_LARGE_NOTES)
    assert code_of(client, sent) == "invalid"
    sent = command("update_notes", notes=[*TOO_LARGE_NOTES, 7])
    assert code_of(client, sent) == "invalid"


def test_a_wrong_key_comes_before_notes_too_large(client: Client) -> None:
    sent = command("update_notes", notes=TOO_LARGE_NOTES)
    assert code_of(client, sent, key=new_id()) == "key_mismatch"


@pytest.mark.parametrize(
    ("change", "key", "code"),
    [
        ({"ticket_id": ""}, None, "invalid"),
        ({"ticket_id": "other"}, new_id(), "key_mismatch"),
        ({"type": "update_notes", "notes": TOO_LARGE_NOTES}, None, "notes_too_large"),
        ({"actor_id": ADMIN}, None, "command_id_reused"),
        ({"account_id": new_id()}, None, "command_id_reused"),
        ({"session_id": new_id(), "type": "abandon"}, None, "command_id_reused"),
        ({"expected_version": 9}, None, "command_id_reused"),
    ],
)
def test_a_used_id_comes_after_the_record_and_before_the_rest(
    client: Client, change: Json, key: str | None, code: str
) -> None:
    first = command("start_adhoc")
    client.ask(first)
    assert code_of(client, first | change, key=key) == code


def test_the_same_bytes_under_a_wrong_key_are_not_a_duplicate(client: Client) -> None:
    sent = command("start_adhoc")
    client.ask(sent)
    assert code_of(client, sent, key=new_id()) == "key_mismatch"


def test_notes_too_large_come_before_everything_that_needs_looking_up(client: Client) -> None:
    for fields in ({}, {"actor_id": ADMIN}, {"account_id": new_id()}):
        sent = command("update_notes", None, notes=TOO_LARGE_NOTES, **fields)
        assert code_of(client, sent) == "notes_too_large"


def test_forbidden_comes_before_whether_the_session_is_there(client: Client) -> None:
    assert code_of(client, command("abandon", actor_id=ADMIN)) == "forbidden"
    taken = started(client)
    assert code_of(client, command("start_adhoc", taken, actor_id=ADMIN)) == "forbidden"
    sent = command("abandon", taken, actor_id=ADMIN, expected_version=9)
    assert code_of(client, sent) == "forbidden"


def test_an_unknown_session_comes_before_its_version(client: Client) -> None:
    assert code_of(client, command("abandon", expected_version=3)) == "unknown_session"


def test_a_taken_session_id_comes_before_its_version_and_its_target(client: Client) -> None:
    taken = started(client)
    sent = command("start_flow", taken, expected_version=3, flow_id=new_id())
    assert code_of(client, sent) == "session_exists"


def test_a_stale_version_comes_before_the_end_of_the_session(client: Client) -> None:
    ended = started(client, "start_adhoc", "abandon")
    assert code_of(client, command("abandon", ended, expected_version=1)) == "stale_version"
    assert code_of(client, command("record_step", ended, expected_version=1)) == "stale_version"


def test_a_stale_version_comes_before_the_kind_and_the_target(client: Client) -> None:
    sent = command("record_step", started(client), expected_version=7)
    assert code_of(client, sent) == "stale_version"
    sent = command("start_flow", expected_version=7, flow_id=new_id())
    assert code_of(client, sent) == "stale_version"


def test_not_active_comes_before_the_kind(client: Client) -> None:
    ended = started(client, "start_adhoc", "abandon")
    assert code_of(client, command("record_step", ended)) == "not_active"


@pytest.mark.parametrize(
    ("type_", "target", "code"),
    [
        ("start_flow", {"flow_id": ARCHIVED_FLOW}, "unknown_flow"),
        ("start_proposal", {"flow_proposal_id": GLOBEX_PROPOSAL}, "unknown_proposal"),
    ],
)
def test_an_unknown_target_comes_before_the_state_of_the_ticket(
    client: Client, type_: str, target: Json, code: str
) -> None:
    closed = {"ticket_kind": "internal", "ticket_id": CLOSED_TICKET}
    assert code_of(client, command(type_, None, **closed, **target)) == code
    busy = {"ticket_kind": "internal", "ticket_id": OPEN_TICKETS[30]}
    client.ask(command("start_adhoc", None, **busy))
    assert code_of(client, command(type_, None, **busy, **target)) == code


def test_no_invariant_was_broken_on_the_way(client: Client, installation: Installation) -> None:
    """Looks at all that the tests above have left behind."""
    client.flush()
    wait_for_rest(installation)
    assert check(look(installation)) == []
