"""Dead letters replayed, on the real Postgres."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from consumers import dead_letter_desk
from consumers.dead_letter_rules import LetterStays
from domain.decide import decide
from producers.ids import event_id
from storage import dead_letter_desk as storage_desk
from tests.builders import ACME, ENGINEER, GLOBEX, GLOBEX_TECH, NOW
from tests.consumers.desk import Desk, notes, outcomes, resolve, start
from tests.consumers.parked import (
    EVE,
    REMEMBERED,
    Poison,
    a_parked_session,
    acts,
    bad,
    ids,
    statuses,
)
from tests.consumers.wire import ABSENT, QUESTION, Json, command, encode, new_id


async def test_a_replay_applies_the_poison_and_then_what_waits_behind_it(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    queue, letters = await a_parked_session(desk, None, None)
    session = queue[0]["session_id"]
    poison.cure()

    came = await operator.replay(letters[0], EVE, NOW)

    assert (list(came.answered), came.failed, came.waiting) == (letters, None, 0)
    assert (await desk.answers())[1:] == outcomes(queue)
    assert await desk.events(session) == ["started", *["notes_updated"] * 3]
    assert await desk.inbox() == dict(await desk.answers())
    assert await desk.parked() == set()
    assert await statuses(desk) == [("poison", "replayed"), *[("parked", "replayed")] * 2]
    assert await acts(desk) == [(letter, "replayed", "eve") for letter in letters]
    later = notes(session)
    await desk.apply(later)
    assert (await desk.answer(later["command_id"]))["version"] == 5


async def test_whatever_a_session_goes_through_can_be_replayed(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    """With the rights of an operator, and of each kind of thing that a command reads or writes."""
    await desk.connection.execute(
        "insert into tickets (account_id, kind, id, status) values ($1, 'internal', $2, 'open')",
        ACME,
        ours := new_id(),
    )
    started = do("start_ai_build", category="email")
    request = event_id(started["command_id"], 1)
    await desk.hear(started)
    built = [do("serve_node", [started], request_id=request, actor_id=ABSENT)]
    built.append(do("record_step", built, node_id=QUESTION["id"], option_id="1"))
    built.append(do("resolve", built))
    told = [do("start_adhoc", ticket_kind="internal", ticket_id=ours)]
    told += [do(kind, told) for kind in ("update_notes", "escalate")]
    told += [do(kind, told, actor_id=ENGINEER) for kind in ("claim_escalation", "close_escalation")]
    await replayed(desk, poison, operator, built, told, [do("intake")])

    proposal = await desk.connection.fetchval("select id::text from flow_proposals")
    walked = [do("start_proposal", flow_proposal_id=proposal)]
    walked.append(do("resolve", walked))
    await replayed(desk, poison, operator, walked)
    assert await desk.connection.fetchval("select validated_by_outcome from flow_proposals")
    status = await desk.connection.fetchval("select status from tickets where id = $1", ours)
    assert status == "resolved"


def do(kind: str, before: Sequence[Json] = (), **fields: object) -> Json:
    """A command of the session that was begun before, or of a new one on a ticket of its own."""
    session = before[0]["session_id"] if before else new_id()
    ticket = {} if before else {"ticket_id": f"T-{session}"}
    return command(kind, **{"command_id": new_id(), "session_id": session, **ticket, **fields})


async def replayed(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk, *sessions: list[Json]
) -> None:
    """Apply each session after its first command was poison; each is accepted in the end."""
    poison.correlations.add("poison")
    for first, *others in sessions:
        await desk.hear(first | {"correlation": "poison"}, *others)
    poison.cure()
    for letter in await ids(desk):
        with suppress(LetterStays):  # it went with one before
            await operator.replay(letter, EVE, NOW)
    outcomes = {one["command_id"]: one["outcome"] for one in await desk.replies()}
    sent = [one["command_id"] for session in sessions for one in session]
    assert [outcomes[one] for one in sent] == ["accepted"] * len(sent)
    assert await ids(desk) == []


async def test_a_letter_that_waits_is_replayed_after_those_before_it(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    queue, letters = await a_parked_session(desk, None)
    poison.cure()

    came = await operator.replay(letters[1], EVE, NOW)

    assert list(came.answered) == letters
    assert (await desk.answers())[1:] == outcomes(queue)


@pytest.mark.parametrize("place", [0, 1, 3, 6])
async def test_what_still_fails_keeps_the_session_parked_with_the_new_reason(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk, place: int
) -> None:
    marks: list[str | None] = [None] * 6
    if place:
        marks[place - 1] = "worse"
    queue, letters = await a_parked_session(desk, *marks)
    poison.correlations = {"worse"} if place else {"poison"}

    came = await operator.replay(letters[0], EVE, NOW)

    assert list(came.answered) == letters[:place]
    assert came.failed == (letters[place], "ZeroDivisionError")
    assert came.waiting == 7 - place
    assert (await desk.answers())[1:] == outcomes(queue[:place])
    assert await desk.parked() == {(ACME, queue[0]["session_id"])}
    assert (await statuses(desk))[place:] == [
        ("poison", "open"),
        *[("parked", "open")] * (6 - place),
    ]
    assert (await desk.letters())[place]["detail"] == "ZeroDivisionError"
    assert (await acts(desk))[-1] == (letters[place], "failed", "eve")

    poison.cure()
    await operator.replay(letters[place], EVE, NOW)
    assert (await desk.answers())[1:] == outcomes(queue)
    assert await desk.parked() == set()


async def test_a_session_waits_for_none_of_another_account_s_with_its_id(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    queue, letters = await a_parked_session(desk, None)
    session = queue[0]["session_id"]
    await desk.apply(bad(session, account_id=GLOBEX, actor_id=GLOBEX_TECH))
    poison.cure()

    came = await operator.replay(letters[0], EVE, NOW)

    assert (list(came.answered), came.waiting) == (letters, 0)
    assert await desk.parked() == {(GLOBEX, session)}


async def test_what_is_not_a_letter_s_own_fault_is_tried_again(
    desk: Desk,
    poison: Poison,
    operator: dead_letter_desk.Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue, letters = await a_parked_session(desk, None)
    poison.cure()
    refusals = iter(range(2))

    def deadlocked(*what: Any) -> Any:  # noqa: ANN401 - as it takes it
        for _ in refusals:
            raise asyncpg.DeadlockDetectedError
        return decide(*what)

    monkeypatch.setattr("consumers.fold.decide", deadlocked)
    came = await operator.replay(letters[0], EVE, NOW)

    assert (list(came.answered), came.failed) == (letters, None)
    assert (await desk.answers())[1:] == outcomes(queue)
    assert await acts(desk) == [(letter, "replayed", "eve") for letter in letters]


async def test_a_duplicate_that_waits_gets_the_answer_of_the_first(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    queue, letters = await a_parked_session(desk)
    await desk.apply(queue[0])
    poison.cure()

    await operator.replay(letters[0], EVE, NOW)
    await desk.apply(queue[0])

    answers = [one for one in await desk.replies() if one["command_id"] == queue[0]["command_id"]]
    assert [one["duplicate"] for one in answers] == [False, True, True]
    assert {one["version"] for one in answers} == {2}


async def test_a_command_that_is_refused_by_now_is_answered_so(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    """As where another topic's commands ended the session, or the contract became stricter."""
    begun = start()
    queue = [bad(begun["session_id"]), resolve(begun["session_id"]), notes(begun["session_id"])]
    await desk.apply(begun, *queue)
    await desk.connection.execute(
        "update dead_letters set value = replace(convert_from(value, 'utf-8'),"
        " '\"notes\":[', '\"notes\":7,\"was\":[')::bytea where reason = 'poison'"
    )
    (letter, *_) = await ids(desk)
    poison.cure()

    await operator.replay(letter, EVE, NOW)

    assert (await desk.answers())[1:] == [
        *outcomes(queue[:1], "invalid"),
        *outcomes(queue[1:2]),
        *outcomes(queue[2:], "not_active"),
    ]
    assert await desk.inbox() == dict(outcomes([begun, queue[1]])) | dict(
        outcomes([queue[0], queue[2]], "rejected")
    )


@pytest.mark.usefixtures("_two_at_a_time")
async def test_a_queue_longer_than_a_transaction_is_replayed_in_several(
    desk: Desk,
    poison: Poison,
    operator: dead_letter_desk.Desk,
) -> None:
    queue, letters = await a_parked_session(desk, *[None] * 4)
    poison.cure()

    came = await operator.replay(letters[0], EVE, NOW)

    assert (list(came.answered), came.waiting) == (letters, 0)
    assert (await desk.answers())[1:] == outcomes(queue)


@pytest.mark.usefixtures("_two_at_a_time")
async def test_a_queue_longer_than_a_transaction_is_let_through_as_a_whole(
    desk: Desk,
    poison: Poison,
    operator: dead_letter_desk.Desk,
) -> None:
    queue, letters = await a_parked_session(desk, *[None] * 5)
    del poison

    came = await operator.discard(letters[0], EVE, NOW)

    assert (list(came.answered), came.waiting) == (letters[1:], 0)
    assert (await desk.answers())[2:] == outcomes(queue[1:])


async def test_large_values_are_replayed_one_by_one(
    desk: Desk,
    poison: Poison,
    operator: dead_letter_desk.Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage_desk, "MOST_BYTES", 1)
    queue, letters = await a_parked_session(desk, None)
    poison.cure()

    assert list((await operator.replay(letters[0], EVE, NOW)).answered) == letters
    assert (await desk.answers())[1:] == outcomes(queue)


async def test_what_was_settled_is_not_replayed_again(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    _, letters = await a_parked_session(desk)
    poison.cure()
    await operator.replay(letters[0], EVE, NOW)
    before = await desk.counts()

    with pytest.raises(LetterStays, match="is replayed already"):
        await operator.replay(letters[0], EVE, NOW)
    with pytest.raises(LetterStays, match="is replayed already"):
        await operator.discard(letters[0], EVE, NOW)
    with pytest.raises(LetterStays, match="no dead letter"):
        await operator.replay(new_id(), EVE, NOW)
    assert await desk.counts() == before


@pytest.mark.parametrize("gone", ["the window is over", "the claim is gone"])
async def test_nothing_is_replayed_whose_effect_might_be_repeated(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk, gone: str
) -> None:
    queue, letters = await a_parked_session(desk, None)
    now = NOW
    if gone == "the claim is gone":
        await desk.connection.execute(
            "delete from inbox where command_id = $1", queue[0]["command_id"]
        )
    else:
        now += REMEMBERED + timedelta(seconds=1)
    poison.cure()

    with pytest.raises(LetterStays, match="its effect might be repeated; discard it"):
        await operator.replay(letters[0], EVE, now)

    assert len(await desk.answers()) == 1
    assert await ids(desk) == letters
    assert await acts(desk) == []
    came = await operator.discard(letters[0], EVE, now)
    assert (await desk.answer(queue[0]["command_id"]))["code"] == "discarded"
    assert (came.waiting, "might be repeated" in str(came.left)) == (
        (1, True) if gone == "the window is over" else (0, False)
    )


async def test_what_cannot_be_read_cannot_be_replayed(
    desk: Desk, operator: dead_letter_desk.Desk
) -> None:
    await desk.apply(b"{", b"x" * 524_289)
    unreadable, large = await ids(desk)

    with pytest.raises(LetterStays, match="firstline dead-letters edit"):
        await operator.replay(unreadable, EVE, NOW)
    with pytest.raises(LetterStays, match="too large"):
        await operator.replay(large, EVE, NOW)
    with pytest.raises(LetterStays, match="too large"):
        await operator.edit(large, encode(start()), EVE, NOW)
