"""What was kept for long enough goes, slice by slice; what anybody may still need stays."""

import asyncio
from collections import Counter
from datetime import datetime, timedelta, tzinfo
from typing import Any

import asyncpg
import pytest

from consumers import dead_letter_desk, upkeep
from consumers.sweeps import sweep_once
from consumers.upkeep import prune_forever, prune_once, prune_round
from firstline.check.role import NEEDED
from storage import retention
from storage.database import begin
from storage.retention import Retention
from tests.builders import ACME, ENGINEER, NOW, an_id
from tests.consumers.desk import Desk, notes, resolve, start
from tests.consumers.parked import EVE, Poison, a_parked_session
from tests.consumers.wire import Json, command, new_id

DAY, MOMENT = timedelta(days=1), timedelta(microseconds=1)
WINDOW = 16 * DAY
ALL = Retention(commands=WINDOW, walks=WINDOW, audit=WINDOW, dead_letters=WINDOW)
OVER = NOW + WINDOW + MOMENT


async def walked(desk: Desk, *ends: Json, now: datetime = NOW) -> str:
    """A session with notes and a step, and what ends it."""
    session = new_id()
    own = {"session_id": session, "command_id": new_id()}
    await desk.hear(
        command("start_flow", **own, ticket_id=f"T-{session}"),
        notes(session),
        *(one | {"session_id": session, "command_id": new_id()} for one in ends),
        now=now,
    )
    await desk.connection.execute(
        """
        insert into walk_steps (session_id, position, node_id, question, answer, recorded_at)
        values ($1, 1, 'done', '', 'Yes', $2)
        """,
        session,
        now,
    )
    return session


async def count(desk: Desk, table: str) -> int:
    found: int = await desk.connection.fetchval(f"select count(*) from {table}")
    return found


async def with_walks(desk: Desk) -> set[str]:
    """The sessions of which steps and notes are there, both or neither."""
    rows = await desk.connection.fetch(
        """
        select s.id::text, exists (select from walk_steps w where w.session_id = s.id) as steps,
            exists (select from session_notes n where n.session_id = s.id) as notes,
            s.walk_pruned_at is null as marked
        from sessions s
        """
    )
    assert {(row["steps"], row["notes"], row["marked"]) for row in rows} <= {
        (True, True, True),
        (False, False, False),
    }
    return {row["id"] for row in rows if row["steps"]}


# -- commands ----------------------------------------------------------------------------------


async def test_a_command_is_remembered_until_its_time_is_over_and_is_new_then(desk: Desk) -> None:
    session = new_id()
    noted = notes(session)
    await desk.hear(start(session), noted)
    assert await prune_round(desk.engine, ALL, NOW + WINDOW) == {}
    await desk.hear(noted)
    assert (await desk.replies())[-1] | {"recorded_at": None} == (
        (await desk.replies())[1] | {"duplicate": True, "recorded_at": None}
    )
    assert (await prune_round(desk.engine, ALL, OVER))["inbox"] == 2
    await desk.hear(noted)
    last = (await desk.replies())[-1]
    assert (last["outcome"], last["duplicate"], last["version"]) == ("accepted", False, 3)


async def test_a_parked_command_is_remembered_for_as_long_as_it_waits(desk: Desk) -> None:
    await desk.hear(start())
    await desk.connection.execute("update inbox set reply = null")
    assert await prune_round(desk.engine, ALL, OVER) == {}
    assert await count(desk, "inbox") == 1


async def test_a_command_that_was_parked_is_remembered_from_its_answer_on(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    queue, letters = await a_parked_session(desk, None)
    poison.cure()
    await operator.replay(letters[0], EVE, NOW + DAY)
    assert await prune_round(desk.engine, Retention(commands=WINDOW), OVER) == {"inbox": 1}
    await desk.apply(*queue)
    assert [one["duplicate"] for one in (await desk.replies())[-2:]] == [True, True]


async def test_events_heard_and_questions_asked_are_forgotten(desk: Desk) -> None:
    await desk.hear(start())
    assert await sweep_once(desk.engine, NOW + DAY) == 1
    await desk.connection.execute(
        "insert into ticket_events_heard values ($1, 'connectwise', 'e1', $2)", ACME, NOW + DAY
    )
    went = await prune_round(desk.engine, Retention(commands=WINDOW), OVER + DAY)
    assert went == {"inbox": 1, "sweeps": 1, "ticket_events_heard": 1}


# -- walks -------------------------------------------------------------------------------------


async def test_the_walk_of_a_session_long_over_goes_and_the_session_stays(desk: Desk) -> None:
    session = await walked(desk, resolve(""))
    later = await walked(desk, resolve(""), now=NOW + DAY)
    kept = Retention(walks=WINDOW)
    assert await prune_round(desk.engine, kept, NOW + WINDOW) == {}
    assert await prune_round(desk.engine, kept, OVER) == {"walks": 1}
    assert await with_walks(desk) == {later}
    assert await prune_round(desk.engine, kept, OVER) == {}
    row = await desk.connection.fetchrow("select * from session_walks where id = $1", session)
    assert row is not None
    assert (row["status"], row["version"], row["walked_path"]) == ("resolved", 3, "[]")
    assert row["walk_pruned_at"] is not None


async def test_the_walk_of_a_session_that_is_not_over_stays(desk: Desk) -> None:
    active = await walked(desk)
    assert "walks" not in await prune_round(desk.engine, ALL, NOW + 999 * DAY)
    assert await with_walks(desk) == {active}


async def test_the_walk_stays_for_as_long_as_an_engineer_may_need_it(desk: Desk) -> None:
    escalate, mine = command("escalate"), {"actor_id": ENGINEER}
    claim = command("claim_escalation", **mine)
    close = command("close_escalation", **mine)
    waiting = await walked(desk, escalate)
    claimed = await walked(desk, escalate, claim)
    closed = await walked(desk, escalate, claim, close)
    later = await walked(desk, escalate, claim)
    await desk.hear(close | {"session_id": later, "command_id": new_id()}, now=NOW + 30 * DAY)
    kept = Retention(walks=WINDOW)
    assert await prune_round(desk.engine, kept, NOW + 30 * DAY) == {"walks": 1}
    assert await with_walks(desk) == {waiting, claimed, later}
    assert closed not in await with_walks(desk)
    assert await prune_round(desk.engine, kept, OVER + 30 * DAY) == {"walks": 1}
    assert await with_walks(desk) == {waiting, claimed}


async def test_a_session_that_a_batch_holds_is_left_for_later(desk: Desk) -> None:
    held, free = await walked(desk, resolve("")), await walked(desk, resolve(""))
    async with begin(desk.engine) as batch:
        await batch.fetch("select from sessions where id = $1 for no key update", held)
        async with asyncio.timeout(5):
            assert await prune_round(desk.engine, Retention(walks=WINDOW), OVER) == {"walks": 1}
        assert await with_walks(desk) == {held}
    assert free not in await with_walks(desk)


# -- dead letters, audit -----------------------------------------------------------------------

LETTERS = (
    # number, reason, status, session: gone or not
    (1, "unreadable", "open", None, True),
    (2, "too_large", "discarded", None, True),
    (3, "poison", "replayed", 1, True),
    (4, "poison", "discarded", 2, False),  # its session is parked behind another
    (5, "poison", "open", 2, False),
    (6, "parked", "open", 2, False),
)


async def test_dead_letters_go_that_nothing_waits_for(desk: Desk) -> None:
    for number, reason, status, session, _ in LETTERS:
        ids = [an_id(session), ACME, an_id(number)] if session else [None] * 3
        await desk.connection.execute(
            """
            insert into dead_letters (id, reason, detail, topic, partition, "offset", headers,
                session_id, account_id, command_id, status, recorded_at)
            values ($1, $2, '', 't', 0, 0, '', $3, $4, $5, $6, $7)
            """,
            *(an_id(number), reason, *ids, status, NOW),
        )
    await desk.connection.execute(
        "insert into parked_sessions values ($1, $2, $3)", ACME, an_id(2), NOW
    )
    assert await prune_round(desk.engine, ALL, NOW + WINDOW) == {}
    assert await prune_round(desk.engine, ALL, OVER) == {"dead_letters": 3}
    left = await desk.connection.fetch("select id::text from dead_letters")
    assert {row["id"] for row in left} == {
        an_id(number) for number, *_, gone in LETTERS if not gone
    }


async def test_the_audit_trail_goes_from_its_beginning(desk: Desk) -> None:
    for day in range(3):
        await walked(desk, resolve(""), now=NOW + day * DAY)
        await desk.connection.execute(
            """
            insert into account_audit
                (account_id, actor_id, actor_name, action, details, recorded_at)
            values ($1, $1, 'Olga', 'categories.set', '{}', $2)
            """,
            ACME,
            NOW + day * DAY,
        )
    went = await prune_round(desk.engine, Retention(audit=WINDOW), OVER + DAY)
    assert went == {"audit_log": 2, "account_audit": 2}
    assert (await count(desk, "audit_log"), await count(desk, "account_audit")) == (1, 1)


async def test_entries_by_a_clock_that_was_ahead_hold_up_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "SLICE", 2)
    for _ in range(4):
        await walked(desk, resolve(""))
    await desk.connection.execute(
        """
        update audit_log set recorded_at = now() + interval '1 day'
        where id in (select id from audit_log order by id limit 2)
        """
    )
    assert await prune_round(desk.engine, Retention(audit=WINDOW), OVER) == {"audit_log": 2}
    assert await count(desk, "audit_log") == 2


async def test_what_is_kept_for_good_stays(desk: Desk) -> None:
    await walked(desk, resolve(""))
    assert await prune_round(desk.engine, Retention(), NOW + 9_999 * DAY) == {}


# -- in slices, beside others ------------------------------------------------------------------


async def test_a_round_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "SLICE", 2)
    monkeypatch.setattr(upkeep, "_MOST_SLICES", 2)
    await desk.hear(*(start() for _ in range(7)))
    assert [(await prune_round(desk.engine, ALL, OVER))["inbox"] for _ in range(3)] == [4, 3, 0]


async def test_the_oldest_go_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "SLICE", 1)
    sent = [start() for _ in range(3)]
    for number in (2, 0, 1):
        await desk.hear(sent[number], now=NOW + number * DAY)
    for number in range(3):
        assert set(await desk.inbox()) == {one["command_id"] for one in sent[number:]}
        assert await prune_once(desk.engine, ALL, OVER + 9 * DAY) == {"inbox": 1}


async def test_of_two_at_once_one_leaves_the_table_to_the_other(desk: Desk) -> None:
    await desk.hear(*(start() for _ in range(3)))
    async with begin(desk.engine) as first, asyncio.timeout(5):
        assert await retention.prune(first, "inbox", OVER, 2) == 2
        async with begin(desk.engine) as second:
            assert await retention.prune(second, "inbox", OVER, 2) is None
    async with begin(desk.engine) as second:
        assert await retention.prune(second, "inbox", OVER, 2) == 1


async def test_many_at_once_delete_each_row_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "SLICE", 3)
    await desk.hear(*(start() for _ in range(40)))
    rounds = await asyncio.gather(*(prune_round(desk.engine, ALL, OVER) for _ in range(4)))
    assert sum(went["inbox"] for went in rounds) == 40
    assert await count(desk, "inbox") == 0


async def test_commands_are_applied_while_a_slice_is_being_deleted(desk: Desk) -> None:
    session = await walked(desk)
    await walked(desk, resolve(""))
    async with begin(desk.engine) as slice_, asyncio.timeout(10):
        for store, _ in retention.stores(ALL):
            await retention.prune(slice_, store, OVER, 1_000)
        applied = await desk.hear(start(), notes(session), resolve(session))
        assert applied.messages


@pytest.mark.parametrize(
    ("store", "index"),
    [
        ("inbox", "inbox_by_age"),
        ("ticket_events_heard", "ticket_events_heard_by_age"),
        ("sweeps", "sweeps_by_age"),
        ("dead_letters", "dead_letters_by_age"),
        ("walks", "sessions_by_end"),
        ("audit_log", "audit_log_pkey"),
        ("account_audit", "account_audit_pkey"),
    ],
)
async def test_the_oldest_are_found_by_an_index(desk: Desk, store: str, index: str) -> None:
    """Where reading a table as a whole is out of the question, as with a large one."""
    async with begin(desk.engine) as tx:
        await tx.execute("set local enable_seqscan = off")
        await tx.execute("set local enable_sort = off")
        plan = await tx.fetch(f"explain {retention._SLICES[store]}", NOW, 1_000)
    assert f"using {index}" in "\n".join(line for (line,) in plan)


async def test_what_the_role_may_not_delete_is_left_alone(desk: Desk) -> None:
    """A worker's role has no business deleting the audit trail; the owner prunes that."""
    async with begin(desk.engine) as tx:
        assert await retention.forbidden(tx) == set()
        await tx.execute("create role pruner")
        for table, rights in NEEDED.items():
            await tx.execute(f"grant {', '.join(('select', *rights))} on {table} to pruner")
        await tx.execute("set local role pruner")
        assert await retention.forbidden(tx) == {"audit_log", "account_audit"}
        for store, _ in retention.stores(ALL):
            if store not in {"audit_log", "account_audit"}:
                assert await retention.prune(tx, store, OVER, 10) == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await retention.prune(tx, "audit_log", OVER, 10)
        await tx.execute("rollback")


# -- pruning on --------------------------------------------------------------------------------


async def test_pruning_goes_on_after_a_failure_until_told_to_stop(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = asyncio.Event()
    tried = []

    async def once(*_: object) -> dict[str, int]:
        tried.append(1)
        if len(tried) == 3:
            stop.set()
        if len(tried) == 1:
            raise OSError
        return {"inbox": 1}

    monkeypatch.setattr(upkeep, "prune_round", once)
    async with asyncio.timeout(10):
        await prune_forever(desk.engine, stop, 0.001, ALL)
    assert len(tried) == 3


async def test_pruning_stops_at_once(desk: Desk) -> None:
    stop = asyncio.Event()
    pruning = asyncio.ensure_future(prune_forever(desk.engine, stop, 3_600, ALL))
    stop.set()
    async with asyncio.timeout(10):
        await pruning


async def test_a_clock_that_is_ahead_makes_nobody_forget(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = start()
    await desk.apply(begun)
    await desk.connection.execute("update inbox set recorded_at = now()")

    class Ahead:
        @staticmethod
        def now(tz: tzinfo) -> datetime:
            return datetime.now(tz) + timedelta(days=500)

    monkeypatch.setattr(upkeep, "datetime", Ahead)
    stop, looked = asyncio.Event(), prune_round

    async def once(*arguments: Any) -> Counter[str]:  # noqa: ANN401 - those of prune_round
        stop.set()
        return await looked(*arguments)

    monkeypatch.setattr(upkeep, "prune_round", once)
    await prune_forever(desk.engine, stop, 0.001, ALL)
    assert list(await desk.inbox()) == [begun["command_id"]]
