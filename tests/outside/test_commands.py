"""What each command does, seen in its reply and on the topics that others read."""

from datetime import datetime, timedelta

import psycopg
import pytest

from .asking import asked
from .client import Client
from .commands import ABSENT, QUESTION, STARTS, a_ticket, command, new_id, script
from .look import violations
from .people import (
    ACME,
    COLLEAGUE,
    COVERING,
    FLOW,
    OPEN_TICKETS,
    PROPOSAL,
    TECH,
)
from .program import Installation
from .wire import Json, Record

KINDS = {
    "start_flow": "flow",
    "start_proposal": "proposal",
    "start_adhoc": "adhoc",
    "start_ai_build": "ai_build",
}
ATTRIBUTES = {
    "specversion",
    "id",
    "type",
    "source",
    "subject",
    "time",
    "datacontenttype",
    "sequence",
    "partitionkey",
    "causationid",
    "recordedtime",
}


def events(client: Client, session_id: str, count: int) -> list[Json]:
    """Return a session's events once there are so many."""
    return [record.json for record in client.of_session("session-events", session_id, count)]


def data_of(client: Client, session_id: str, count: int) -> Json:
    """Return the data of a session's event number `count`."""
    data = events(client, session_id, count)[count - 1]["data"]
    assert isinstance(data, dict)
    return data


def state_at(client: Client, session_id: str, version: int) -> Json:
    """Wait until `session-state` has this version of a session, and return it."""

    def wanted(record: Record) -> bool:
        return record.key == session_id.encode() and record.json["version"] == version

    return client.wait_for("session-state", wanted)[0].json


def instant(text: str) -> datetime:
    """Return the moment that a time on the wire names; it must have an offset."""
    moment = datetime.fromisoformat(text)
    assert moment.tzinfo is not None
    return moment


@pytest.mark.parametrize("start", STARTS)
def test_a_start_is_accepted_as_version_one_or_two(client: Client, start: str) -> None:
    """Two for `start_ai_build`, which asks for its first question at once."""
    sent = command(start)
    [reply] = client.ask(sent)
    assert reply["outcome"] == "accepted"
    assert reply["duplicate"] is False
    assert reply["command_id"] == sent["command_id"]
    assert reply["session_id"] == sent["session_id"]
    assert reply["account_id"] == ACME
    assert reply["version"] == (2 if start == "start_ai_build" else 1)
    assert reply["session"]["status"] == "active"
    assert reply["session"]["kind"] == KINDS[start]
    assert instant(reply["recorded_at"]) > instant("2026-01-01T00:00:00Z")
    assert reply.keys().isdisjoint({"code", "message", "correlation", "active_session_id"})


@pytest.mark.parametrize("start", STARTS)
def test_a_start_says_what_was_started(client: Client, start: str) -> None:
    sent = command(start)
    client.ask(sent)
    data = data_of(client, sent["session_id"], 1)
    assert data["account_id"] == ACME
    assert data["session_id"] == sent["session_id"]
    assert data["session_kind"] == KINDS[start]
    assert data["source"] == "chat"
    assert data["ticket"] == {"kind": "psa", "id": sent["ticket_id"]}
    assert data["actor"]["id"] == TECH
    assert data["actor"]["name"] == "Terry Tech"
    assert data["actor"].get("acting_as") is None
    assert data.get("flow_id") == (FLOW if start == "start_flow" else None)
    assert data.get("flow_proposal_id") == (PROPOSAL if start == "start_proposal" else None)
    assert "occurred_at" not in data


def test_a_flow_session_walks_the_newest_version_of_its_flow(client: Client) -> None:
    sent = command("start_flow")
    client.ask(sent)
    assert data_of(client, sent["session_id"], 1)["flow_version"] == 2
    assert state_at(client, sent["session_id"], 1)["flow_version"] == 2


def test_an_ai_build_session_keeps_what_it_is_about(client: Client) -> None:
    sent = command("start_ai_build", category="email", problem_text="Mail is gone – all of it.")
    client.ask(sent)
    data = data_of(client, sent["session_id"], 1)
    assert data["category"] == "email"
    assert data["problem_text"] == "Mail is gone – all of it."
    assert state_at(client, sent["session_id"], 2)["category"] == "email"


def test_an_ai_build_session_asks_for_its_first_question(client: Client) -> None:
    sent = command("start_ai_build", category="email")
    client.ask(sent)
    [_, requested] = events(client, sent["session_id"], 2)
    assert requested["type"] == "firstline.session.node_requested.v1"
    [record] = client.of_session("node-requests", sent["session_id"])
    request = record.json
    assert request["request_id"] == requested["id"]
    assert request["session_id"] == sent["session_id"]
    assert request["account_id"] == ACME
    assert request["category"] == "email"
    assert request["problem_text"] == sent["problem_text"]
    assert request["path"] == []


def test_a_recorded_step_is_told_whole(client: Client) -> None:
    session = new_id()
    step = {
        "node_id": "n1",
        "question": "Does the mailbox open?",
        "option_id": "y",
        "answer": "Yes – after a while. 🐢",
        "note": "<b>slow</b> {{7*7}} ' or 1=1 \u202e=cmd()",
    }
    replies = client.ask(*script(session, ("start_flow", {}), ("record_step", step)))
    assert [reply["outcome"] for reply in replies] == ["accepted", "accepted"]
    assert replies[1]["version"] == 2
    data = data_of(client, session, 2)
    assert {name: data[name] for name in step} == step
    first = data["position"]
    client.ask(command("record_step", session, node_id="n2", option_id=ABSENT))
    assert data_of(client, session, 3)["position"] == first + 1
    assert state_at(client, session, 3)["steps"] == 2


def test_a_step_of_a_proposal_is_recorded(client: Client) -> None:
    session = new_id()
    [_, reply] = client.ask(
        *script(
            session,
            ("start_proposal", {}),
            ("record_step", {"node_id": "d", "option_id": ABSENT}),
        )
    )
    assert reply["outcome"] == "accepted"


def test_notes_are_replaced_not_added_to(client: Client) -> None:
    session = new_id()
    first = [{"text": "one"}, {"text": "two", "at": {"deep": [1, 2.5, None, True]}}]
    second = [{"text": "three"}]
    replies = client.ask(
        *script(
            session,
            ("start_adhoc", {}),
            ("update_notes", {"notes": first}),
            ("update_notes", {"notes": second}),
            ("update_notes", {"notes": []}),
        )
    )
    assert [reply["version"] for reply in replies] == [1, 2, 3, 4]
    told = [event["data"].get("notes") for event in events(client, session, 4)]
    assert told == [None, first, second, []]


@pytest.mark.parametrize("helpful", [True, False, None])
def test_a_resolved_session_tells_how_it_went(client: Client, helpful: object) -> None:
    session = new_id()
    end = {"helpful": helpful, "resolution_notes": ""}
    replies = client.ask(
        *script(session, ("start_flow", {}), ("record_step", {}), ("resolve", end))
    )
    assert replies[2]["session"]["status"] == "resolved"
    event = events(client, session, 3)[2]
    assert event["type"] == "firstline.session.resolved.v1"
    data = event["data"]
    assert data["outcome"] == "resolved"
    assert "helpful" in data
    assert data["helpful"] is helpful
    assert data["resolution_notes"] == ""
    assert data["steps"] == 1
    assert data["flow_id"] == FLOW
    assert data["flow_version"] == 2
    assert instant(data["started_at"]) <= instant(data["ended_at"])


def test_an_escalated_session_tells_why(client: Client) -> None:
    session = new_id()
    why = {"reason": "No idea.", "reason_category": "beyond_scope"}
    replies = client.ask(*script(session, ("start_adhoc", {}), ("escalate", why)))
    assert replies[1]["session"]["status"] == "escalated"
    event = events(client, session, 2)[1]
    assert event["type"] == "firstline.session.escalated.v1"
    assert event["data"]["outcome"] == "escalated"
    assert {name: event["data"][name] for name in why} == why
    assert event["data"]["steps"] == 0


@pytest.mark.parametrize("reason", [None, "The printer is on fire."])
def test_an_escalation_without_a_walk_is_a_session_that_began_escalated(
    client: Client, reason: str | None
) -> None:
    fields = {} if reason is None else {"reason": reason}
    sent = command("escalate_without_walk", **fields)
    [reply] = client.ask(sent)
    assert reply["outcome"] == "accepted"
    assert reply["version"] == 2
    assert reply["session"]["status"] == "escalated"
    assert reply["session"]["kind"] == "adhoc"
    told = events(client, sent["session_id"], 2)
    assert [event["type"] for event in told] == [
        "firstline.session.started.v1",
        "firstline.session.escalated.v1",
    ]
    assert told[1]["data"].get("reason") == reason
    assert told[1]["data"]["reason_category"] == "beyond_scope"


@pytest.mark.parametrize("reason", [None, "The caller hung up."])
def test_an_abandoned_session_tells_why_where_somebody_said(
    client: Client, reason: str | None
) -> None:
    session = new_id()
    fields = {} if reason is None else {"reason": reason}
    replies = client.ask(*script(session, ("start_adhoc", {}), ("abandon", fields)))
    assert replies[1]["session"]["status"] == "abandoned"
    event = events(client, session, 2)[1]
    assert event["type"] == "firstline.session.abandoned.v1"
    assert event["data"]["outcome"] == "abandoned"
    assert event["data"].get("reason") == reason


def test_an_engineer_who_covers_first_line_is_recorded_as_such(client: Client) -> None:
    sent = command("start_adhoc", actor_id=COVERING)
    client.ask(sent)
    actor = data_of(client, sent["session_id"], 1)["actor"]
    assert actor == {"id": COVERING, "name": "Casey Covering", "acting_as": "l1_coverage"}


def test_a_colleague_may_go_on_with_a_session(client: Client) -> None:
    session = new_id()
    replies = client.ask(
        *script(
            session,
            ("start_flow", {}),
            ("record_step", {"actor_id": COLLEAGUE}),
            ("resolve", {"actor_id": COVERING}),
        )
    )
    assert [reply["outcome"] for reply in replies] == ["accepted"] * 3
    actors = [event["data"]["actor"]["id"] for event in events(client, session, 3)]
    assert actors == [TECH, COLLEAGUE, COVERING]


def test_the_source_is_the_topic_and_not_a_claim_in_the_body(client: Client) -> None:
    sent = command("start_adhoc", source="internal")
    client.ask(sent, source="psa")
    assert data_of(client, sent["session_id"], 1)["source"] == "psa"


def test_when_it_occurred_is_kept_and_never_decides(client: Client) -> None:
    """A step that says it is older than the session is recorded all the same."""
    session = new_id()
    occurred_at = "2001-02-03T04:05:06.789+02:00"
    replies = client.ask(
        *script(session, ("start_flow", {}), ("record_step", {"occurred_at": occurred_at}))
    )
    assert replies[1]["outcome"] == "accepted"
    data = data_of(client, session, 2)
    assert instant(data["occurred_at"]) == instant(occurred_at)


def test_every_event_is_a_structured_cloud_event(client: Client) -> None:
    session = new_id()
    sent = script(session, ("start_flow", {}), ("record_step", {}), ("escalate", {}))
    client.ask(*sent)
    records = client.of_session("session-events", session, 3)
    records += client.of_session("ticketing", session)
    records += client.of_session("engineer-notifications", session)
    for record in records:
        event = record.json
        attributes = {name: text for name, text in event.items() if name != "data"}
        assert attributes.keys() == ATTRIBUTES
        assert event["specversion"] == "1.0"
        assert event["datacontenttype"] == "application/json"
        assert event["source"] == f"/firstline/accounts/{ACME}"
        assert event["subject"] == event["partitionkey"] == session
        assert abs(instant(event["time"]) - instant(event["recordedtime"])) < timedelta(minutes=1)
        assert record.header("content-type") == ("application/cloudevents+json; charset=UTF-8")
        for name, text in attributes.items():
            assert record.header(f"ce_{name}") == text
    in_order = [record.json for record in records[:3]]
    assert [event["sequence"] for event in in_order] == ["0000000001", "0000000002", "0000000003"]
    assert [event["causationid"] for event in in_order] == [c["command_id"] for c in sent]
    assert len({event["id"] for event in in_order}) == 3


@pytest.mark.parametrize("ticket_kind", ["psa", "internal"])
@pytest.mark.parametrize(
    ("end", "action"), [("resolve", "close"), ("escalate", "escalate"), ("abandon", "note")]
)
def test_the_ticket_system_is_told_what_to_do(
    client: Client, ticket_kind: str, end: str, action: str
) -> None:
    session = new_id()
    ticket_id = a_ticket()
    if ticket_kind == "internal":
        ticket_id = OPEN_TICKETS[["resolve", "escalate", "abandon"].index(end)]
    ticket = {"ticket_kind": ticket_kind, "ticket_id": ticket_id}
    client.ask(*script(session, ("start_adhoc", ticket), (end, {})))
    [record] = client.of_session("ticketing", session)
    data = record.json["data"]
    assert data["action"] == action
    assert isinstance(data["note"], str)
    assert data["ticket"] == {"kind": ticket_kind, "id": ticket_id}


def test_an_internal_ticket_follows_its_session(client: Client, installation: Installation) -> None:
    resolved, escalated, at_once, abandoned = OPEN_TICKETS[10:14]
    ends = {resolved: "resolve", escalated: "escalate", abandoned: "abandon"}
    for ticket, end in ends.items():
        begin = {"ticket_kind": "internal", "ticket_id": ticket}
        client.ask(*script(new_id(), ("start_adhoc", begin), (end, {})))
    client.ask(command("escalate_without_walk", ticket_kind="internal", ticket_id=at_once))
    with psycopg.connect(installation.database_url) as connection:
        found = connection.execute(
            "select id, status, resolution_notes from tickets where id = any(%s)",
            [[resolved, escalated, at_once, abandoned]],
        ).fetchall()
    assert {row[0]: row[1] for row in found} == {
        resolved: "resolved",
        escalated: "escalated",
        at_once: "escalated",
        abandoned: "open",
    }
    assert {row[2] for row in found if row[0] == resolved} == {"Restarted the client."}


def test_a_proposal_that_helped_is_validated_by_its_outcome(
    client: Client, installation: Installation
) -> None:
    def validated() -> bool:
        with psycopg.connect(installation.database_url) as connection:
            row = connection.execute(
                "select validated_by_outcome from flow_proposals where id = %s", [PROPOSAL]
            ).fetchone()
        assert row is not None
        return bool(row[0])

    for helpful in (None, False):
        client.ask(*script(new_id(), ("start_proposal", {}), ("resolve", {"helpful": helpful})))
    assert not validated()
    client.ask(*script(new_id(), ("start_proposal", {}), ("resolve", {"helpful": True})))
    assert validated()


def test_every_end_is_audited(client: Client, installation: Installation) -> None:
    ends = ("resolve", "escalate", "abandon")
    sessions = {end: new_id() for end in ends}
    for end, session in sessions.items():
        client.ask(*script(session, ("start_adhoc", {}), (end, {"actor_id": COVERING})))
    at_once = command("escalate_without_walk")
    client.ask(at_once)
    sessions["escalate_without_walk"] = at_once["session_id"]
    with psycopg.connect(installation.database_url) as connection:
        found = connection.execute(
            """
            select session_id::text, action, actor_id, acting_as
            from audit_log where session_id::text = any(%s)
            """,
            [list(sessions.values())],
        ).fetchall()
    expected = {
        (session, f"session.{end}", COVERING if end in ends else TECH)
        for end, session in sessions.items()
    }
    assert {row[:3] for row in found} == expected
    assert len(found) == len(expected)
    assert {row[3] for row in found if row[2] == COVERING} == {"l1_coverage"}


@pytest.mark.parametrize(
    ("end", "status"),
    [("resolve", "resolved"), ("escalate", "escalated"), ("abandon", "abandoned")],
)
def test_the_latest_state_of_a_session_can_be_read_from_its_topic(
    client: Client, end: str, status: str
) -> None:
    session = new_id()
    sent = script(session, ("start_flow", {}), ("record_step", {}), (end, {}))
    client.ask(sent[0])
    assert "ended_at" not in state_at(client, session, 1)
    client.ask(*sent[1:])
    state = state_at(client, session, 3)
    assert state["session_id"] == session
    assert state["account_id"] == ACME
    assert state["status"] == status
    assert state["kind"] == "flow"
    assert state["ticket"] == {"kind": "psa", "id": sent[0]["ticket_id"]}
    assert state["flow_id"] == FLOW
    assert state["steps"] == 1
    assert instant(state["started_at"]) <= instant(state["last_activity_at"])
    assert instant(state["started_at"]) <= instant(state["ended_at"])
    if end == "escalate":
        assert state["escalation"]["status"] == "open"
        assert "claimed_by" not in state["escalation"]
    else:
        assert "escalation" not in state
    assert state.keys().isdisjoint({"notes", "walked_path"})


def test_two_topics_give_one_session_one_order(client: Client) -> None:
    """A sender that uses two topics waits for replies, and then its commands are in order."""
    session = new_id()
    client.ask(command("start_flow", session), source="chat")
    [step] = client.ask(command("record_step", session), source="psa")
    [end] = client.ask(command("resolve", session), source="chat")
    assert (step["version"], end["version"]) == (2, 3)
    assert [e["data"]["source"] for e in events(client, session, 3)] == ["chat", "psa", "chat"]


def test_a_ticket_can_be_worked_on_again_once_its_session_has_ended(client: Client) -> None:
    ticket = a_ticket()
    for end in ("resolve", "escalate", "abandon"):
        session = new_id()
        sent = script(session, ("start_adhoc", {"ticket_id": ticket}), (end, {}))
        replies = client.ask(*sent)
        assert [reply["outcome"] for reply in replies] == ["accepted", "accepted"]


def test_one_ticket_id_of_two_kinds_is_two_tickets(client: Client) -> None:
    ticket = OPEN_TICKETS[20]
    sent = [
        command("start_adhoc", ticket_kind=kind, ticket_id=ticket) for kind in ("psa", "internal")
    ]
    assert [reply["outcome"] for reply in client.ask(*sent)] == ["accepted", "accepted"]


def test_a_served_node_is_shown_to_who_asked_and_again_to_whoever_asks(client: Client) -> None:
    session = asked(client)
    [again] = client.ask(command("next_node", session))
    assert (again["node"], again["version"]) == (QUESTION, 3)
    assert again["session"]["current_node_id"] == QUESTION["id"]
    served = events(client, session, 3)[2]
    assert served["type"] == "firstline.session.node_served.v1"
    assert (served["data"]["node"], served["data"]["actor"]["id"]) == (QUESTION, "system")
    [step] = client.ask(command("record_step", session, node_id="g1", answer="Yes"))
    assert (step["version"], step.get("node")) == (5, None)
    assert data_of(client, session, 4)["question"] == QUESTION["text"]
    [_, request] = client.of_session("node-requests", session, 2)
    assert [one["answer"] for one in request.json["path"]] == ["Yes"]


@pytest.mark.parametrize(
    ("type_", "more"),
    [
        ("serve_node", {"step": 1}),
        ("move_ticket", {"ticket_kind": "psa", "ticket_id": "10046"}),
        (
            "end_with_ticket",
            {"ticket_kind": "psa", "ticket_id": "10046", "reason": "ticket_closed"},
        ),
        ("renotify", {"step": 1}),
    ],
)
@pytest.mark.parametrize("source", ["chat", "psa"])
def test_internal_types_are_invalid_elsewhere(
    client: Client, source: str, type_: str, more: dict[str, object]
) -> None:
    [reply] = client.ask(command(type_, None, **more), source=source)
    assert reply["code"] == "invalid"


def test_no_invariant_was_broken_on_the_way(client: Client, installation: Installation) -> None:
    """Looks at all that the tests above have left behind."""
    client.flush()
    assert violations(installation) == []
