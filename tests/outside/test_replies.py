"""What a reply holds, and how often a command is answered."""

import json

import pytest

from .client import Client
from .commands import command, encode, new_id, script
from .look import violations
from .people import ADMIN, GLOBEX, GLOBEX_TECH
from .program import Installation
from .wire import Json


def test_a_correlation_is_echoed_whatever_becomes_of_the_command(client: Client) -> None:
    session = new_id()
    text = "ticket 7 / 🐢"
    sent = [
        command("start_adhoc", session, correlation=text),
        command("record_step", session, correlation=text),
        command("resolve", session, correlation=text, actor_id=ADMIN),
        command("no_such_type", session, correlation=text),
    ]
    replies = client.ask(*sent)
    assert [reply.get("code") for reply in replies] == [None, "wrong_kind", "forbidden", "invalid"]
    assert [reply.get("correlation") for reply in replies] == [text] * 4


def test_what_is_absent_is_left_out(client: Client) -> None:
    session = new_id()
    replies = client.ask(
        *script(session, ("start_adhoc", {}), ("abandon", {})),
        command("abandon"),
    )
    assert [reply["outcome"] for reply in replies] == ["accepted", "accepted", "rejected"]
    for reply in replies:
        assert None not in reply.values()
        assert "correlation" not in reply
        assert "node" not in reply
    assert replies[2].keys().isdisjoint({"version", "session"})


def test_null_is_the_same_as_absent(client: Client) -> None:
    session = new_id()
    absent = {"occurred_at": None, "expected_version": None, "correlation": None}
    step = {"node_id": "d", "option_id": None, "question": None, "note": None}
    replies = client.ask(
        *script(
            session,
            ("start_proposal", absent),
            ("record_step", absent | step),
            ("abandon", absent | {"reason": None}),
        )
    )
    assert [reply["outcome"] for reply in replies] == ["accepted"] * 3
    assert all("correlation" not in reply for reply in replies)


def test_a_required_field_that_is_null_is_missing(client: Client) -> None:
    [reply] = client.ask(command("record_step", answer=None))
    assert reply["code"] == "invalid"


def test_unknown_fields_are_ignored_and_not_inspected(client: Client) -> None:
    """Not even where they hold what would be invalid in a field that is known."""
    sent = command("start_adhoc")
    odd = (
        b'"odd":{"nul":"\\u0000","half":"\\ud800","far":1e400,"\\udfff":[]},"notes":7,"node_id":""'
    )
    client.send(encode(sent)[:-1] + b"," + odd + b"}", key=sent["session_id"])
    [reply] = client.answers(sent)
    assert reply["outcome"] == "accepted"


def test_the_last_of_doubled_keys_wins(client: Client) -> None:
    sent = command("start_adhoc")
    first = f'{{"type":"abandon","session_id":"{new_id()}","command_id":7,'.encode()
    client.send(first + encode(sent)[1:], key=sent["session_id"])
    [reply] = client.answers(sent)
    assert reply["outcome"] == "accepted"


def test_the_order_of_keys_and_blanks_between_them_mean_nothing(client: Client) -> None:
    sent = command("start_adhoc")
    text = json.dumps(dict(reversed(sent.items())), indent=3)
    client.send(f"\r\n\t {text} \n".encode(), key=sent["session_id"])
    [reply] = client.answers(sent)
    assert reply["outcome"] == "accepted"


def test_the_same_bytes_get_the_first_reply_again(client: Client) -> None:
    """However often, from whichever topic, and although the session has moved on."""
    session = new_id()
    start, step = script(session, ("start_flow", {"correlation": "c"}), ("record_step", {}))
    [first, _] = client.ask(start, step)
    again = client.ask(start, start) + client.ask(start, source="psa")
    assert first["duplicate"] is False
    assert again == [first | {"duplicate": True}] * 3


def test_the_same_bytes_twice_in_a_row_have_one_effect(client: Client) -> None:
    session = new_id()
    start, step, end = script(session, ("start_flow", {}), ("record_step", {}), ("resolve", {}))
    replies = client.ask(start, start, step, step, step, end, end)
    assert [reply["version"] for reply in replies] == [1, 1, 2, 2, 2, 3, 3]
    assert [reply["duplicate"] for reply in replies] == [
        False,
        True,
        False,
        True,
        True,
        False,
        True,
    ]
    assert len(client.of_session("session-events", session, 3)) == 3


def test_a_refusal_is_remembered(client: Client) -> None:
    """Also once the command would be accepted: a corrected command needs a new id."""
    session = new_id()
    early = command("record_step", session)
    [refused] = client.ask(early)
    assert refused["code"] == "unknown_session"
    client.ask(command("start_flow", session))
    assert client.ask(early) == [refused | {"duplicate": True}]
    [accepted] = client.ask(early | {"command_id": new_id()})
    assert accepted["outcome"] == "accepted"


@pytest.mark.parametrize(
    "change",
    [
        {"answer": "No"},
        {"type": "abandon"},
        {"correlation": "other"},
        {"not_a_field": 1},
        {"actor_id": new_id()},
        {"account_id": GLOBEX, "actor_id": GLOBEX_TECH},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_bytes_under_a_used_id_are_refused(client: Client, change: Json) -> None:
    session = new_id()
    start, step = script(session, ("start_flow", {}), ("record_step", {}))
    [_, first] = client.ask(start, step)
    [reused] = client.ask(step | change)
    assert (reused["outcome"], reused["code"]) == ("rejected", "command_id_reused")
    assert reused["duplicate"] is False
    if "account_id" in change:
        assert reused.keys().isdisjoint({"version", "session", "node"})
    assert client.ask(step) == [first | {"duplicate": True}]


def test_the_same_command_spelt_otherwise_is_other_bytes(client: Client) -> None:
    sent = command("start_adhoc")
    client.ask(sent)
    client.send(json.dumps(sent, indent=1).encode(), key=sent["session_id"])
    [reused] = client.answers(sent)
    assert reused["code"] == "command_id_reused"


def test_a_used_id_is_refused_in_another_session(client: Client) -> None:
    sent = command("start_adhoc")
    client.ask(sent)
    other = command("start_adhoc", command_id=sent["command_id"])
    [reused] = client.ask(other)
    assert reused["code"] == "command_id_reused"
    assert reused["session_id"] == other["session_id"]
    [unknown] = client.ask(command("abandon", other["session_id"]))
    assert unknown["code"] == "unknown_session"


def test_an_id_belongs_to_who_used_it_first_in_a_row_of_many(client: Client) -> None:
    """All in one batch: the first of each id decides, whatever its session."""
    ids = [new_id() for _ in range(20)]
    sent = [command("start_adhoc", command_id=id_) for id_ in ids]
    others = [s | {"session_id": new_id(), "ticket_id": f"o{i}"} for i, s in enumerate(sent)]
    replies = client.ask(*sent, *others, *sent)
    by_id: dict[str, list[Json]] = {id_: [] for id_ in ids}
    for reply in replies:
        by_id[reply["command_id"]].append(reply)
    for id_, (one, other, again) in by_id.items():
        firsts = [reply for reply in (one, other) if reply["outcome"] == "accepted"]
        assert len(firsts) == 1, id_
        assert {one.get("code"), other.get("code")} == {None, "command_id_reused"}
        if firsts == [one]:
            assert again == one | {"duplicate": True}
        else:
            assert again["code"] == "command_id_reused"


def test_what_is_invalid_does_not_use_up_its_id(client: Client) -> None:
    wrong = command("start_adhoc", ticket_kind="paper")
    right = wrong | {"ticket_kind": "psa"}
    refused, again, accepted = client.ask(wrong, wrong, right)
    assert refused["code"] == again["code"] == "invalid"
    assert again["duplicate"] is False
    assert accepted["outcome"] == "accepted"
    assert accepted["duplicate"] is False


def test_a_wrong_key_does_not_use_up_the_id(client: Client) -> None:
    """The reply goes to the session that the body names, where the sender listens."""
    sent = command("start_adhoc")
    client.send(sent, key=new_id())
    [refused] = client.answers(sent)
    assert refused["code"] == "key_mismatch"
    assert len(client.of_session("replies", sent["session_id"])) == 1
    [accepted] = client.ask(sent)
    assert accepted["outcome"] == "accepted"
    assert accepted["duplicate"] is False


@pytest.mark.parametrize("key", [None, b"", b"\xff\x00"], ids=["none", "empty", "not-text"])
def test_any_other_key_than_the_session_is_a_mismatch(client: Client, key: bytes | None) -> None:
    sent = command("start_adhoc")
    client.send(sent, key=key)
    [refused] = client.answers(sent)
    assert refused["code"] == "key_mismatch"


def test_a_key_in_another_spelling_is_a_mismatch(client: Client) -> None:
    sent = command("start_adhoc")
    client.send(sent, key=sent["session_id"].upper())
    [refused] = client.answers(sent)
    assert refused["code"] == "key_mismatch"


def test_notes_too_large_do_not_use_up_the_id(client: Client) -> None:
    session = new_id()
    start, wrong = script(
        session, ("start_adhoc", {}), ("update_notes", {"notes": [{"text": "x" * 262_144}]})
    )
    right = wrong | {"notes": [{"text": "x"}]}
    [_, refused, accepted] = client.ask(start, wrong, right)
    assert refused["code"] == "notes_too_large"
    assert accepted["outcome"] == "accepted"
    assert accepted["version"] == 2


def test_a_rejection_has_a_code_and_a_message(client: Client) -> None:
    for reply in client.ask(command("abandon"), command("start_adhoc", actor_id=new_id())):
        assert reply["outcome"] == "rejected"
        assert isinstance(reply["message"], str)
        assert reply["message"]
        assert reply["duplicate"] is False


def test_a_rejection_shows_where_a_session_of_ones_own_stands(client: Client) -> None:
    session = new_id()
    client.ask(*script(session, ("start_adhoc", {}), ("update_notes", {})))
    stale, wrong_kind = client.ask(
        command("abandon", session, expected_version=1), command("record_step", session)
    )
    assert (stale["code"], wrong_kind["code"]) == ("stale_version", "wrong_kind")
    for reply in (stale, wrong_kind):
        assert reply["version"] == 2
        assert reply["session"]["status"] == "active"
        assert reply["session"]["kind"] == "adhoc"


def test_a_rejection_shows_nothing_of_another_accounts_session(client: Client) -> None:
    session = new_id()
    client.ask(command("start_adhoc", session))
    foreign = {"account_id": GLOBEX, "actor_id": GLOBEX_TECH}
    replies = client.ask(
        command("start_adhoc", session, **foreign),
        command("abandon", session, **foreign),
        command("abandon", session, expected_version=9, **foreign),
        command("abandon", session, account_id=GLOBEX),
    )
    codes = [reply["code"] for reply in replies]
    assert codes == ["session_exists", "unknown_session", "unknown_session", "forbidden"]
    for reply in replies:
        assert reply.keys().isdisjoint({"version", "session", "node", "active_session_id"})


def test_every_reply_is_keyed_by_its_session(client: Client) -> None:
    sent = command("start_adhoc")
    client.ask(sent)
    [record] = client.of_session("replies", sent["session_id"])
    assert record.json["command_id"] == sent["command_id"]


def test_no_invariant_was_broken_on_the_way(client: Client, installation: Installation) -> None:
    """Looks at all that the tests above have left behind."""
    client.flush()
    assert violations(installation) == []
