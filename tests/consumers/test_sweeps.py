"""Sweeps ask once for what is due because time has passed, and for nothing else."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from consumers import sweeps
from consumers.sweeps import sweep_forever, sweep_once
from tests.builders import ACME, ENGINEER, GLOBEX, NOW
from tests.consumers.desk import Desk, notes, resolve, start
from tests.consumers.wire import Json, command, new_id

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
MOMENT = timedelta(microseconds=1)


async def started(desk: Desk, kind: str = "start_adhoc", now: datetime = NOW) -> str:
    """A session on a ticket of its own."""
    session = new_id()
    own = {"command_id": new_id(), "session_id": session, "ticket_id": f"T-{session}"}
    await desk.hear(command(kind, **own), now=now)
    return session


async def swept(desk: Desk, now: datetime) -> list[Json]:
    """What one sweep asks for."""
    before = len(await desk.asked())
    count = await sweep_once(desk.engine, now)
    asked = (await desk.asked())[before:]
    assert len(asked) == count
    return asked


def sessions_of(asked: list[Json]) -> list[str]:
    return [one["session_id"] for one in asked]


# -- idle sessions -----------------------------------------------------------------------------


async def test_a_session_idles_for_a_day_where_nobody_says_otherwise(desk: Desk) -> None:
    session = await started(desk)
    assert await swept(desk, NOW + DAY - MOMENT) == []
    (asked,) = await swept(desk, NOW + DAY)
    assert {name: asked[name] for name in asked if name != "command_id"} == {
        "type": "abandon",
        "session_id": session,
        "account_id": ACME,
        "expected_version": 1,
        "reason": "idle",
    }
    await desk.hear(asked, now=NOW + DAY)
    assert (await desk.answer(asked["command_id"]))["outcome"] == "accepted"
    *_, ended = await desk.messages("session-events", session)
    assert (ended["data"]["reason"], ended["data"]["actor"]["id"]) == ("idle", "system")
    (note,) = await desk.messages("ticketing", session)
    assert (note["data"]["action"], note["data"]["note"]) == ("note", "idle")


@pytest.mark.parametrize(
    ("kind", "hours"),
    [("start_flow", 1), ("start_adhoc", 3), ("start_ai_build", 4), ("start_proposal", 24)],
)
async def test_accounts_say_how_long_each_kind_may_idle(desk: Desk, kind: str, hours: int) -> None:
    await desk.set_policy(ACME, idle_hours={"flow": 1, "adhoc": 3, "ai_build": 4})
    if kind == "start_proposal":
        await desk.connection.execute(
            """
            insert into flow_proposals (account_id, id, title, start, nodes)
            values ($1, '00000000-0000-4000-8000-000000000012', 'Mail', 'd',
                '{"d": {"type": "resolve", "text": "Solved."}}')
            """,
            ACME,
        )
    session = await started(desk, kind)
    if kind == "start_ai_build":
        await desk.serve(session)
    assert await swept(desk, NOW + hours * HOUR - MOMENT) == []
    assert sessions_of(await swept(desk, NOW + hours * HOUR)) == [session]


async def test_the_policy_of_one_account_is_not_another_s(desk: Desk) -> None:
    await desk.set_policy(GLOBEX, idle_hours={"adhoc": 1})
    await started(desk)
    assert await swept(desk, NOW + 2 * HOUR) == []


async def test_a_session_whose_node_is_being_generated_does_not_idle(desk: Desk) -> None:
    waiting, shown = await started(desk, "start_ai_build"), await started(desk, "start_ai_build")
    await desk.serve(shown)
    assert sessions_of(await swept(desk, NOW + 47 * HOUR)) == [shown]
    assert sessions_of(await swept(desk, NOW + 48 * HOUR)) == [waiting]


async def test_a_session_that_ended_does_not_idle(desk: Desk) -> None:
    session = await started(desk)
    await desk.hear(resolve(session))
    assert await swept(desk, NOW + 30 * DAY) == []


async def test_whatever_happens_puts_it_off(desk: Desk) -> None:
    session = await started(desk)
    await desk.hear(notes(session), now=NOW + HOUR)
    assert await swept(desk, NOW + DAY) == []
    assert sessions_of(await swept(desk, NOW + DAY + HOUR)) == [session]


async def test_what_was_asked_for_is_not_asked_for_again(desk: Desk) -> None:
    await started(desk)
    assert len(await swept(desk, NOW + DAY)) == 1
    assert await swept(desk, NOW + DAY) == []
    assert await swept(desk, NOW + 2 * DAY) == []


async def test_two_sweepers_ask_once(desk: Desk) -> None:
    sessions = {await started(desk) for _ in range(5)}
    counts = await asyncio.gather(*(sweep_once(desk.engine, NOW + DAY) for _ in range(4)))
    assert sum(counts) == 5
    asked = await desk.asked()
    assert sorted(sessions_of(asked)) == sorted(sessions)


async def test_a_session_that_moved_meanwhile_is_left_alone(desk: Desk) -> None:
    session = await started(desk)
    (asked,) = await swept(desk, NOW + DAY)
    await desk.hear(notes(session), asked, now=NOW + DAY)
    assert (await desk.answer(asked["command_id"]))["code"] == "stale_version"
    assert await desk.events(session) == ["started", "notes_updated"]

    assert await swept(desk, NOW + 2 * DAY - MOMENT) == []
    (again,) = await swept(desk, NOW + 2 * DAY)
    assert again["command_id"] != asked["command_id"]
    assert again["expected_version"] == 2
    await desk.hear(again, now=NOW + 2 * DAY)
    assert (await desk.events(session))[-1] == "abandoned"


async def test_one_that_gets_nowhere_does_not_hold_up_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A parked session stays due for good; with as many as a sweep looks at, nothing else came."""
    monkeypatch.setattr(sweeps, "_MOST", 2)
    parked = [await started(desk) for _ in range(3)]
    later = [await started(desk, now=NOW + HOUR) for _ in range(3)]
    await desk.connection.executemany(
        "insert into parked_sessions (account_id, session_id, parked_at) values ($1, $2, now())",
        [(ACME, session) for session in parked],
    )
    asked: list[Json] = []
    for _ in range(6):
        found = await swept(desk, NOW + DAY + HOUR)
        await desk.hear(*found, now=NOW + DAY + HOUR)
        asked += found
    assert sorted(sessions_of(asked)) == sorted([*parked, *later])
    for session in later:
        assert (await desk.events(session))[-1] == "abandoned"
    for session in parked:
        assert (await desk.events(session))[-1] == "started"


# -- escalations that nobody moves -------------------------------------------------------------

STEPS = [
    {"after_minutes": 15, "recipients": ["lead@acme.example"]},
    {"after_minutes": 30, "recipients": ["boss@acme.example", "owner@acme.example"]},
]


async def escalated(desk: Desk, now: datetime = NOW) -> str:
    """An escalation of Acme's, whose default recipient is the one who is on call."""
    await desk.connection.execute(
        "update accounts set default_recipients = '{oncall@acme.example}' where id = $1", ACME
    )
    session = new_id()
    alone = {"command_id": new_id(), "session_id": session, "ticket_id": f"T-{session}"}
    await desk.hear(command("escalate_without_walk", **alone), now=now)
    return session


def by_erin(kind: str, session: str) -> Json:
    return command(kind, command_id=new_id(), session_id=session, actor_id=ENGINEER)


async def told(desk: Desk, session: str) -> list[tuple[str, list[str]]]:
    """Who was told of an escalation, and what."""
    messages: list[Any] = await desk.messages("engineer-notifications", session)
    assert {one["data"]["dedup_key"] for one in messages} == {f"firstline:{session}"}
    return [
        (
            one["type"].split(".")[2],
            [recipient["email"] for recipient in one["data"]["recipients"]],
        )
        for one in messages
    ]


async def test_people_are_told_again_step_by_step(desk: Desk) -> None:
    await desk.set_policy(ACME, escalation=STEPS)
    session = await escalated(desk)
    assert await swept(desk, NOW + 15 * MINUTE - MOMENT) == []
    (first,) = await swept(desk, NOW + 15 * MINUTE)
    assert {name: first[name] for name in first if name != "command_id"} == {
        "type": "renotify",
        "session_id": session,
        "account_id": ACME,
        "expected_version": 2,
        "step": 1,
    }
    assert await swept(desk, NOW + 20 * MINUTE) == []
    await desk.hear(first, now=NOW + 20 * MINUTE)
    assert await swept(desk, NOW + 50 * MINUTE - MOMENT) == []
    (second,) = await swept(desk, NOW + 50 * MINUTE)
    assert (second["step"], second["expected_version"]) == (2, 3)
    await desk.hear(second, now=NOW + 50 * MINUTE)
    assert await swept(desk, NOW + 30 * DAY) == []
    assert await told(desk, session) == [
        ("escalated", ["oncall@acme.example"]),
        ("renotified", ["lead@acme.example"]),
        ("renotified", ["boss@acme.example", "owner@acme.example"]),
    ]


async def test_who_is_told_again_is_handed_what_the_first_were(desk: Desk) -> None:
    await desk.set_policy(ACME, escalation=STEPS)
    session = await started(desk)
    escalate = command("escalate", command_id=new_id(), session_id=session)
    await desk.hear(notes(session, notes=[{"text": "It rings."}]), escalate)
    await desk.hear(*await swept(desk, NOW + 15 * MINUTE), now=NOW + 15 * MINUTE)
    first, again = await desk.messages("engineer-notifications", session)
    assert first["data"]["summary"]["notes"] == [{"text": "It rings."}]
    assert again["data"]["summary"] == first["data"]["summary"]


@pytest.mark.parametrize("policy", [{}, {"escalation": []}, {"escalation": STEPS[:1]}])
async def test_people_are_told_again_as_often_as_the_policy_says(desk: Desk, policy: Json) -> None:
    await desk.set_policy(ACME, **policy)
    session = await escalated(desk)
    for day in range(1, 4):
        await desk.hear(*await swept(desk, NOW + day * DAY), now=NOW + day * DAY)
    assert len(await told(desk, session)) == 1 + len(policy.get("escalation", []))


async def test_who_claimed_may_be_silent_for_so_long(desk: Desk) -> None:
    await desk.set_policy(ACME, escalation=STEPS, silent_minutes=60)
    session = await escalated(desk)
    await desk.hear(by_erin("claim_escalation", session), now=NOW + 10 * MINUTE)
    assert await swept(desk, NOW + 70 * MINUTE - MOMENT) == []
    (asked,) = await swept(desk, NOW + 70 * MINUTE)
    assert asked["type"] == "renotify"
    await desk.hear(asked, now=NOW + 70 * MINUTE)
    assert await swept(desk, NOW + 130 * MINUTE - MOMENT) == []
    assert len(await swept(desk, NOW + 130 * MINUTE)) == 1


async def test_who_claimed_may_be_silent_for_ever_where_nobody_says_otherwise(desk: Desk) -> None:
    await desk.set_policy(ACME, escalation=STEPS)
    session = await escalated(desk)
    await desk.hear(by_erin("claim_escalation", session), now=NOW + MINUTE)
    assert await swept(desk, NOW + 30 * DAY) == []


async def test_past_the_steps_those_are_told_who_were_told_first(desk: Desk) -> None:
    await desk.set_policy(ACME, silent_minutes=60)
    session = await escalated(desk)
    await desk.hear(by_erin("claim_escalation", session), now=NOW)
    await desk.hear(*await swept(desk, NOW + HOUR), now=NOW + HOUR)
    *_, last = await told(desk, session)
    assert last == ("renotified", ["oncall@acme.example"])


async def test_who_is_told_of_a_silent_claim_is_not_who_waits_for_one(desk: Desk) -> None:
    await desk.set_policy(ACME, escalation=STEPS, silent_minutes=60)
    session = await escalated(desk)
    await desk.hear(by_erin("claim_escalation", session), now=NOW)
    await desk.hear(*await swept(desk, NOW + HOUR), now=NOW + HOUR)
    assert (await told(desk, session))[-1] == ("renotified", ["oncall@acme.example"])
    await desk.hear(by_erin("release_escalation", session), now=NOW + 2 * HOUR)
    assert sessions_of(await swept(desk, NOW + 3 * HOUR)) == [session], "the steps begin anew"


async def test_an_escalation_that_was_released_waits_from_then_on(desk: Desk) -> None:
    await desk.set_policy(ACME, escalation=STEPS)
    session = await escalated(desk)
    await desk.hear(by_erin("claim_escalation", session), now=NOW + 5 * MINUTE)
    await desk.hear(by_erin("release_escalation", session), now=NOW + 10 * MINUTE)
    assert await swept(desk, NOW + 25 * MINUTE - MOMENT) == []
    assert sessions_of(await swept(desk, NOW + 25 * MINUTE)) == [session]


async def test_an_escalation_that_is_over_is_told_of_no_more(desk: Desk) -> None:
    await desk.set_policy(ACME, escalation=STEPS, silent_minutes=60)
    session = await escalated(desk)
    over = by_erin("close_escalation", session) | {"resolution_notes": "New disk."}
    await desk.hear(by_erin("claim_escalation", session), over)
    assert await swept(desk, NOW + 30 * DAY) == []


async def test_one_that_was_claimed_meanwhile_is_not_told_of(desk: Desk) -> None:
    await desk.set_policy(ACME, escalation=STEPS)
    session = await escalated(desk)
    (asked,) = await swept(desk, NOW + 15 * MINUTE)
    await desk.hear(by_erin("claim_escalation", session), asked, now=NOW + 15 * MINUTE)
    assert (await desk.answer(asked["command_id"]))["code"] == "stale_version"
    assert [what for what, _ in await told(desk, session)] == ["escalated", "claimed"]


async def test_escalations_that_get_nowhere_do_not_hold_up_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeps, "_MOST", 1)
    await desk.set_policy(ACME, escalation=STEPS)
    parked, later = await escalated(desk), await escalated(desk, NOW + MINUTE)
    await desk.connection.execute(
        "insert into parked_sessions (account_id, session_id, parked_at) values ($1, $2, now())",
        ACME,
        parked,
    )
    asked = [*await swept(desk, NOW + HOUR), *await swept(desk, NOW + HOUR)]
    assert sessions_of(asked) == [parked, later]


# -- sweeping on -------------------------------------------------------------------------------


async def test_sweeping_goes_on_after_a_failure_until_told_to_stop(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = asyncio.Event()
    tried = []

    async def once(*_: object) -> int:
        tried.append(1)
        if len(tried) == 3:
            stop.set()
        if len(tried) == 1:
            raise OSError
        return 0

    monkeypatch.setattr(sweeps, "sweep_once", once)
    async with asyncio.timeout(10):
        await sweep_forever(desk.engine, stop, 0.001)
    assert len(tried) == 3


async def test_sweeping_stops_at_once(desk: Desk) -> None:
    stop = asyncio.Event()
    sweeping = asyncio.ensure_future(sweep_forever(desk.engine, stop, 3_600))
    stop.set()
    async with asyncio.timeout(10):
        await sweeping


async def test_a_sweep_of_nothing_asks_for_nothing(desk: Desk) -> None:
    await desk.hear(start())
    assert await swept(desk, NOW) == []


# -- claims that nobody can move ---------------------------------------------------------------


@pytest.mark.parametrize("lost", ["deleted_at = now()", "role = 'l1_tech'"])
async def test_what_an_engineer_had_claimed_who_is_none_any_more_is_released(
    desk: Desk, lost: str
) -> None:
    """Nobody else could move it, and they cannot either."""
    session = await started(desk)
    escalate = command("escalate", command_id=new_id(), session_id=session)
    claim = command("claim_escalation", command_id=new_id(), session_id=session, actor_id=ENGINEER)
    await desk.hear(escalate, claim)
    assert await swept(desk, NOW + HOUR) == []
    await desk.connection.execute(f"update users set {lost} where id = $1", ENGINEER)
    (asked,) = await swept(desk, NOW + HOUR)
    assert (asked["type"], asked["session_id"]) == ("release_escalation", session)
    assert await swept(desk, NOW + HOUR) == []
    await desk.hear(asked)
    assert (await desk.answer(asked["command_id"]))["outcome"] == "accepted"
    *_, told = await desk.messages("engineer-notifications", session)
    assert told["type"] == "firstline.escalation.released.v1"


async def test_a_sweep_that_fails_keeps_no_other_from_asking(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> list[Any]:
        raise RuntimeError

    session = await started(desk)
    monkeypatch.setattr(sweeps, "_SWEEPS", (*sweeps._SWEEPS, (fail, sweeps._abandon)))
    with pytest.raises(RuntimeError):
        await sweep_once(desk.engine, NOW + DAY)
    assert sessions_of(await desk.asked()) == [session]
