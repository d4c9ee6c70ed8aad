"""Which code a command is refused with where several apply."""

import pytest

from .asking import code_of, started
from .client import Client
from .commands import command, new_id
from .people import ADMIN, ARCHIVED_FLOW, CLOSED_TICKET, GLOBEX_PROPOSAL, OPEN_TICKETS
from .wire import MAX_NOTES, Json

TOO_LARGE_NOTES = [{"text": "x" * MAX_NOTES}]


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
        ({"ticket_id": "other"}, ADMIN, "key_mismatch"),
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
