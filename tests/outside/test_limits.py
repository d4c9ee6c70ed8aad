"""How much of each thing is allowed: in code points, in bytes, in steps, and inclusive."""

import pytest

from .asking import asked, code_of, started
from .client import Client
from .commands import EVERY_START, command, encode, new_id, script
from .wire import MAX_NOTES, MAX_STEPS, Json


@pytest.mark.parametrize("character", ["x", "é", "🔥"])
@pytest.mark.parametrize(
    ("type_", "field", "limit"),
    [
        ("start_adhoc", "ticket_id", 64),
        ("start_adhoc", "correlation", 128),
        ("start_ai_build", "category", 100),
        ("start_ai_build", "problem_text", 20_000),
        ("record_step", "node_id", 100),
        ("record_step", "option_id", 100),
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
    session = new_id() if type_ in EVERY_START else ""
    more: Json = {}
    # tickets are one another's neighbours: the last characters make each one's own
    end = "" if field != "ticket_id" else new_id()[:8]
    text = character * (limit - len(end)) + end
    if not session:
        # a walk whose node is called so
        node = {"id": text} if field == "node_id" else {}
        label = {"id": text if field == "option_id" else "y", "label": "Yes"}
        session = asked(client, **node, options=[label, {"id": "n", "label": "No"}])
        more = {"node_id": text if field == "node_id" else "g1"} if type_ == "record_step" else {}
    over = command(type_, session, **more | {field: character + text})
    exact = command(type_, session, **more | {field: text})
    refused, accepted = client.ask(over, exact)
    assert refused["code"] == "invalid"
    assert accepted["outcome"] == "accepted"
    told = [
        r.json["data"] for r in client.of_session("session-events", session, accepted["version"])
    ]
    told = [data for data in told if "node_id" in data] or told
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
        ("abandon", "reason"),
        ("abandon", "correlation"),
        ("start_ai_build", "category"),
        ("escalate_without_walk", "reason"),
    ],
)
def test_optional_text_may_be_empty(client: Client, type_: str, field: str) -> None:
    session = new_id() if type_ in EVERY_START else asked(client)
    node = {"node_id": "g1"} if type_ == "record_step" else {}
    assert code_of(client, command(type_, session, **node, **{field: ""})) == "accepted"


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
    steps = [
        command("record_step", session, answer=str(n), option_id="again")
        for n in range(MAX_STEPS + 1)
    ]
    replies = client.ask(command("start_flow", session), *steps)
    assert {reply["outcome"] for reply in replies[:-1]} == {"accepted"}
    assert replies[-1]["code"] == "path_too_long"
    assert replies[-1]["version"] == MAX_STEPS + 1
    assert replies[-1]["session"]["status"] == "active"
    notes, end = client.ask(*script(session, ("update_notes", {}), ("resolve", {})))
    assert notes["version"] == MAX_STEPS + 2
    assert end["outcome"] == "accepted"
