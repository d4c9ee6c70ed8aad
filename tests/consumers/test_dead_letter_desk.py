"""Dead letters rehearsed, discarded and edited, on the real Postgres."""

from datetime import timedelta

import pytest

from consumers import dead_letter_desk
from consumers.apply import Batch
from consumers.dead_letter_rules import LetterStays
from consumers.decode_news import decode_news
from storage.positions import Partition
from tests.builders import ACME, GLOBEX, NOW
from tests.consumers.desk import Desk, notes, outcomes, start
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
from tests.consumers.wire import TICKET_TOPIC, ARecord, Json, encode, new_id, said

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
