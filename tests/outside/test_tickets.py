"""What happens to tickets elsewhere, and what it does to the sessions on them."""

import pytest

from .asking import code_of
from .client import Client
from .commands import a_ticket, command, new_id
from .look import violations, wait_for_rest
from .people import ACME, INTAKING, INTAKING_TECH
from .program import Installation
from .wire import Json, Record


def ticket_event(action: str, ticket: str, **more: object) -> Json:
    """Return what a PSA says of a ticket of Acme's."""
    event: Json = {
        "event_id": new_id(),
        "account_id": ACME,
        "provider": "connectwise",
        "action": action,
        "ticket": {"kind": "psa", "id": ticket, "updated_at": "2026-03-01T12:00:00Z"},
        "actor": {"name": "Dee Dispatcher", "is_self": False},
    }
    return event | more


def at(event: Json, time: str) -> Json:
    """Return the event with another time at which the source had it so."""
    return event | {"ticket": event["ticket"] | {"updated_at": time}}


def a_session(client: Client) -> tuple[str, str]:
    """Return a new session and its ticket."""
    sent = command("start_flow")
    client.ask(sent)
    return sent["session_id"], sent["ticket_id"]


def last(client: Client, session: str, count: int = 2) -> Record:
    """Return a session's event of this number, once it is there."""
    return client.of_session("session-events", session, count)[count - 1]


@pytest.mark.parametrize("action", ["closed", "deleted", "reassigned"])
def test_a_ticket_that_ends_or_goes_takes_its_session_along(client: Client, action: str) -> None:
    session, ticket = a_session(client)
    client.tell(ticket_event(action, ticket))
    ended = last(client, session).json
    assert ended["type"] == "firstline.session.abandoned.v1"
    assert ended["data"]["reason"] == f"ticket_{action}"
    assert ended["data"]["source"] == "internal"
    assert ended["data"]["actor"] == {"id": "system", "name": "system", "acting_as": None}
    # a start after a closed or deleted one is refused, after a reassigned one it is not
    expected = "accepted" if action == "reassigned" else "ticket_closed"
    assert code_of(client, command("start_adhoc", ticket_id=ticket)) == expected


def test_the_ticket_s_own_end_is_not_told_to_the_ticket_system(
    client: Client, installation: Installation
) -> None:
    session, ticket = a_session(client)
    client.tell(ticket_event("closed", ticket))
    last(client, session)
    other, _ = a_session(client)
    client.ask(command("abandon", other))
    client.of_session("ticketing", other)
    wait_for_rest(installation)
    assert client.of_session("ticketing", session, 0) == []


def test_a_source_that_repeats_itself_is_heard_once(client: Client) -> None:
    session, ticket = a_session(client)
    event = ticket_event("reassigned", ticket)
    client.tell(event)
    last(client, session)
    again = command("start_adhoc", ticket_id=ticket)
    client.ask(again)
    client.tell(event)
    client.tell(ticket_event("updated", ticket))
    assert code_of(client, command("update_notes", again["session_id"])) == "accepted"


def test_what_was_before_a_reopening_does_not_count(client: Client) -> None:
    session, ticket = a_session(client)
    client.tell(at(ticket_event("reopened", ticket), "2026-03-01T13:00:00Z"))
    client.tell(at(ticket_event("closed", ticket), "2026-03-01T12:59:00Z"))
    client.tell(at(ticket_event("closed", ticket), "2026-03-01T13:01:00Z"))
    assert last(client, session).json["data"]["reason"] == "ticket_closed"
    assert code_of(client, command("start_adhoc", ticket_id=ticket)) == "ticket_closed"


def test_a_reopened_ticket_is_worked_on_again_in_a_linked_session(client: Client) -> None:
    session, ticket = a_session(client)
    client.tell(ticket_event("closed", ticket))
    last(client, session)
    client.tell(at(ticket_event("reopened", ticket), "2026-03-01T13:00:00Z"))
    sent = command("start_adhoc", ticket_id=ticket)
    client.until(lambda: code_of(client, sent | {"command_id": new_id()}) != "ticket_closed")
    begun = last(client, sent["session_id"], 1).json["data"]
    assert begun["previous_session_id"] == session


def test_a_merged_ticket_takes_its_session_to_the_other(client: Client) -> None:
    session, ticket = a_session(client)
    other = a_ticket()
    client.tell(ticket_event("merged", ticket, merged_into=other))
    moved = last(client, session).json
    assert moved["type"] == "firstline.session.ticket_changed.v1"
    assert moved["data"]["ticket"] == {"kind": "psa", "id": other}
    [reply] = client.ask(command("start_adhoc", ticket_id=other))
    assert reply["active_session_id"] == session
    assert code_of(client, command("start_adhoc", ticket_id=ticket)) == "ticket_closed"


def test_a_ticket_merged_into_one_that_is_worked_on_ends_its_session(client: Client) -> None:
    session, ticket = a_session(client)
    _, other = a_session(client)
    client.tell(ticket_event("merged", ticket, merged_into=other))
    assert last(client, session).json["data"]["reason"] == "ticket_merged"


def test_what_firstline_did_itself_changes_nothing(client: Client) -> None:
    session, ticket = a_session(client)
    client.tell(ticket_event("closed", ticket, actor={"name": "firstline", "is_self": True}))
    client.tell(ticket_event("updated", ticket))
    assert code_of(client, command("update_notes", session)) == "accepted"


def test_a_new_ticket_starts_an_intake_where_the_account_wants_that(client: Client) -> None:
    ticket = a_ticket()
    event = ticket_event("created", ticket, account_id=INTAKING)
    titled = event["ticket"] | {"title": "No mail arrives"}
    client.tell(event | {"ticket": titled})

    def of_ticket(record: Record) -> bool:
        return bool(record.json["data"]["ticket"]["id"] == ticket)

    [begun] = client.wait_for("session-events", of_ticket)
    data = begun.json["data"]
    assert data["actor"]["id"] == INTAKING_TECH
    assert data["problem_text"] == "No mail arrives"
    assert data["session_kind"] == "flow"


def test_a_ticket_event_that_cannot_be_read_is_a_dead_letter(client: Client) -> None:
    ticket = a_ticket()
    client.tell(ticket_event("vanished", ticket))

    def wanted(record: Record) -> bool:
        return record.key == f"{ACME}:psa:{ticket}".encode()

    [letter] = client.wait_for("dead-letters", wanted)
    assert letter.header("fl_reason") == "unreadable"
    assert (letter.header("fl_topic") or "").endswith("ticket-events")


def test_no_invariant_was_broken_on_the_way(client: Client, installation: Installation) -> None:
    """Looks at all that other modules have left behind as well."""
    client.flush()
    assert violations(installation) == []
