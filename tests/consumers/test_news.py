"""News of tickets: what is known of a ticket moves, and its session follows by a command."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from consumers import save
from consumers.apply import apply_batch
from consumers.replay import carry_out
from domain.context import Limits
from storage.database import begin
from tests.builders import ACME, ENGINEER, FLOW, GLOBEX, GLOBEX_TECH, NOW, TECH, an_id
from tests.consumers.desk import Desk, resolve, start
from tests.consumers.wire import ABSENT, TICKET, Json, command, new_id, said
from tests.waiting import waiting


def on_ticket(ticket_id: str = TICKET) -> Json:
    """The start of a session on the ticket."""
    return start(ticket_id=ticket_id)


async def stands(desk: Desk, ticket_id: str = TICKET, account_id: str = ACME) -> Json | None:
    """The ticket as it is known."""
    row = await desk.connection.fetchrow(
        "select * from tickets where account_id = $1 and kind = 'psa' and id = $2",
        account_id,
        ticket_id,
    )
    return None if row is None else dict(row)


async def status(desk: Desk, session_id: str) -> str | None:
    found: str | None = await desk.connection.fetchval(
        "select status from sessions where id = $1", session_id
    )
    return found


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
    desk: Desk, gate: Callable[[], "Gate"]
) -> None:
    await desk.hear(on_ticket())
    event = said("closed", 1)
    await at_once(desk, gate(), [event], [event])
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


# -- starts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["closed", "deleted", "merged"])
async def test_no_session_starts_on_a_ticket_that_was_closed(desk: Desk, action: str) -> None:
    await desk.hear(said(action, 1))
    one = on_ticket()
    await desk.hear(one)
    assert (await desk.answer(one["command_id"]))["code"] == "ticket_closed"
    assert await status(desk, one["session_id"]) is None


async def test_a_session_on_a_reopened_ticket_goes_on_where_the_last_one_ended(
    desk: Desk,
) -> None:
    first, second, third = on_ticket(), on_ticket(), on_ticket()
    await desk.hear(first)
    await desk.hear(said("closed", 1))
    await desk.hear(*await desk.asked())
    await desk.hear(said("reopened", 2))
    await desk.hear(second, resolve(second["session_id"]))
    await desk.connection.execute(
        "update sessions set started_at = started_at + interval '1 s' where id = $1",
        second["session_id"],
    )
    await desk.hear(third)
    for one, before in ((first, None), (second, first), (third, second)):
        (begun, *_) = await desk.messages("session-events", one["session_id"])
        expected = None if before is None else before["session_id"]
        assert begun["data"].get("previous_session_id") == expected
        kept = "select previous_session_id::text from sessions where id = $1"
        assert await desk.connection.fetchval(kept, one["session_id"]) == expected


async def test_a_ticket_may_be_reopened_at_no_time_that_anybody_says(desk: Desk) -> None:
    first, second = on_ticket(), on_ticket()
    await desk.hear(first)
    await desk.hear(said("closed"))
    await desk.hear(*await desk.asked())
    await desk.hear(said("reopened"))
    await desk.hear(second)
    (begun,) = await desk.messages("session-events", second["session_id"])
    assert begun["data"]["previous_session_id"] == first["session_id"]


async def test_sessions_of_one_batch_are_linked_on_a_reopened_ticket(desk: Desk) -> None:
    first, second, third = on_ticket(), on_ticket(), on_ticket()
    await desk.hear(first)
    await desk.hear(said("closed", 1))
    await desk.hear(*await desk.asked())
    await desk.hear(said("reopened", 2))
    await desk.hear(second, resolve(second["session_id"]), third)
    (begun,) = await desk.messages("session-events", third["session_id"])
    assert begun["data"]["previous_session_id"] == second["session_id"]


async def test_a_session_on_a_ticket_that_was_never_closed_is_linked_to_none(desk: Desk) -> None:
    first, second = on_ticket(), on_ticket()
    await desk.hear(first, resolve(first["session_id"]))
    await desk.hear(*(said(one, account_id=GLOBEX) for one in ("closed", "reopened")))
    await desk.hear(second)
    (begun,) = await desk.messages("session-events", second["session_id"])
    assert "previous_session_id" not in begun["data"]


async def test_a_ticket_of_the_same_id_is_another_where_its_account_or_kind_is(desk: Desk) -> None:
    """A session there neither keeps one from starting here nor comes before it."""
    ticket = an_id(0x21)
    await desk.connection.execute(
        "insert into tickets (account_id, kind, id) values ($1, 'internal', $2)", ACME, ticket
    )
    theirs: Json = {"account_id": GLOBEX, "actor_id": GLOBEX_TECH}
    for other in (theirs, {"ticket_kind": "internal"}):
        await desk.hear(start(ticket_id=ticket, **other))
    await desk.hear(said("closed", 1, id=ticket), said("reopened", 2, id=ticket))
    one = on_ticket(ticket)
    await desk.hear(one)
    assert (await desk.answer(one["command_id"]))["outcome"] == "accepted"
    (begun,) = await desk.messages("session-events", one["session_id"])
    assert "previous_session_id" not in begun["data"]
    ours = await desk.connection.fetchrow("select * from tickets where kind = 'internal'")
    assert (ours["updated_at"], ours["reopened_at"]) == (None, None)


@pytest.mark.parametrize("first", ["start", "closed"])
async def test_a_start_and_a_closing_in_one_batch_leave_no_session_unseen(
    desk: Desk, first: str
) -> None:
    one, event = on_ticket(), said("closed", 1)
    await desk.hear(*((one, event) if first == "start" else (event, one)))
    await assert_seen(desk, one)


@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
@pytest.mark.parametrize("first", ["start", "closed"])
async def test_a_start_and_a_closing_at_once_leave_no_session_unseen(
    desk: Desk,
    gate: Callable[[], "Gate"],
    first: str,
    known: bool,  # noqa: FBT001
) -> None:
    """Whichever is second waits on the ticket's row and sees what the first did."""
    if known:
        await desk.hear(said("updated", 0))
    one, event = on_ticket(), said("closed", 1)
    orders = ([one], [event]) if first == "start" else ([event], [one])
    await at_once(desk, gate(), *orders)
    await assert_seen(desk, one)
    reply = await desk.answer(one["command_id"])
    assert reply.get("code", "accepted") == ("accepted" if first == "start" else "ticket_closed")


async def test_many_starts_and_closings_at_once_leave_no_session_unseen(desk: Desk) -> None:
    starts = [on_ticket(f"T-{number}") for number in range(20)]
    events = [said("closed", 1, id=f"T-{number}") for number in range(20)]
    await asyncio.gather(
        *(desk.hear(*starts[n : n + 5], partition=n) for n in range(0, 20, 5)),
        *(desk.hear(*reversed(events[n : n + 4]), partition=30 + n) for n in range(0, 20, 4)),
    )
    for one in starts:
        await assert_seen(desk, one)


async def test_a_hand_back_and_a_closing_at_once_leave_no_session_unseen(
    desk: Desk, gate: Callable[[], "Gate"]
) -> None:
    back = await claimed_on_ticket(desk)
    await at_once(desk, gate(), [back], [said("closed", 1)])
    (asked,) = await desk.asked()
    assert (asked["type"], asked["session_id"]) == ("end_with_ticket", back["new_session_id"])


async def test_nothing_is_handed_back_onto_a_ticket_that_was_closed(desk: Desk) -> None:
    back = await claimed_on_ticket(desk)
    await desk.hear(said("closed", 1))
    await desk.hear(back)
    assert (await desk.answer(back["command_id"]))["code"] == "ticket_closed"


# -- intakes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["created", "reopened"])
async def test_a_new_ticket_is_taken_in_where_the_account_wants_that(
    desk: Desk, action: str
) -> None:
    await desk.set_policy(ACME, intake_actor_id=TECH)
    await desk.hear(said(action, 1, title="Mail does not come"))
    (asked,) = await desk.asked()
    assert asked == {
        "type": "intake",
        "command_id": asked["command_id"],
        "session_id": asked["session_id"],
        "account_id": ACME,
        "actor_id": TECH,
        "ticket_kind": "psa",
        "ticket_id": TICKET,
        "problem_text": "Mail does not come",
    }
    assert asked["session_id"] != asked["command_id"]
    await desk.hear(asked)
    reply = await desk.answer(asked["command_id"])
    assert (reply["outcome"], reply["session"]["kind"]) == ("accepted", "flow")
    (begun,) = await desk.messages("session-events", asked["session_id"])
    assert begun["data"]["flow_id"] == FLOW
    assert begun["data"]["problem_text"] == "Mail does not come"


async def test_each_ticket_is_taken_in_as_a_session_of_its_own(desk: Desk) -> None:
    await desk.set_policy(ACME, intake_actor_id=TECH)
    sent = [said("created", 1, id=one, title="Mail does not come") for one in ("1", "2")]
    await desk.hear(*sent)
    await desk.hear(said("reopened", 3, id="1"))
    asked = await desk.asked()
    assert [one["ticket_id"] for one in asked] == ["1", "2", "1"]
    assert len({one["session_id"] for one in asked}) == 3


@pytest.mark.parametrize(
    ("policy", "event"),
    [
        ({}, said("created", 1, title="Mail")),
        ({"intake_actor_id": TECH}, said("created", 1)),
        ({"intake_actor_id": TECH}, said("updated", 1, title="Mail")),
    ],
    ids=["nobody to act", "nothing is told", "nothing new"],
)
async def test_otherwise_no_ticket_is_taken_in(desk: Desk, policy: Json, event: Json) -> None:
    await desk.set_policy(ACME, **policy)
    await desk.hear(event)
    assert await desk.asked() == []


async def test_a_ticket_that_has_a_session_is_not_taken_in(desk: Desk) -> None:
    await desk.set_policy(ACME, intake_actor_id=TECH)
    await desk.hear(on_ticket())
    await desk.hear(said("created", 1, title="Mail"))
    assert await desk.asked() == []


async def test_the_policy_of_one_account_takes_in_nothing_of_another(desk: Desk) -> None:
    await desk.set_policy(ACME, intake_actor_id=TECH)
    await desk.hear(said("created", 1, title="Mail", account_id=GLOBEX))
    assert await desk.asked() == []


async def test_a_ticket_that_was_reopened_before_its_session_ended_is_taken_in_after_all(
    desk: Desk,
) -> None:
    """Both events may be there before the command that ends the session is."""
    await desk.set_policy(ACME, intake_actor_id=TECH)
    one = on_ticket()
    await desk.hear(one)
    await desk.hear(said("closed", 1, title="Mail"), said("reopened", 2))
    (ends,) = await desk.asked()
    await desk.hear(ends)
    _, takes_in = await desk.asked()
    assert (takes_in["type"], takes_in["problem_text"]) == ("intake", "Mail")
    await desk.hear(takes_in)
    assert (await desk.answer(takes_in["command_id"]))["outcome"] == "accepted"
    assert await status(desk, takes_in["session_id"]) == "active"


async def test_it_is_each_time_that_this_happens(desk: Desk) -> None:
    await desk.set_policy(ACME, intake_actor_id=TECH)
    await desk.hear(on_ticket())
    taken_in: list[Json] = []
    for minute in (1, 3):
        told = said("closed", minute, title="Mail"), said("reopened", minute + 1)
        await desk.hear(*told)
        *_, ends = await desk.asked()
        await desk.hear(ends)
        *_, takes_in = await desk.asked()
        await desk.hear(takes_in)
        taken_in.append(takes_in)
    for takes_in in taken_in:
        answer = await desk.answer(takes_in["command_id"])
        assert (answer["outcome"], answer["session_id"]) == ("accepted", takes_in["session_id"])
    first, second = (takes_in["session_id"] for takes_in in taken_in)
    assert first != second


async def test_it_is_not_where_nothing_is_told_of_it(desk: Desk) -> None:
    await desk.set_policy(ACME, intake_actor_id=TECH)
    await desk.hear(on_ticket())
    await desk.hear(said("closed", 1), said("reopened", 2))
    (ends,) = await desk.asked()
    await desk.hear(ends)
    assert await desk.asked() == [ends]


async def test_a_replay_takes_it_in_as_well(desk: Desk) -> None:
    """The command that ends the session may have been parked meanwhile."""
    await desk.set_policy(ACME, intake_actor_id=TECH)
    await desk.hear(on_ticket())
    await desk.hear(said("closed", 1, title="Mail"), said("reopened", 2))
    (ends,) = await desk.asked()
    async with begin(desk.engine) as tx:
        await carry_out(tx, desk.mixed(ends).items, NOW, Limits(), parked=False)
    assert [one["type"] for one in await desk.asked()] == ["end_with_ticket", "intake"]


@pytest.mark.parametrize("action", ["closed", "reassigned"])
async def test_a_ticket_whose_session_ended_is_taken_in_only_where_it_was_reopened(
    desk: Desk, action: str
) -> None:
    await desk.set_policy(ACME, intake_actor_id=TECH)
    await desk.hear(on_ticket())
    await desk.hear(said(action, 1, title="Mail"))
    (ends,) = await desk.asked()
    await desk.hear(ends)
    assert await desk.asked() == [ends]


# -- merges ------------------------------------------------------------------------------------


async def test_the_session_of_a_merged_ticket_goes_on_on_the_other(desk: Desk) -> None:
    one = on_ticket()
    await desk.hear(one)
    await desk.hear(said("merged", 1, merged_into="10046"))
    (asked,) = await desk.asked()
    assert {name: asked[name] for name in asked if name != "command_id"} == {
        "type": "move_ticket",
        "session_id": one["session_id"],
        "account_id": ACME,
        "ticket_kind": "psa",
        "ticket_id": "10046",
    }
    await desk.hear(asked)
    assert await desk.events(one["session_id"]) == ["started", "ticket_changed"]
    other = on_ticket("10046")
    await desk.hear(other)
    reply = await desk.answer(other["command_id"])
    assert reply["active_session_id"] == one["session_id"]
    assert (await stands(desk) or {})["status"] == "closed"


@pytest.mark.parametrize(
    ("ticket_has", "reason"),
    [("a session", "ticket_merged"), ("been closed", "ticket_closed")],
)
async def test_the_session_of_a_merged_ticket_ends_where_the_other(
    desk: Desk, ticket_has: str, reason: str
) -> None:
    one = on_ticket()
    there = on_ticket("10046") if ticket_has == "a session" else said("closed", 1, id="10046")
    await desk.hear(one, there)
    await desk.hear(said("merged", 1, merged_into="10046"))
    await desk.hear(*await desk.asked())
    *_, ended = await desk.messages("session-events", one["session_id"])
    assert ended["type"] == "firstline.session.abandoned.v1"
    assert ended["data"]["reason"] == reason
    assert await desk.messages("ticketing", one["session_id"]) == []


async def test_a_session_that_moved_on_does_not_end_with_the_ticket_that_it_left(
    desk: Desk,
) -> None:
    """A PSA tells of the merge and of the closing that comes with it before either was followed."""
    one = on_ticket()
    await desk.hear(one)
    await desk.hear(said("merged", 1, merged_into="10046"), said("closed", 1))
    asked = await desk.asked()
    assert [command["type"] for command in asked] == ["move_ticket", "end_with_ticket"]
    await desk.hear(*asked)
    assert await desk.events(one["session_id"]) == ["started", "ticket_changed"]


async def test_sessions_move_in_one_batch_onto_tickets_that_others_leave_in_it(desk: Desk) -> None:
    """One UPDATE of the sessions fails half-way, over the index of active sessions."""
    one, other = on_ticket("10045"), on_ticket("10046")
    await desk.hear(one, other)
    moves = [
        command(
            "move_ticket",
            command_id=new_id(),
            session_id=session["session_id"],
            actor_id=ABSENT,
            ticket_id=to,
        )
        for session, to in ((other, "10047"), (one, "10046"))
    ]
    await desk.hear(*moves)
    for session in (one, other):
        assert await desk.events(session["session_id"]) == ["started", "ticket_changed"]


async def test_a_session_moves_onto_a_ticket_whose_session_ends_in_the_same_batch(
    desk: Desk,
) -> None:
    """Who lets go of the ticket is written first, whichever session's id is lower."""
    for moving, ending in ((0x61, 0x62), (0x64, 0x63)):
        one = on_ticket(f"from-{moving}") | {"session_id": an_id(moving)}
        other = on_ticket(f"to-{moving}") | {"session_id": an_id(ending)}
        await desk.hear(one, other)
        move = command(
            "move_ticket",
            command_id=new_id(),
            session_id=one["session_id"],
            actor_id=ABSENT,
            ticket_id=other["ticket_id"],
        )
        ends = resolve(other["session_id"])
        # By itself: an applier would try again, and then in halves.
        await apply_batch(desk.engine, desk.mixed(ends, move), NOW, Limits())
        assert await desk.events(one["session_id"]) == ["started", "ticket_changed"]


async def test_two_sessions_never_end_up_on_one_ticket(
    desk: Desk, gate: Callable[[], "Gate"]
) -> None:
    one, other = on_ticket(), on_ticket("10046")
    await desk.hear(one)
    await desk.hear(said("merged", 1, merged_into="10046"))
    (asked,) = await desk.asked()
    await at_once(desk, gate(), [asked], [other])
    reply = await desk.answer(other["command_id"])
    assert reply["code"] == "ticket_has_active_session"


# -- helpers -----------------------------------------------------------------------------------


class Gate:
    """Where the first batch that would be saved stands still until it is let through."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()

    async def stand_still(self) -> None:
        if not self.reached.is_set():
            self.reached.set()
            await self.opened.wait()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Callable[[], Gate]:
    """Puts a gate in front of saving."""

    def put() -> Gate:
        gate = Gate()

        async def gated(*arguments: Any) -> None:  # noqa: ANN401 - those of save
            await gate.stand_still()
            await save.save(*arguments)

        monkeypatch.setattr("consumers.apply.save", gated)
        return gate

    return put


async def at_once(desk: Desk, gate: Gate, first: list[Json], second: list[Json]) -> None:
    """Apply both, the second once the first is about to save, until the second waits for it."""
    applying = [asyncio.ensure_future(desk.hear(*first, partition=0))]
    await gate.reached.wait()
    applying.append(asyncio.ensure_future(desk.hear(*second, partition=1)))
    while not applying[1].done() and not await waiting(desk.connection):
        pass
    assert not applying[1].done(), "nobody waits for anybody"
    gate.opened.set()
    await asyncio.gather(*applying)


async def assert_seen(desk: Desk, one: Json) -> None:
    """Expect that the start was refused, or that its session is asked to end."""
    reply = await desk.answer(one["command_id"])
    ending = [asked for asked in await desk.asked() if asked["session_id"] == one["session_id"]]
    if reply["outcome"] == "accepted":
        assert [asked["type"] for asked in ending] == ["end_with_ticket"]
    else:
        assert reply["code"] == "ticket_closed"
        assert ending == []
    assert (await stands(desk, one["ticket_id"]) or {})["status"] == "closed"


async def claimed_on_ticket(desk: Desk, now: datetime = NOW) -> Json:
    """The hand-back of an escalation on the ticket that was claimed."""
    session = new_id()
    alone = command(
        "escalate_without_walk", command_id=new_id(), session_id=session, ticket_id=TICKET
    )
    by_erin = {"session_id": session, "actor_id": ENGINEER}
    await desk.hear(alone, command("claim_escalation", command_id=new_id(), **by_erin), now=now)
    back = {"instructions": "Ask.", "new_session_id": new_id(), "command_id": new_id()}
    return command("hand_back", **by_erin, **back)
