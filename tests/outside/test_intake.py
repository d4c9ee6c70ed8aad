"""An intake picks what the account's knowledge has for a problem."""

import pytest

from .asking import code_of
from .client import Client
from .commands import command
from .people import ACME, ARCHIVED_FLOW, ARTICLE, FLOW, GLOBEX, GLOBEX_TECH
from .wire import Json


def intake(client: Client, problem: str, **more: object) -> Json:
    """Take a problem in, and return the reply."""
    [reply] = client.ask(command("intake", None, problem_text=problem, **more))
    return reply


def test_the_best_flow_is_walked_and_the_others_are_told(client: Client) -> None:
    reply = intake(client, "No mail arrives since this morning.")
    assert reply["outcome"] == "accepted"
    assert reply["session"]["kind"] == "flow"
    assert reply["node"]["id"] == "n1"
    picked = reply["intake"]["picked"]
    assert (picked["kind"], picked["id"]) == ("flow", FLOW)
    assert picked["title"] == "Mail does not arrive, again"
    assert picked["score"] > 0
    others = reply["intake"]["runners_up"]
    told = {(other["kind"], other["id"]) for other in others}
    assert ("article", ARTICLE) in told
    assert ("flow", FLOW) not in told
    [event] = client.of_session("session-events", reply["session_id"])
    data = event.json["data"]
    assert (data["flow_id"], data["flow_version"]) == (FLOW, 2)
    assert data["problem_text"] == "No mail arrives since this morning."


def test_a_category_finds_what_the_words_do_not(client: Client) -> None:
    reply = intake(client, "Xyzzy.", category="email")
    assert (reply["outcome"], reply["session"]["kind"]) == ("accepted", "flow")


def test_an_account_with_articles_that_match_has_a_walk_built(client: Client) -> None:
    reply = intake(client, "Something is moved away before anybody sees it.")
    assert (reply["outcome"], reply["version"]) == ("accepted", 2)
    assert reply["session"]["kind"] == "ai_build"
    assert reply["intake"]["picked"]["id"] == ARTICLE
    [request] = client.of_session("node-requests", reply["session_id"])
    assert request.json["problem_text"] == "Something is moved away before anybody sees it."


def test_where_nothing_is_known_no_session_starts(client: Client) -> None:
    sent = command("intake", problem_text="Xyzzy.", correlation="c")
    [reply] = client.ask(sent)
    assert reply["outcome"] == "aborted_no_kb"
    assert reply["account_id"] == ACME
    assert reply["correlation"] == "c"
    assert reply.keys().isdisjoint({"session", "version", "node", "code", "intake"})
    assert client.ask(sent) == [reply | {"duplicate": True}]
    on_ticket = {"ticket_id": sent["ticket_id"]}
    [started] = client.ask(command("escalate_without_walk", sent["session_id"], **on_ticket))
    assert started["outcome"] == "accepted"


def test_an_account_s_knowledge_is_its_own(client: Client) -> None:
    foreign = {"account_id": GLOBEX, "actor_id": GLOBEX_TECH}
    assert intake(client, "Rules move it away.", **foreign)["outcome"] == "aborted_no_kb"


def test_an_explicit_flow_is_walked_whatever_the_problem(client: Client) -> None:
    reply = intake(client, "Xyzzy.", flow_id=FLOW, adhoc=True)
    assert (reply["session"]["kind"], reply["node"]["id"]) == ("flow", "n1")
    assert "intake" not in reply
    assert code_of(client, command("intake", flow_id=ARCHIVED_FLOW)) == "unknown_flow"


@pytest.mark.parametrize(("adhoc", "kind"), [(True, "adhoc"), (False, "flow"), (None, "flow")])
def test_an_adhoc_session_is_had_by_asking(client: Client, adhoc: object, kind: str) -> None:
    reply = intake(client, "The mail client hangs.", adhoc=adhoc)
    assert reply["session"]["kind"] == kind
