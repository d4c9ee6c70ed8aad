"""Tickets that are merged: their sessions go on on the other, or end where it has one."""

from collections.abc import Callable

import pytest

from consumers.apply import apply_batch
from domain.context import Limits
from tests.builders import ACME, NOW, an_id
from tests.consumers.desk import Desk, resolve
from tests.consumers.gate import Gate
from tests.consumers.tickets import hear_at_once, on_ticket, stands
from tests.consumers.wire import ABSENT, command, new_id, said


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
    desk: Desk, gate: Callable[..., Gate]
) -> None:
    one, other = on_ticket(), on_ticket("10046")
    await desk.hear(one)
    await desk.hear(said("merged", 1, merged_into="10046"))
    (asked,) = await desk.asked()
    await hear_at_once(desk, gate(), [asked], [other])
    reply = await desk.answer(other["command_id"])
    assert reply["code"] == "ticket_has_active_session"
