"""What engineers do with an escalation, and who is told of it."""

import psycopg
import pytest

from .asking import code_of, started
from .client import Client
from .commands import ON_ESCALATIONS, command, new_id, script
from .look import violations
from .people import ACME, ADMIN, COVERING, ENGINEER, GONE_ENGINEER, OPEN_TICKETS, TECH
from .program import Installation
from .wire import Json, Record


def escalated(client: Client, **fields: object) -> str:
    """Return a session that was walked one step and escalated by a technician."""
    session = new_id()
    sent = script(session, ("start_flow", fields), ("record_step", {}), ("escalate", {}))
    assert {reply["outcome"] for reply in client.ask(*sent)} == {"accepted"}
    return session


def outcomes(client: Client, session: str, *moves: tuple[str, str]) -> list[str]:
    """Let actors move an escalation; return the code or the outcome of each move."""
    sent = [command(type_, session, actor_id=actor) for type_, actor in moves]
    return [str(reply.get("code", reply["outcome"])) for reply in client.ask(*sent)]


def kinds(records: list[Record]) -> list[str]:
    """Return the types of events, without what all of them begin and end with."""
    return [r.json["type"].removeprefix("firstline.").removesuffix(".v1") for r in records]


def test_an_escalation_is_claimed_released_claimed_and_closed(client: Client) -> None:
    session = escalated(client)
    moves = [
        ("claim_escalation", ENGINEER),
        ("release_escalation", ENGINEER),
        ("claim_escalation", COVERING),
        ("close_escalation", COVERING),
    ]
    assert outcomes(client, session, *moves) == ["accepted"] * 4
    told = client.of_session("session-events", session, 7)
    assert kinds(told)[3:] == [
        "escalation.claimed",
        "escalation.released",
        "escalation.claimed",
        "escalation.closed",
    ]
    closed = told[6].json["data"]
    assert closed["resolution_notes"] == "Replaced the disk."
    assert closed["actor"] == {"id": COVERING, "name": "Casey Covering", "acting_as": None}
    [_, asked] = client.of_session("ticketing", session, 2)
    assert (asked.json["data"]["action"], asked.json["data"]["note"]) == (
        "close",
        "Replaced the disk.",
    )


def test_every_move_is_told_under_one_key_with_what_the_engineer_was_handed(client: Client) -> None:
    session = escalated(client)
    moves = ("claim_escalation", "release_escalation", "claim_escalation", "close_escalation")
    outcomes(client, session, *((move, ENGINEER) for move in moves))
    told = [
        record.json["data"] for record in client.of_session("engineer-notifications", session, 5)
    ]
    assert len({data["dedup_key"] for data in told}) == 1
    assert len({str(data["summary"]) for data in told}) == 1
    assert [step["node_id"] for step in told[0]["summary"]["steps"]] == ["n1"]
    assert all(data["recipients"] == told[0]["recipients"] for data in told)


def test_the_state_says_who_has_it(client: Client) -> None:
    session = escalated(client)
    outcomes(client, session, ("claim_escalation", ENGINEER))
    [reply] = client.ask(command("release_escalation", session))
    assert reply["session"]["status"] == "escalated"

    def at(version: int) -> Json:
        def wanted(record: Record) -> bool:
            return record.key == session.encode() and record.json["version"] == version

        [found] = client.wait_for("session-state", wanted)
        escalation = found.json["escalation"]
        assert isinstance(escalation, dict)
        return escalation

    assert at(4) == {"status": "claimed", "claimed_by": ENGINEER}
    assert at(5) == {"status": "open"}


def test_the_first_claim_wins_and_again_is_nothing_new(client: Client) -> None:
    session = escalated(client)
    sent = [
        command("claim_escalation", session, actor_id=actor)
        for actor in (ENGINEER, COVERING, ENGINEER)
    ]
    first, second, again = client.ask(*sent)
    assert (first["outcome"], second["code"], again["outcome"]) == (
        "accepted",
        "already_claimed",
        "accepted",
    )
    assert again["version"] == first["version"] == 4


def test_who_escalated_does_not_claim(client: Client) -> None:
    session = started(client)
    client.ask(command("escalate", session, actor_id=COVERING))
    assert outcomes(client, session, ("claim_escalation", COVERING)) == ["forbidden"]


@pytest.mark.parametrize(
    "actor",
    [TECH, ADMIN, GONE_ENGINEER, new_id()],
    ids=["technician", "admin", "gone", "unknown"],
)
@pytest.mark.parametrize("move", ON_ESCALATIONS)
def test_only_engineers_move_escalations(client: Client, move: str, actor: str) -> None:
    assert code_of(client, command(move, actor_id=actor)) == "forbidden"


@pytest.mark.parametrize("move", ON_ESCALATIONS)
def test_codes_of_moves_that_come_at_the_wrong_time(client: Client, move: str) -> None:
    assert code_of(client, command(move)) == "unknown_session"
    assert code_of(client, command(move, started(client))) == "not_escalated"
    assert code_of(client, command(move, started(client, "start_adhoc", "resolve"))) == (
        "not_escalated"
    )
    session = escalated(client)
    if move != "claim_escalation":
        assert outcomes(client, session, (move, ENGINEER)) == ["not_claimed"]
    outcomes(client, session, ("claim_escalation", COVERING))
    assert outcomes(client, session, (move, ENGINEER)) == ["already_claimed"]
    outcomes(client, session, ("close_escalation", COVERING))
    assert outcomes(client, session, (move, COVERING)) == ["not_escalated"]


def test_what_is_handed_back_goes_on_in_a_linked_session(client: Client) -> None:
    session, following = escalated(client), new_id()
    outcomes(client, session, ("claim_escalation", ENGINEER))
    back = command("hand_back", session, new_session_id=following)
    [reply] = client.ask(back)
    assert (reply["outcome"], reply["session"]["status"]) == ("accepted", "escalated")
    handed = client.of_session("session-events", session, 5)[4].json["data"]
    assert (handed["instructions"], handed["new_session_id"]) == ("Try the other port.", following)
    [begun] = client.of_session("session-events", following)
    assert begun.json["type"] == "firstline.session.started.v1"
    assert begun.json["causationid"] == back["command_id"]
    data = begun.json["data"]
    assert data["previous_session_id"] == session
    assert data["ticket"] == handed["ticket"]
    asked = client.of_session("ticketing", session, 2)[1].json["data"]
    assert (asked["action"], asked["note"]) == ("note", "Try the other port.")
    goes_on = script(following, ("update_notes", {}), ("resolve", {}))
    assert [one["version"] for one in client.ask(*goes_on)] == [2, 3]


def test_a_handed_back_session_needs_a_free_id_and_a_free_ticket(client: Client) -> None:
    start = command("start_adhoc")
    ticket = start["ticket_id"]
    client.ask(start, command("escalate", start["session_id"]))
    session = start["session_id"]
    outcomes(client, session, ("claim_escalation", ENGINEER))
    taken = command("hand_back", session, new_session_id=started(client))
    assert code_of(client, taken) == "session_exists"
    assert (
        code_of(client, command("hand_back", session, new_session_id=session)) == "session_exists"
    )
    [busy] = client.ask(command("start_adhoc", ticket_id=ticket))
    [reply] = client.ask(command("hand_back", session))
    assert reply["code"] == "ticket_has_active_session"
    assert reply["active_session_id"] == busy["session_id"]


def test_an_internal_ticket_follows_its_escalation(
    client: Client, installation: Installation
) -> None:
    closed, back = OPEN_TICKETS[35:37]
    for ticket, move in ((closed, "close_escalation"), (back, "hand_back")):
        session = escalated(client, ticket_kind="internal", ticket_id=ticket)
        outcomes(client, session, ("claim_escalation", ENGINEER), (move, ENGINEER))
    with psycopg.connect(installation.database_url) as connection:
        found = connection.execute(
            "select id, status from tickets where id = any(%s)", [[closed, back]]
        ).fetchall()
    assert dict(found) == {closed: "resolved", back: "open"}


def test_every_move_is_audited(client: Client, installation: Installation) -> None:
    session = escalated(client)
    moves = ("claim_escalation", "release_escalation", "claim_escalation", "hand_back")
    outcomes(client, session, *((move, ENGINEER) for move in moves))
    with psycopg.connect(installation.database_url) as connection:
        found = connection.execute(
            """
            select action, actor_id from audit_log
            where account_id = %s and session_id = %s order by id
            """,
            [ACME, session],
        ).fetchall()
    actions = ("claim", "release", "claim", "hand_back")
    assert found == [
        ("session.escalate", TECH),
        *((f"escalation.{action}", ENGINEER) for action in actions),
    ]


def test_no_invariant_was_broken_on_the_way(client: Client, installation: Installation) -> None:
    """Looks at all that other modules have left behind as well."""
    client.flush()
    assert violations(installation) == []
