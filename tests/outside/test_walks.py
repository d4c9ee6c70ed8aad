"""Flows and proposals lead: each reply has the node to show next."""

import pytest

from .asking import started
from .client import Client
from .commands import ABSENT, command, new_id, script
from .people import ARTICLE
from .wire import Json

N1: Json = {
    "id": "n1",
    "type": "question",
    "text": "Does the mailbox open?",
    "options": [
        {"id": "y", "label": "Yes"},
        {"id": "n", "label": "No"},
        {"id": "again", "label": "It did just now"},
    ],
}
N2: Json = {"id": "n2", "type": "action", "text": "Restart the client."}
N3: Json = {"id": "n3", "type": "article", "text": "Read this.", "article_id": ARTICLE}
DONE: Json = {"id": "done", "type": "resolve", "text": "Solved."}
ESC: Json = {
    "id": "esc",
    "type": "escalate",
    "text": "Hand over.",
    "reason_category": "beyond_scope",
}
NO_OPTION = {"option_id": ABSENT}


def test_each_reply_of_a_walk_shows_the_node_that_comes_next(client: Client) -> None:
    session = new_id()
    replies = client.ask(
        *script(
            session,
            ("start_flow", {}),
            ("record_step", {"option_id": "again"}),
            ("record_step", {}),
            ("record_step", {"node_id": "n2"} | NO_OPTION),
            ("record_step", {"node_id": "n3"} | NO_OPTION),
        )
    )
    assert [reply["node"] for reply in replies] == [N1, N1, N2, N3, DONE]
    for reply in replies:
        assert reply["session"]["current_node_id"] == reply["node"]["id"]
    [end] = client.ask(command("resolve", session))
    assert "node" not in end
    assert end["session"] == {"status": "resolved", "kind": "flow"}


def test_a_walk_may_be_asked_one_reply_at_a_time(client: Client) -> None:
    session = new_id()
    [first] = client.ask(command("start_flow", session))
    assert first["node"] == N1
    [second] = client.ask(command("record_step", session, option_id="n"))
    assert second["node"] == ESC


def test_a_proposal_leads_as_a_flow_does(client: Client) -> None:
    session = new_id()
    first, second = client.ask(
        *script(session, ("start_proposal", {}), ("record_step", {"node_id": "d"} | NO_OPTION))
    )
    assert first["node"] == {"id": "d", "type": "action", "text": "Plug it in."}
    assert second["node"] == {"id": "done", "type": "resolve", "text": "It prints."}


@pytest.mark.parametrize("node", ["n2", "n3", "done", "nowhere"])
def test_a_node_that_was_not_reached_is_stale_and_the_right_one_is_shown(
    client: Client, node: str
) -> None:
    session = started(client, "start_flow")
    [reply] = client.ask(command("record_step", session, node_id=node, option_id=ABSENT))
    assert (reply["code"], reply["node"], reply["version"]) == ("stale_node", N1, 1)


def test_an_end_takes_no_answer(client: Client) -> None:
    session = new_id()
    [_, _, reply] = client.ask(
        *script(
            session,
            ("start_flow", {}),
            ("record_step", {"option_id": "n"}),
            ("record_step", {"node_id": "esc"} | NO_OPTION),
        )
    )
    assert (reply["code"], reply["node"]) == ("stale_node", ESC)


@pytest.mark.parametrize("option", ["other", "", ABSENT])
def test_a_question_takes_one_of_its_options(client: Client, option: object) -> None:
    session = started(client, "start_flow")
    [reply] = client.ask(command("record_step", session, option_id=option))
    assert (reply["code"], reply["node"]) == ("unknown_option", N1)


def test_an_action_has_no_options(client: Client) -> None:
    [_, reply] = client.ask(
        *script(new_id(), ("start_proposal", {}), ("record_step", {"node_id": "d"}))
    )
    assert reply["code"] == "unknown_option"


def test_a_technician_may_go_back_and_the_path_keeps_both_answers(client: Client) -> None:
    session = new_id()
    replies = client.ask(
        *script(
            session,
            ("start_flow", {}),
            ("record_step", {"answer": "Yes"}),
            ("record_step", {"answer": "No", "option_id": "n"}),
        )
    )
    assert [reply["node"] for reply in replies] == [N1, N2, ESC]
    told = client.of_session("session-events", session, 3)[1:]
    steps = [record.json["data"] for record in told]
    assert [(step["position"], step["option_id"]) for step in steps] == [(1, "y"), (2, "n")]
    assert {step["question"] for step in steps} == {"Does the mailbox open?"}


def test_an_adhoc_session_and_a_foreign_eye_see_no_node(client: Client) -> None:
    [reply] = client.ask(command("start_adhoc"))
    assert "node" not in reply
    session = started(client, "start_flow")
    [reply] = client.ask(command("record_step", session, account_id=new_id()))
    assert reply["code"] == "forbidden"
    assert reply.keys().isdisjoint({"node", "session", "version"})


def test_an_ai_built_walk_that_waits_for_its_node_is_not_asked_for_another(client: Client) -> None:
    session = new_id()
    [started_, asked] = client.ask(*script(session, ("start_ai_build", {}), ("next_node", {})))
    assert (asked["outcome"], asked["version"]) == ("accepted", started_["version"])
    assert len(client.of_session("node-requests", session)) == 1


@pytest.mark.parametrize("start", ["start_flow", "start_proposal", "start_adhoc"])
def test_only_an_ai_built_walk_asks_for_its_nodes(client: Client, start: str) -> None:
    [reply] = client.ask(command("next_node", started(client, start)))
    assert reply["code"] == "wrong_kind"
