"""News of tickets: which sessions start for them, and which may not."""

import asyncio
from collections.abc import Callable

import pytest

from consumers.replay import carry_out
from domain.context import Limits
from storage.database import begin
from tests.builders import ACME, FLOW, GLOBEX, GLOBEX_TECH, NOW, TECH, an_id
from tests.consumers.desk import Desk, resolve, start
from tests.consumers.gate import Gate
from tests.consumers.tickets import (
    assert_seen,
    claimed_on_ticket,
    hear_at_once,
    on_ticket,
    status,
)
from tests.consumers.wire import TICKET, Json, said

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
    gate: Callable[..., Gate],
    first: str,
    known: bool,  # noqa: FBT001
) -> None:
    """Whichever is second waits on the ticket's row and sees what the first did."""
    if known:
        await desk.hear(said("updated", 0))
    one, event = on_ticket(), said("closed", 1)
    orders = ([one], [event]) if first == "start" else ([event], [one])
    await hear_at_once(desk, gate(), *orders)
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
    desk: Desk, gate: Callable[..., Gate]
) -> None:
    back = await claimed_on_ticket(desk)
    await hear_at_once(desk, gate(), [back], [said("closed", 1)])
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
