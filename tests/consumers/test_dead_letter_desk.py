"""Dead letters replayed, discarded and edited, on the real Postgres."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from consumers import dead_letter_desk
from consumers import letters as letters_of
from consumers.apply import Batch
from consumers.dead_letter_desk import Operator
from consumers.dead_letter_rules import LetterStays
from consumers.decode_news import decode_news
from consumers.records import Delivery
from consumers.records import Poison as Poisoned
from consumers.save import save
from domain.commands import Command
from domain.context import Context, Limits
from domain.decide import decide
from domain.decisions import Decision
from domain.sessions import Session
from producers.ids import event_id
from storage import dead_letter_desk as storage_desk
from storage import dead_letters
from storage.database import APPLICATION_NAME, begin, connect
from storage.positions import Partition
from tests.builders import ACME, ENGINEER, GLOBEX, NOW
from tests.consumers.desk import Desk, notes, outcomes, resolve, start
from tests.consumers.test_faults import Gate
from tests.consumers.test_news import said
from tests.consumers.wire import (
    ABSENT,
    QUESTION,
    TICKET_TOPIC,
    ARecord,
    Json,
    command,
    encode,
    new_id,
)
from tests.operators import as_operator
from tests.waiting import until_waiting

REMEMBERED = timedelta(days=16)
EVE = Operator("eve", "the fix is out")


@dataclass
class Poison:
    """Commands whose correlation is in ``correlations`` cannot be decided, for now."""

    correlations: set[str] = field(default_factory=lambda: {"poison"})

    def cure(self) -> None:
        self.correlations.clear()


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> Poison:
    made = Poison()

    def failing(session: Session, command: Command, context: Context) -> Decision:
        if command.correlation in made.correlations:
            raise ZeroDivisionError
        return decide(session, command, context)

    monkeypatch.setattr("consumers.fold.decide", failing)
    return made


@pytest.fixture
async def operator(desk: Desk, database_url: str) -> AsyncIterator[dead_letter_desk.Desk]:
    """Works with the rights that operators are given, and no others."""
    engine = connect(await as_operator(desk.connection, database_url))
    yield dead_letter_desk.Desk(engine, Limits(), REMEMBERED)
    await engine.dispose()


def bad(session: str, correlation: str = "poison", **fields: object) -> Json:
    return notes(session, correlation=correlation, **fields)


async def ids(desk: Desk) -> list[str]:
    """The open letters, in order."""
    rows = await desk.connection.fetch(
        "select id::text from dead_letters where status = 'open' order by number"
    )
    return [row["id"] for row in rows]


async def acts(desk: Desk) -> list[tuple[str, str, str]]:
    """What was done: letter, act and actor."""
    rows = await desk.connection.fetch(
        """
        select d.id::text, a.act, a.actor from dead_letter_acts a
        join dead_letters d on d.number = a.letter order by a.id
        """
    )
    return [tuple(row) for row in rows]


async def statuses(desk: Desk) -> list[tuple[str, str]]:
    return [(one["reason"], one["status"]) for one in await desk.letters()]


async def a_parked_session(desk: Desk, *behind: str | None) -> tuple[list[Json], list[str]]:
    """A session with a poison command and others behind it; the commands and their letters."""
    begun = start()
    session = begun["session_id"]
    queue = [bad(session), *(notes(session, correlation=one) for one in behind)]
    await desk.apply(begun, *queue)
    return queue, await ids(desk)


# -- replay -----------------------------------------------------------------------------------


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


async def test_a_queue_longer_than_a_transaction_is_replayed_in_several(
    desk: Desk,
    poison: Poison,
    operator: dead_letter_desk.Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage_desk, "MOST_COMMANDS", 2)
    queue, letters = await a_parked_session(desk, *[None] * 4)
    poison.cure()

    came = await operator.replay(letters[0], EVE, NOW)

    assert (list(came.answered), came.waiting) == (letters, 0)
    assert (await desk.answers())[1:] == outcomes(queue)


async def test_a_queue_longer_than_a_transaction_is_let_through_as_a_whole(
    desk: Desk,
    poison: Poison,
    operator: dead_letter_desk.Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(storage_desk, "MOST_COMMANDS", 2)
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


# -- rehearsal --------------------------------------------------------------------------------


async def test_a_rehearsal_shows_what_would_come_and_changes_nothing(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    queue, letters = await a_parked_session(desk, None, "worse", None)
    poison.correlations = {"worse"}
    before = (await desk.counts(), await desk.letters(), await desk.inbox())

    came = await operator.rehearse(letters[0], NOW)

    assert (await desk.counts(), await desk.letters(), await desk.inbox()) == before
    assert await acts(desk) == []
    assert list(came.answered) == letters[:2]
    assert came.failed == (letters[2], "ZeroDivisionError")
    assert came.waiting == 2
    assert came.before is not None
    assert came.before.session is not None
    assert came.after is not None
    assert came.after.session is not None
    assert (came.before.session["version"], came.after.session["version"]) == (1, 3)
    topics = [message.topic for message in came.messages]
    assert topics == [*["session-events"] * 2, *["replies"] * 2, "session-state"]
    real = await operator.replay(letters[0], EVE, NOW)
    assert [one.topic for one in real.messages] == topics
    assert (await desk.answers())[1:] == outcomes(queue[:2])


# -- discard ----------------------------------------------------------------------------------


async def test_a_discard_tells_the_sender_and_lets_the_others_through(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    del poison
    queue, letters = await a_parked_session(desk, None, None)

    came = await operator.discard(letters[0], EVE, NOW)

    assert (list(came.answered), came.waiting, came.left) == (letters[1:], 0, None)
    assert (await desk.answers())[1:] == [*outcomes(queue[:1], "discarded"), *outcomes(queue[1:])]
    reply = await desk.answer(queue[0]["command_id"])
    assert (reply["outcome"], reply["version"], reply["session"]["status"]) == (
        *("rejected", 1),
        "active",
    )
    assert await desk.parked() == set()
    assert [status for _, status in await statuses(desk)] == ["discarded", *["replayed"] * 2]
    assert (await acts(desk))[0] == (letters[0], "discarded", "eve")
    await desk.apply(queue[0])
    again = (await desk.replies())[-1]
    assert (again["code"], again["duplicate"]) == ("discarded", True)


async def test_after_a_discard_the_others_stay_behind_the_next_poison(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    queue, letters = await a_parked_session(desk, None, "poison", None)

    came = await operator.discard(letters[0], EVE, NOW)

    assert (list(came.answered), came.waiting) == (letters[1:2], 2)
    assert came.failed == (letters[2], "ZeroDivisionError")
    assert await desk.parked() == {(ACME, queue[0]["session_id"])}

    poison.cure()
    discarded = await operator.discard(letters[3], EVE, NOW)
    assert (list(discarded.answered), discarded.waiting) == ([], 1)
    assert discarded.left == "it was not the first of its queue"
    assert await desk.parked() == {(ACME, queue[0]["session_id"])}


async def test_what_only_repeats_a_command_is_not_discarded_before_it(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    del poison
    queue, letters = await a_parked_session(desk)
    await desk.apply(queue[0])
    (_, repeated) = await ids(desk)

    with pytest.raises(LetterStays, match=f"repeats the command of {letters[0]}"):
        await operator.discard(repeated, EVE, NOW)
    await operator.discard(letters[0], EVE, NOW)

    assert (await desk.answers())[1:] == outcomes([queue[0]] * 2, "discarded")


async def test_what_cannot_be_read_is_discarded_without_an_answer(
    desk: Desk, operator: dead_letter_desk.Desk
) -> None:
    await desk.apply(b"{", b"x" * 524_289)
    letters = await ids(desk)
    for letter in letters:
        await operator.discard(letter, EVE, NOW)
    assert await ids(desk) == []
    assert await desk.answers() == []
    assert await acts(desk) == [(letter, "discarded", "eve") for letter in letters]


async def test_another_account_s_session_shows_nothing_in_the_answer_to_a_discard(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    del poison
    begun = start()
    theirs = bad(begun["session_id"], account_id=GLOBEX)
    await desk.apply(begun, theirs)
    (letter,) = await ids(desk)
    await operator.discard(letter, EVE, NOW)
    reply = await desk.answer(theirs["command_id"])
    assert reply["code"] == "discarded"
    assert "session" not in reply
    assert "version" not in reply


# -- edit -------------------------------------------------------------------------------------


async def test_an_edit_is_applied_by_the_replay_and_keeps_the_command_s_identity(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    """Who sends the original bytes again has sent the same command."""
    queue, letters = await a_parked_session(desk)
    mended = queue[0] | {"correlation": "mended", "notes": [{"text": "mended"}]}

    await operator.edit(letters[0], encode(queue[0] | {"correlation": "first try"}), EVE, NOW)
    await operator.edit(letters[0], encode(mended), EVE, NOW)
    assert len(await desk.answers()) == 1, "the edit waits for the replay"
    await operator.replay(letters[0], EVE, NOW)
    await desk.apply(queue[0])
    await desk.apply(mended)

    replies = [one for one in await desk.replies() if one["command_id"] == queue[0]["command_id"]]
    assert [one.get("code", one["outcome"]) for one in replies] == [
        *("accepted", "accepted"),
        "command_id_reused",
    ]
    assert [one["correlation"] for one in replies[:2]] == ["mended"] * 2
    (event,) = (await desk.messages("session-events", queue[0]["session_id"]))[1:]
    assert event["data"]["notes"] == [{"text": "mended"}]
    assert (await desk.letters())[0]["value"] == encode(queue[0]), "the original stays"
    assert [act for _, act, _ in await acts(desk)] == ["edited", "edited", "replayed"]
    assert poison.correlations == {"poison"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"command_id": new_id()}, "command_id is another"),
        ({"account_id": GLOBEX}, "account_id is another"),
        ({"session_id": new_id()}, "key_mismatch"),
        ({"notes": "none"}, "refused as invalid: notes"),
        ({"type": "serve_node"}, "refused as invalid: type"),
        ({"command_id": "7"}, "cannot be read: command_id"),
    ],
)
async def test_an_edit_that_could_not_be_applied_is_refused(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk, change: Json, why: str
) -> None:
    del poison
    queue, letters = await a_parked_session(desk)
    with pytest.raises(LetterStays, match=why):
        await operator.edit(letters[0], encode(queue[0] | change), EVE, NOW)
    assert await acts(desk) == []


async def test_what_could_not_be_read_is_edited_into_a_command_and_replayed(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    mended = start()
    broken = encode(mended)[:-1]
    await desk.apply(broken)
    await desk.connection.execute("update dead_letters set key = $1", mended["session_id"].encode())
    (letter,) = await ids(desk)
    await operator.edit(letter, encode(mended), EVE, NOW)

    with pytest.raises(LetterStays, match="its effect might be repeated"):
        await operator.replay(letter, EVE, NOW + REMEMBERED + timedelta(seconds=1))
    poison.correlations = {"none"}
    came = await operator.replay(letter, EVE, NOW)

    assert list(came.answered) == [letter]
    assert await desk.answers() == outcomes([mended])
    assert await desk.inbox() == dict(outcomes([mended]))
    assert await statuses(desk) == [("unreadable", "replayed")]


async def test_a_ticket_event_that_could_not_be_read_is_edited_and_heard(
    desk: Desk, operator: dead_letter_desk.Desk
) -> None:
    one = start(ticket_id="10045")
    await desk.apply(one)
    broken = decode_news(ARecord(b"{", b"any", TICKET_TOPIC))
    await desk.applier.apply(Batch([broken], {Partition(TICKET_TOPIC, 0): range(1)}), NOW)
    (letter,) = await ids(desk)

    with pytest.raises(LetterStays, match="cannot be read: event_id"):
        await operator.edit(letter, b"{}", EVE, NOW)
    await operator.edit(letter, encode(said("closed")), EVE, NOW)
    await operator.replay(letter, EVE, NOW)

    (asked,) = await desk.asked()
    assert (asked["type"], asked["session_id"]) == ("end_with_ticket", one["session_id"])
    assert await ids(desk) == []


async def test_what_is_made_readable_does_not_overtake_a_parked_session(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk
) -> None:
    queue, letters = await a_parked_session(desk)
    session = queue[0]["session_id"]
    await desk.apply(b"{")
    (_, letter) = await ids(desk)
    await desk.connection.execute(
        "update dead_letters set key = $1 where id = $2", session.encode(), letter
    )
    late = notes(session)
    await operator.edit(letter, encode(late), EVE, NOW)

    with pytest.raises(LetterStays, match=f"{session}, which is parked"):
        await operator.replay(letter, EVE, NOW)
    poison.cure()
    await operator.replay(letters[0], EVE, NOW)
    await operator.replay(letter, EVE, NOW)

    assert (await desk.answers())[1:] == outcomes([*queue, late])


# -- at the same time -------------------------------------------------------------------------


@pytest.fixture
def replay_gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Stops the first replay as it is about to save."""
    gate = Gate()

    async def gated(*arguments: Any) -> None:  # noqa: ANN401 - those of save
        await gate.wait()
        await save(*arguments)

    monkeypatch.setattr("consumers.replay.save", gated)
    return gate


async def test_commands_that_arrive_during_a_replay_come_after_it(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk, replay_gate: Gate
) -> None:
    """A new one, and one that repeats a command which is being answered."""
    queue, letters = await a_parked_session(desk, None)
    poison.cure()
    later = notes(queue[0]["session_id"])

    replaying = asyncio.ensure_future(operator.replay(letters[0], EVE, NOW))
    await replay_gate.reached.wait()
    applying = asyncio.ensure_future(desk.apply(queue[1], later))
    await until_waiting(desk.connection, APPLICATION_NAME)
    replay_gate.opened.set()
    await asyncio.gather(replaying, applying)

    assert (await desk.answers())[1:] == outcomes([*queue, queue[1], later])
    versions = [reply["version"] for reply in await desk.replies()]
    assert versions == [1, 2, 3, 3, 4]
    assert await desk.parked() == set()
    assert await ids(desk) == []


async def test_a_replay_waits_for_a_batch_that_parks_more_and_takes_it_along(
    desk: Desk,
    poison: Poison,
    operator: dead_letter_desk.Desk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue, letters = await a_parked_session(desk)
    poison.cure()
    later = notes(queue[0]["session_id"])
    gate = Gate()

    async def gated(*arguments: Any) -> None:  # noqa: ANN401 - those of save
        await gate.wait()
        await save(*arguments)

    monkeypatch.setattr("consumers.apply.save", gated)
    applying = asyncio.ensure_future(desk.apply(later))
    await gate.reached.wait()
    replaying = asyncio.ensure_future(operator.replay(letters[0], EVE, NOW))
    await until_waiting(desk.connection, APPLICATION_NAME)
    gate.opened.set()
    await asyncio.gather(replaying, applying)

    assert (await desk.answers())[1:] == outcomes([*queue, later])
    assert await desk.parked() == set()


async def test_poison_that_comes_as_the_session_is_unparked_parks_it_again(
    desk: Desk,
    poison: Poison,
    operator: dead_letter_desk.Desk,
    replay_gate: Gate,
) -> None:
    """From another topic, and from before the session was parked, as far as its batch knows."""
    queue, letters = await a_parked_session(desk)
    session = queue[0]["session_id"]
    poison.correlations = {"worse"}
    worse = Poisoned(delivered(desk.batch(bad(session, "worse"), partition=1)), "Fault")

    replaying = asyncio.ensure_future(operator.replay(letters[0], EVE, NOW))
    await replay_gate.reached.wait()
    parking = asyncio.ensure_future(park(desk, worse))
    await until_waiting(desk.connection, APPLICATION_NAME)
    replay_gate.opened.set()
    await asyncio.gather(replaying, parking)

    assert await desk.parked() == {(ACME, session)}
    assert len(await ids(desk)) == 1


def delivered(batch: Batch) -> Delivery:
    (item,) = batch.items
    assert isinstance(item, Delivery)
    return item


async def park(desk: Desk, poison: Poisoned) -> None:
    async with begin(desk.engine) as tx:
        await dead_letters.save(tx, [letters_of.row(poison)], NOW)


async def test_of_two_operators_one_replays_and_the_other_is_told(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk, replay_gate: Gate
) -> None:
    queue, letters = await a_parked_session(desk, None)
    poison.cure()

    first = asyncio.ensure_future(operator.replay(letters[0], EVE, NOW))
    await replay_gate.reached.wait()
    second = asyncio.ensure_future(operator.discard(letters[0], EVE, NOW))
    await until_waiting(desk.connection, APPLICATION_NAME)
    replay_gate.opened.set()
    await first
    with pytest.raises(LetterStays, match="is replayed already"):
        await second

    assert (await desk.answers())[1:] == outcomes(queue)
    assert [act for _, act, _ in await acts(desk)] == ["replayed"] * 2


DIES_BEFORE_IT_COMMITS = """
import asyncio, os, signal, sys
from datetime import UTC, datetime, timedelta
from consumers import replay
from consumers.dead_letter_desk import Desk, Operator
from domain.context import Limits
from storage.database import connect

real = replay.outbox.stage

async def die(*arguments):
    await real(*arguments)
    os.kill(os.getpid(), signal.SIGKILL)

replay.outbox.stage = die
now = datetime.fromisoformat(sys.argv[3])
desk = Desk(connect(sys.argv[1]), Limits(), timedelta(days=16))
asyncio.run(desk.replay(sys.argv[2], Operator("eve", "the fix is out"), now))
"""


async def test_a_replay_that_is_killed_before_it_commits_did_nothing(
    desk: Desk, poison: Poison, operator: dead_letter_desk.Desk, database_url: str
) -> None:
    queue, letters = await a_parked_session(desk, None)
    before = await desk.counts()
    script = [sys.executable, "-c", DIES_BEFORE_IT_COMMITS]
    killed = await asyncio.create_subprocess_exec(
        *script, database_url, letters[0], NOW.isoformat()
    )
    assert await killed.wait() == -signal.SIGKILL
    assert await desk.counts() == before
    assert await ids(desk) == letters

    poison.cure()
    await operator.replay(letters[0], EVE, NOW)
    assert (await desk.answers())[1:] == outcomes(queue)
