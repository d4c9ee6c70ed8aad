"""The end of an account, in races with its own commands, and who may change its categories."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import asyncpg
import pytest

from consumers import apply, dead_letter_desk, save
from consumers.dead_letter_rules import LetterStays
from consumers.isolate import Applier
from firstline import accounts
from firstline.accounts import AccountError
from storage import accounts as stored
from storage.blockers import end_blockers
from storage.database import begin
from storage.tables import metadata
from tests.builders import (
    ACME,
    ENGINEER,
    FLOW,
    GLOBEX,
    GLOBEX_TECH,
    NOW,
    TECH,
    an_id,
)
from tests.consumers.desk import Desk, notes, outcomes, resolve, start
from tests.consumers.gate import Gate
from tests.consumers.parked import EVE, Poison, a_parked_session, bad
from tests.consumers.wire import command, new_id
from tests.waiting import until_waiting

OWNER, ADMIN, GONE = an_id(0x5), an_id(0x6), an_id(0x7)
OF_NOBODY = {"alembic_version", "attempts", "positions", "relay_shards", "worker_slots"}
"""Tables in which no row is an account's."""


# -- the end of an account --------------------------------------------------------------------


async def test_everything_of_the_account_goes_and_nothing_of_another(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_SESSIONS_AT_ONCE", 2)  # more rounds than one
    sessions = {account: await furnish(desk, account) for account in (ACME, GLOBEX)}
    before = {account: await rows_of(desk, account, sessions[account]) for account in sessions}
    assert {table for table, rows in before[ACME].items() if not rows} == OF_NOBODY

    gone = await accounts.delete(database_url, ACME)

    assert gone == len(sessions[ACME])
    after = {account: await rows_of(desk, account, sessions[account]) for account in sessions}
    assert {table for table, rows in after[ACME].items() if rows} == {"outbox"}
    assert after[GLOBEX] == before[GLOBEX]


async def test_a_tombstone_is_the_last_of_each_session_behind_all_that_waited(
    desk: Desk, database_url: str
) -> None:
    sessions = await furnish(desk, ACME)
    others = await furnish(desk, GLOBEX)
    waiting = await outbox(desk)

    await accounts.delete(database_url, ACME)
    late = [notes(session) for session in sessions]
    await desk.apply(*late)

    assert (await outbox(desk))[: len(waiting)] == waiting
    assert (await desk.answers())[-len(late) :] == outcomes(late, "forbidden")
    assert {one: (await states(desk, one))[-1] is None for one in sessions} == dict.fromkeys(
        sessions, True
    )
    assert None not in [value for one in others for value in await states(desk, one)]


async def test_a_start_that_is_about_to_commit_is_in_the_list(
    desk: Desk, database_url: str, gate: Callable[..., Gate]
) -> None:
    saving, one = gate(), start()
    starting = asyncio.ensure_future(desk.apply(one))
    await saving.reached.wait()
    deleting = asyncio.ensure_future(accounts.delete(database_url, ACME))
    await until_waiting(desk.connection, "firstline-accounts")
    # Who waits takes stopped workers for stopped; a batch only takes its time.
    assert await end_blockers(database_url, patience=0) == []
    saving.opened.set()
    await starting

    assert await deleting == 1
    assert await desk.answers() == outcomes([one])
    assert (await states(desk, one["session_id"]))[-1] is None
    assert (await desk.counts())["sessions"] == 0


@pytest.mark.usefixtures("_two_at_a_time")
async def test_what_was_parked_is_given_up_before_its_account_goes(
    desk: Desk, database_url: str, poison: Poison
) -> None:
    """Whoever sent it is told so, in order; more of it than one transaction takes."""
    first, _ = await a_parked_session(desk, None, None)
    second, _ = await a_parked_session(desk, "poison")
    await desk.apply(first[1])  # once more
    session = start(account_id=GLOBEX, actor_id=GLOBEX_TECH)
    others = bad(session["session_id"], account_id=GLOBEX, actor_id=GLOBEX_TECH)
    await desk.apply(session, others)
    poison.cure()
    before = len(await desk.replies())

    await accounts.delete(database_url, ACME)

    assert (await desk.answers())[before:] == outcomes([*first, *second, first[1]], "discarded")
    assert [one["duplicate"] for one in await desk.replies()][before:] == [False] * 5 + [True]
    assert [one["command_id"] for one in await desk.letters()] == [others["command_id"]]
    assert await desk.parked() == {(GLOBEX, session["session_id"])}


@pytest.mark.usefixtures("_two_at_a_time")
async def test_what_was_parked_is_nobody_else_s_to_answer_once_its_account_has_ended(
    desk: Desk,
    poison: Poison,
    operator: dead_letter_desk.Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two would answer it at the same time, be it between two transactions of one replay."""
    queue, letters = await a_parked_session(desk, None, None)
    poison.cure()
    in_transaction = dead_letter_desk.Desk._in_transaction

    async def then_ends(self: dead_letter_desk.Desk, work: Any) -> Any:  # noqa: ANN401 - as it takes it
        came = await in_transaction(self, work)
        async with begin(desk.engine) as tx:
            await stored.end(tx, ACME)
        return came

    monkeypatch.setattr(dead_letter_desk.Desk, "_in_transaction", then_ends)
    came = await operator.replay(letters[0], EVE, NOW)
    assert list(came.answered) == letters[:2]
    for act in (operator.replay, operator.discard):
        with pytest.raises(LetterStays, match="has ended: `firstline account delete` gives it up"):
            await act(letters[2], EVE, NOW)
    assert queue[2]["command_id"] not in dict(await desk.answers())


@pytest.mark.parametrize("what", ["start", "intake", "notes", "what was parked"])
async def test_what_comes_during_the_deletion_is_forbidden_at_once(
    desk: Desk, database_url: str, poison: Poison, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (parked,), _ = await a_parked_session(desk)
    poison.cure()
    begun = start()
    await desk.apply(begun)
    listed, go_on = asyncio.Event(), asyncio.Event()
    delete = stored.delete

    async def gated(*arguments: Any) -> None:  # noqa: ANN401 - those of delete
        listed.set()
        await go_on.wait()
        await delete(*arguments)

    monkeypatch.setattr(stored, "delete", gated)
    deleting = asyncio.ensure_future(accounts.delete(database_url, ACME))
    await listed.wait()
    late = {
        "start": start(),
        "intake": command("intake", command_id=new_id(), session_id=new_id()),
        "notes": notes(begun["session_id"]),
        "what was parked": parked,
    }[what]
    await desk.apply(late)
    go_on.set()

    assert await deleting == 2
    answered = "discarded" if late is parked else "forbidden"
    assert (await desk.answers())[2:] == [
        *outcomes([parked], "discarded"),
        *outcomes([late], answered),
    ]
    assert (await states(desk, late["session_id"]))[-1:] in ([], [None])
    assert (await desk.letters(), await desk.parked()) == ([], set())


async def test_nothing_is_kept_of_a_poison_command_whose_account_goes_meanwhile(
    desk: Desk, database_url: str, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = start()
    await desk.apply(begun)
    keeping, go_on = asyncio.Event(), asyncio.Event()

    async def gated(tx: Any, folded: Any, *others: Any) -> None:  # noqa: ANN401 - those of save
        if folded.letters:
            keeping.set()
            await go_on.wait()
        await save.save(tx, folded, *others)

    monkeypatch.setattr("consumers.apply.save", gated)
    coming = asyncio.ensure_future(desk.apply(bad(begun["session_id"])))
    await keeping.wait()
    deleting = asyncio.ensure_future(accounts.delete(database_url, ACME))
    await until_waiting(desk.connection, "firstline-accounts")
    go_on.set()
    await coming

    assert await deleting == 1
    poison.cure()
    late = notes(begun["session_id"])
    await desk.apply(late)
    assert (await desk.answers())[-1:] == outcomes([late], "forbidden")
    assert (await desk.letters(), await desk.parked()) == ([], set())


@pytest.mark.usefixtures("poison")
async def test_a_command_that_turns_out_poison_once_its_account_is_gone_is_forbidden(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = start()
    await desk.apply(begun)

    async def suspect(_: Applier) -> None:
        await accounts.delete(database_url, ACME)

    monkeypatch.setattr(Applier, "_suspect_ourselves", suspect)
    odd = bad(begun["session_id"])
    await desk.apply(odd)

    assert (await desk.answers())[-1:] == outcomes([odd], "forbidden")
    assert (await desk.letters(), await desk.parked()) == ([], set())


async def test_what_was_answered_and_comes_again_as_the_account_goes_is_forbidden(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = start()
    await desk.apply(begun)

    lock = apply.lock

    async def delete_first(*arguments: Any) -> Any:  # noqa: ANN401 - those of lock
        await accounts.delete(database_url, ACME)
        return await lock(*arguments)

    monkeypatch.setattr("consumers.apply.lock", delete_first)
    await desk.apply(begun)

    assert await desk.answers() == [*outcomes([begun]), *outcomes([begun], "forbidden")]


async def test_nobody_waits_while_a_deletion_takes_its_time_and_one_that_died_goes_on(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored, "_SESSIONS_AT_ONCE", 1)
    ours = [start() for _ in range(3)]
    await desk.apply(*ours)
    reached, go_on = asyncio.Event(), asyncio.Event()
    delete_sessions, rounds = stored.delete_sessions, 0

    async def gated(*arguments: Any) -> None:  # noqa: ANN401 - those of delete_sessions
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            reached.set()
            await go_on.wait()
        await delete_sessions(*arguments)

    monkeypatch.setattr(stored, "delete_sessions", gated)
    deleting = asyncio.ensure_future(accounts.delete(database_url, ACME))
    await reached.wait()
    new = start()
    other = start(account_id=GLOBEX, actor_id=GLOBEX_TECH)
    async with asyncio.timeout(5):
        await desk.apply(new, other)
    assert (await desk.answers())[3:] == [*outcomes([new], "forbidden"), *outcomes([other])]
    deleting.cancel()
    await asyncio.gather(deleting, return_exceptions=True)
    assert (await desk.counts())["sessions"] == 3

    assert await accounts.delete(database_url, ACME) == 2
    assert [(await states(desk, one["session_id"]))[-1] for one in ours] == [None] * 3
    assert (await desk.counts())["sessions"] == 1
    with pytest.raises(AccountError, match=r"^there is no account"):
        await accounts.delete(database_url, ACME)


async def test_a_deletion_that_loses_a_race_is_tried_again(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await furnish(desk, ACME)
    delete = stored.delete
    failures: list[Exception] = [asyncpg.DeadlockDetectedError(), asyncpg.DeadlockDetectedError()]

    async def racing(*arguments: Any) -> None:  # noqa: ANN401 - those of delete
        if failures:
            raise failures.pop()
        await delete(*arguments)

    monkeypatch.setattr(stored, "delete", racing)
    assert await accounts.delete(database_url, ACME) == 3
    tombstones = [value for _, topic, _, value in await outbox(desk) if value is None]
    assert len(tombstones) == 3


async def test_what_would_go_is_counted(desk: Desk, database_url: str) -> None:
    await furnish(desk, ACME)
    name, counts = await accounts.look(database_url, ACME)
    assert name == "Acme"
    assert counts == {"users": 5, "flows": 1, "tickets": 3, "sessions": 3}


@pytest.mark.parametrize("do", [accounts.look, accounts.delete])
async def test_an_account_that_is_not_there_is_one_sentence(database_url: str, do: Any) -> None:  # noqa: ANN401 - one of two
    with pytest.raises(AccountError, match=f"^there is no account {an_id(0x99)}$"):
        await do(database_url, an_id(0x99))


# -- categories -------------------------------------------------------------------------------


@pytest.fixture
async def staffed(desk: Desk) -> Desk:
    await add_managers(desk, ACME, (OWNER, ADMIN, GONE))
    await desk.connection.execute("update users set deleted_at = $2 where id = $1", GONE, NOW)
    return desk


@pytest.mark.parametrize("actor", [OWNER, ADMIN])
async def test_an_owner_or_admin_changes_the_categories_and_the_trail_says_so(
    staffed: Desk, database_url: str, actor: str
) -> None:
    assert await accounts.set_categories(database_url, ACME, actor, ["email", "n" * 100])
    assert not await accounts.set_categories(database_url, ACME, actor, ["email", "n" * 100])
    assert await accounts.categories(database_url, ACME, actor) == ["email", "n" * 100]
    (entry,) = await staffed.connection.fetch("select * from account_audit")
    assert (str(entry["account_id"]), str(entry["actor_id"])) == (ACME, actor)
    assert json.loads(entry["details"]) == {"before": [], "after": ["email", "n" * 100]}


@pytest.mark.parametrize("actor", [TECH, ENGINEER, GONE, GLOBEX_TECH, an_id(0x99)])
async def test_nobody_else_reads_or_changes_them(
    staffed: Desk, database_url: str, actor: str
) -> None:
    with pytest.raises(AccountError, match=f"^{actor} is no owner or admin of account {ACME}"):
        await accounts.categories(database_url, ACME, actor)
    with pytest.raises(AccountError, match=f"^{actor} is no owner or admin of account {ACME}"):
        await accounts.set_categories(database_url, ACME, actor, ["email"])
    assert await accounts.categories(database_url, ACME, OWNER) == []
    assert await staffed.connection.fetch("select * from account_audit") == []


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["email", ""], "^category 2: .*at least 1 character"),
        (["x" * 101], "^category 1: .*at most 100 characters"),
        (["\0"], "^category 1: "),
        (["\ud800"], "^category 1: "),
        (["email", "email"], "^'email' is there more than once$"),
    ],
)
async def test_a_category_that_is_no_good_changes_nothing(
    staffed: Desk, database_url: str, names: Sequence[str], sentence: str
) -> None:
    with pytest.raises(AccountError, match=sentence):
        await accounts.set_categories(database_url, ACME, OWNER, names)
    assert await staffed.connection.fetch("select * from account_audit") == []


# -- what there is ----------------------------------------------------------------------------


async def furnish(desk: Desk, account: str) -> list[str]:
    """Give an account something in every table; return its sessions."""
    tech, number = (TECH, 0x100) if account == ACME else (GLOBEX_TECH, 0x200)
    engineer, owner, admin, flow, proposal = (an_id(number + one) for one in range(5))
    if account == ACME:
        flow = FLOW
    await add_managers(desk, account, (owner, admin, engineer))
    by = {"account_id": account, "actor_id": tech}
    sessions = [new_id() for _ in range(3)]
    await desk.apply(
        *(start(session, **by) for session in sessions),
        *(notes(session, **by) for session in sessions),
        resolve(sessions[0], **by),
        command("escalate", command_id=new_id(), session_id=sessions[1], **by),
    )
    await desk.connection.execute(
        _BELONGINGS.format(
            account=account,
            resolved=sessions[0],
            escalated=sessions[1],
            active=sessions[2],
            owner=owner,
            engineer=engineer,
            number=number,
            flow=flow,
            proposal=proposal,
        )
    )
    return sessions


# Sessions walk what the account brings along, so that keys have to be gone in time.
_BELONGINGS = """
    update escalations set status = 'claimed', claimed_by = '{engineer}', claimed_at = now()
        where session_id = '{escalated}';
    insert into walk_steps (session_id, position, node_id, question, answer, recorded_at)
        values ('{active}', 1, 'n1', 'Is it on?', 'Yes', now());
    insert into recipients (account_id, reason_category, user_id)
        values ('{account}', 'network', '{engineer}');
    insert into articles (id, account_id, title, body)
        values (gen_random_uuid(), '{account}', 'Mail', 'Rules.');
    insert into ticket_events_heard (account_id, provider, event_id, recorded_at)
        values ('{account}', 'halo', 'e1', now());
    insert into sweeps (command_id, swept_at)
        select command_id, now() from inbox where account_id = '{account}' limit 1;
    insert into parked_sessions (account_id, session_id, parked_at)
        values ('{account}', gen_random_uuid(), now());
    insert into account_audit
        (account_id, actor_id, actor_name, action, details, recorded_at)
        values ('{account}', '{owner}', 'Olga', 'categories.set', '{{}}', now());
    insert into outbox_set_aside (shard, id, topic, key, headers, why)
        values (0, {number}, 'replies', '{resolved}', '', 'too large');
    insert into dead_letters (id, reason, detail, topic, partition, "offset", headers,
        account_id, session_id, command_id, recorded_at)
        values (gen_random_uuid(), 'poison', '', 't', 0, 0, '',
            '{account}', '{active}', gen_random_uuid(), now());
    insert into dead_letter_acts (letter, act, actor, because, acted_at)
        select number, 'replayed', 'Olga', '{active}', now() from dead_letters
        where session_id = '{active}';
    insert into node_requests (request_id, account_id, session_id, version, requested_at)
        values ('{active}', '{account}', '{active}', 2, now());
    insert into served_nodes (session_id, version, node) values ('{active}', 3, '{{}}');
    insert into node_results
        (request_id, account_id, claim_id, holder, claimed_at, claimed_until)
        values ('{active}', '{account}', gen_random_uuid(), 'one', now(), now());
    insert into node_usage (claim_id, request_id, account_id, model, input_tokens, output_tokens,
        cost_microdollars, used_at)
        values (gen_random_uuid(), '{active}', '{account}', 'm', 1, 1, 1, now());
    insert into flows (id, account_id) values ('{flow}', '{account}') on conflict do nothing;
    insert into flow_versions (account_id, flow_id, version, title, start, nodes)
        values ('{account}', '{flow}', 1, 'Mail', 'n1', '{{}}') on conflict do nothing;
    insert into flow_proposals (id, account_id, title, start, nodes)
        values ('{proposal}', '{account}', 'Mail', 'n1', '{{}}');
    insert into proposal_drafts (flow_proposal_id, session_id)
        values ('{proposal}', '{resolved}');
    update sessions set kind = 'flow', flow_id = '{flow}', flow_version = 1
        where id = '{escalated}';
    update sessions set kind = 'proposal', flow_proposal_id = '{proposal}' where id = '{active}';
"""


async def add_managers(desk: Desk, account: str, people: Sequence[str]) -> None:
    """An owner, an admin, and one more, who is an engineer."""
    for person, role in zip(people, ("owner", "admin", "engineer"), strict=True):
        await desk.connection.execute(
            "insert into users (id, account_id, name, email, role)"
            " values ($1, $2, 'Olga', 'o@x', $3)",
            person,
            account,
            role,
        )


async def rows_of(desk: Desk, account: str, sessions: Sequence[str]) -> dict[str, list[str]]:
    """Every row that names the account, its sessions, or a command of it, by table."""
    commands = await desk.connection.fetch(
        "select distinct command_id::text from inbox where account_id = $1", account
    )
    names = [account, *sessions, *(row[0] for row in commands)]
    keys = [session.encode().hex() for session in sessions]
    return {
        table: [
            row[0]
            for row in await desk.connection.fetch(
                f'select t::text from "{table}" t where t::text like any ($1) order by 1',
                [f"%{name}%" for name in (*names, *keys)],
            )
        ]
        for table in (*metadata.tables, "alembic_version")
    }


async def outbox(desk: Desk) -> list[tuple[Any, ...]]:
    rows = await desk.connection.fetch("select id, topic, key, value from outbox order by id")
    return [tuple(row) for row in rows]


async def states(desk: Desk, session_id: str) -> list[bytes | None]:
    """What goes out on session-state about a session, in order."""
    return [
        value
        for _, topic, key, value in await outbox(desk)
        if topic == "session-state" and key == session_id.encode()
    ]
