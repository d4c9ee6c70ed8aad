"""Each code that needs looking something up."""

import pytest

from .asking import code_of, started
from .client import Client
from .commands import EVERY_START, ON_SESSIONS, STARTS, a_ticket, command, new_id
from .look import violations
from .people import (
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
    OWNER,
    PROPOSAL,
    TECH,
)
from .program import Installation

FOREIGN = {"account_id": GLOBEX, "actor_id": GLOBEX_TECH}


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


def test_no_invariant_was_broken_on_the_way(client: Client, installation: Installation) -> None:
    """Looks at all that other modules have left behind as well."""
    client.flush()
    assert violations(installation) == []
