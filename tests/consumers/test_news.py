"""News of tickets: what is known of a ticket moves, and its session follows by a command."""

from collections.abc import Callable

import pytest

from tests.builders import ACME, GLOBEX, TECH, an_id
from tests.consumers.desk import Desk, resolve
from tests.consumers.gate import Gate
from tests.consumers.tickets import hear_at_once, on_ticket, stands, status
from tests.consumers.wire import TICKET, Json, said

# -- ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("closed", "ticket_closed"),
        ("deleted", "ticket_deleted"),
        ("reassigned", "ticket_reassigned"),
    ],
)
async def test_who_ends_a_ticket_ends_its_session(desk: Desk, action: str, reason: str) -> None:
    one = on_ticket()
    await desk.hear(one)
    await desk.hear(said(action, 1))
    (asked,) = await desk.asked()
    assert {name: asked[name] for name in asked if name != "command_id"} == {
        "type": "end_with_ticket",
        "session_id": one["session_id"],
        "account_id": ACME,
        "ticket_kind": "psa",
        "ticket_id": TICKET,
        "reason": reason,
    }
    assert await status(desk, one["session_id"]) == "active"

    await desk.hear(asked)
    assert (await desk.answer(asked["command_id"]))["outcome"] == "accepted"
    assert await desk.events(one["session_id"]) == ["started", "abandoned"]
    (_, ended) = await desk.messages("session-events", one["session_id"])
    assert (ended["data"]["actor"]["id"], ended["data"]["reason"]) == ("system", reason)
    assert ended["data"]["source"] == "internal"
    notes = [note["data"]["note"] for note in await desk.messages("ticketing", one["session_id"])]
    assert notes == ([reason] if action == "reassigned" else [])


async def test_the_command_goes_to_the_session_s_partition(desk: Desk) -> None:
    one = on_ticket()
    await desk.hear(one, said("closed", 1))
    row = await desk.connection.fetchrow(
        "select key, headers from outbox where topic = 'commands.internal'"
    )
    assert row["key"] == one["session_id"].encode()
    assert b"application/json" in row["headers"]


async def test_a_ticket_without_a_session_has_none_ended(desk: Desk) -> None:
    await desk.hear(said("closed", 1))
    ended = on_ticket("other")
    await desk.hear(ended, resolve(ended["session_id"]))
    await desk.hear(said("closed", 1, id="other"))
    assert await desk.asked() == []
    known = await stands(desk)
    assert known is not None
    assert known["status"] == "closed"


async def test_a_session_of_another_account_s_ticket_goes_on(desk: Desk) -> None:
    one = on_ticket()
    await desk.hear(one)
    await desk.hear(said("updated", 1), said("closed", 1, account_id=GLOBEX))
    assert await desk.asked() == []
    assert (await stands(desk) or {})["status"] == "open"
    assert (await stands(desk, account_id=GLOBEX) or {})["status"] == "closed"


@pytest.mark.parametrize("action", ["closed", "created"])
async def test_an_account_that_nobody_has_is_ignored(desk: Desk, action: str) -> None:
    nobody = an_id(0xC)
    applied = await desk.hear(said(action, 1, account_id=nobody, title="No mail"))
    assert (applied.records, applied.messages) == (1, 0)
    assert await stands(desk, account_id=nobody) is None
    assert await desk.connection.fetchval("select count(*) from ticket_events_heard") == 0


@pytest.mark.parametrize("action", ["closed", "created"])
async def test_a_ticket_of_ours_that_nobody_has_is_ignored(desk: Desk, action: str) -> None:
    await desk.set_policy(ACME, intake_actor_id=TECH)
    await desk.hear(said(action, 1, kind="internal", id=an_id(0x21), title="No mail"))
    assert await desk.connection.fetchval("select count(*) from tickets") == 0
    assert await desk.asked() == []


# -- repeats and order -------------------------------------------------------------------------


async def test_what_is_heard_again_is_heard_once(desk: Desk) -> None:
    await desk.hear(on_ticket())
    event = said("reassigned", 1)
    await desk.hear(event, event)
    await desk.hear(event)
    await desk.hear(event | {"action": "closed"})
    assert len(await desk.asked()) == 1
    assert (await stands(desk) or {})["status"] == "open"
    assert await desk.connection.fetchval("select count(*) from ticket_events_heard") == 1


async def test_an_event_s_id_is_its_provider_s_and_its_account_s(desk: Desk) -> None:
    event = said("closed", 1)
    for other in ({"provider": "halo"}, {"account_id": GLOBEX}, {}):
        await desk.hear(event | other)
    assert await desk.connection.fetchval("select count(*) from ticket_events_heard") == 3


async def test_ids_that_read_alike_with_their_providers_are_two_events(desk: Desk) -> None:
    one, other = on_ticket(), on_ticket("10046")
    await desk.hear(one, other)
    await desk.hear(said("closed", 1, provider="halo", event_id="eu:5"))
    await desk.hear(said("closed", 1, provider="halo:eu", event_id="5", id="10046"))
    await desk.hear(*await desk.asked())
    for ended in (one, other):
        assert await status(desk, ended["session_id"]) == "abandoned"


@pytest.mark.parametrize(
    "empty", [{"actor": {"name": "", "is_self": False}}, {"merged_into": ""}], ids=str
)
async def test_an_empty_text_that_nobody_needs_is_as_good_as_none(desk: Desk, empty: Json) -> None:
    one = on_ticket()
    await desk.hear(one)
    await desk.hear(said("closed", 1, **empty))
    await desk.hear(*await desk.asked())
    assert await status(desk, one["session_id"]) == "abandoned"
    assert await desk.letters() == []


async def test_what_is_asked_for_has_the_id_of_what_it_answers(desk: Desk) -> None:
    """So that hearing it again, as after a restored database, asks for the same thing."""
    one = on_ticket()
    event = said("closed", 1)
    await desk.hear(one, event)
    await desk.connection.execute("delete from ticket_events_heard")
    await desk.hear(event)
    first, again = await desk.asked()
    assert first == again
    await desk.hear(said("deleted", 2))
    *_, other = await desk.asked()
    assert other["command_id"] != first["command_id"]


async def test_two_workers_that_hear_one_event_ask_once(
    desk: Desk, gate: Callable[..., Gate]
) -> None:
    await desk.hear(on_ticket())
    event = said("closed", 1)
    await hear_at_once(desk, gate(), [event], [event])
    assert len(await desk.asked()) == 1


async def test_a_closing_that_comes_after_a_later_reopening_ends_nothing(desk: Desk) -> None:
    await desk.hear(on_ticket())
    await desk.hear(said("reopened", 5))
    await desk.hear(said("closed", 3))
    assert await desk.asked() == []
    assert (await stands(desk) or {})["status"] == "open"
    await desk.hear(said("closed", 7))
    assert [one["type"] for one in await desk.asked()] == ["end_with_ticket"]


async def test_a_reopening_from_before_the_closing_reopens_nothing(desk: Desk) -> None:
    """Whichever is heard first."""
    await desk.hear(said("closed", 5))
    await desk.hear(said("reopened", 3))
    assert (await stands(desk) or {})["status"] == "closed"


async def test_of_the_fields_the_later_ones_stay(desk: Desk) -> None:
    await desk.hear(said("updated", 5, title="Later"), said("updated", 3, title="Earlier"))
    await desk.hear(said("updated", 4, title="Earlier"))
    known = await stands(desk)
    assert known is not None
    assert (known["title"], known["updated_at"].minute) == ("Later", 5)


async def test_what_firstline_did_itself_changes_nothing(desk: Desk) -> None:
    await desk.hear(on_ticket())
    await desk.hear(said("closed", 1, actor={"is_self": True}))
    assert await desk.asked() == []
    assert (await stands(desk) or {})["status"] == "open"
