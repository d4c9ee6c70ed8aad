"""Who is told about an escalation, and what."""

import json

import pytest

from .asking import asked
from .client import Client
from .commands import command, new_id, script
from .people import COVERING, ENGINEER, GLOBEX, GLOBEX_TECH
from .wire import Json

LARGEST_SUMMARY = 64 * 1024


def notification(client: Client, session_id: str) -> Json:
    """Wait for the one notification about a session's escalation, and return its data."""
    [record] = client.of_session("engineer-notifications", session_id)
    assert record.json["type"] == "firstline.session.escalated.v1"
    data = record.json["data"]
    assert isinstance(data, dict)
    return data


def escalated(client: Client, **fields: object) -> Json:
    """Escalate a new session without a walk, and return the notification's data."""
    sent = command("escalate_without_walk", None, **fields)
    [reply] = client.ask(sent)
    assert reply["outcome"] == "accepted"
    return notification(client, sent["session_id"])


def size(summary: Json) -> int:
    """Return how many bytes a summary is as compact JSON."""
    return len(json.dumps(summary, ensure_ascii=False, separators=(",", ":")).encode())


def test_the_people_of_the_category_are_told_and_those_who_left_are_not(client: Client) -> None:
    recipients = escalated(client, reason_category="network")["recipients"]
    assert sorted(recipients, key=lambda recipient: str(recipient["email"])) == [
        {"email": "casey.covering@acme.example", "user_id": COVERING},
        {"email": "erin.engineer@acme.example", "user_id": ENGINEER},
    ]


@pytest.mark.parametrize(
    "category", ["storage", "email", "anything"], ids=["all-left", "nobody-named", "unknown"]
)
def test_the_defaults_are_told_where_nobody_is_left(client: Client, category: str) -> None:
    recipients = escalated(client, reason_category=category)["recipients"]
    assert sorted(recipients, key=lambda recipient: str(recipient["email"])) == [
        {"email": "night@acme.example"},
        {"email": "oncall@acme.example"},
    ]


def test_an_account_without_anybody_to_tell_tells_nobody(client: Client) -> None:
    data = escalated(client, account_id=GLOBEX, actor_id=GLOBEX_TECH, reason_category="network")
    assert data["recipients"] == []


def test_the_summary_is_what_an_engineer_needs_to_go_on(client: Client) -> None:
    session = asked(client)
    step = {"node_id": "g1", "question": "Does it open?", "answer": "No", "note": "slow"}
    notes = [{"text": "Called twice."}]
    client.ask(
        *script(
            session,
            ("record_step", step | {"option_id": "n"}),
            ("update_notes", {"notes": notes}),
            ("escalate", {"reason": "No idea.", "reason_category": "network"}),
        )
    )
    assert notification(client, session)["summary"] == {
        "problem": "The mail client hangs.",
        "steps": [step],
        "notes": notes,
        "reason": "No idea.",
        "reason_category": "network",
    }


def test_each_escalation_has_a_key_of_its_own_under_which_more_may_follow(client: Client) -> None:
    keys = {escalated(client)["dedup_key"] for _ in range(2)}
    assert len(keys) == 2
    assert all(isinstance(key, str) and key for key in keys)


def test_a_summary_of_many_steps_is_cut_with_a_mark(client: Client) -> None:
    """The session keeps all of them, and only the notification is cut."""
    session = new_id()
    steps = [("record_step", {"answer": "y" * 4000}) for _ in range(20)]
    replies = client.ask(
        *script(session, ("start_flow", {}), *steps, ("escalate", {"reason": "Too much."}))
    )
    assert {reply["outcome"] for reply in replies} == {"accepted"}
    summary = notification(client, session)["summary"]
    assert 32 * 1024 < size(summary) <= LARGEST_SUMMARY
    assert summary["reason"] == "Too much."
    whole = {
        "problem": summary.get("problem"),
        "steps": [{"node_id": "n1", "answer": "y" * 4000} for _ in range(20)],
    }
    assert size(summary) < size(whole)


@pytest.mark.parametrize("character", ["y", "é", "🔥", '"', "\u0001", "\\"])
def test_a_summary_is_cut_by_bytes_and_not_within_a_character(
    client: Client, character: str
) -> None:
    """A reason of 20,000 characters can be 80,000 bytes by itself, or 120,000 once escaped."""
    session = new_id()
    fill = character * 4000
    steps = [("record_step", {"answer": fill, "note": fill}) for _ in range(2)]
    reason = {"reason": character * 20_000}
    replies = client.ask(*script(session, ("start_flow", {}), *steps, ("escalate", reason)))
    assert {reply["outcome"] for reply in replies} == {"accepted"}
    summary = notification(client, session)["summary"]
    assert size(summary) <= LARGEST_SUMMARY
    assert summary["reason"].startswith(character)
    assert summary["reason_category"] == "beyond_scope"
    told = client.of_session("session-events", session, 4)[3].json["data"]
    assert told["reason"] == reason["reason"]


def test_notes_too_large_for_a_summary_are_cut_and_kept_whole_elsewhere(client: Client) -> None:
    session = new_id()
    notes = [{"text": "z" * 1000} for _ in range(200)]
    client.ask(
        *script(session, ("start_adhoc", {}), ("update_notes", {"notes": notes}), ("escalate", {}))
    )
    summary = notification(client, session)["summary"]
    assert size(summary) <= LARGEST_SUMMARY
    assert client.of_session("session-events", session, 2)[1].json["data"]["notes"] == notes
