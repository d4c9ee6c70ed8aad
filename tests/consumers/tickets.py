"""Tickets that are told of: what is known of them, and the sessions on them."""

from datetime import datetime

from tests.builders import ACME, ENGINEER, NOW
from tests.consumers.desk import Desk, start
from tests.consumers.gate import Gate, at_once
from tests.consumers.wire import TICKET, Json, command, new_id


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


async def hear_at_once(desk: Desk, gate: Gate, first: list[Json], second: list[Json]) -> None:
    """Apply both, the second once the first is about to save, until the second waits for it."""
    batches = (desk.mixed(*sent, partition=at) for at, sent in enumerate((first, second)))
    await at_once(desk, gate, *batches)


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
