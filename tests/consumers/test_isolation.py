"""One bad record stops nobody but its own session, on the real Postgres."""

import hashlib
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.apply import Batch
from consumers.isolate import Defect, halves
from consumers.reasons import Reason
from consumers.records import DeadLetter
from domain.commands import Command
from domain.context import Context
from domain.decide import decide
from domain.decisions import Decision
from domain.sessions import Session
from storage.positions import Partition
from tests.builders import GLOBEX, GLOBEX_TECH, NOW
from tests.consumers.desk import Desk, notes, outcomes, resolve, start
from tests.consumers.wire import CHAT_TOPIC, ARecord, Json, encode, new_id

POISON = "poison"
CANARY = "canary7Q2x"


@pytest.fixture
def _poisonous(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deciding a command whose correlation says so fails for a reason of our own."""

    def failing(session: Session, command: Command, context: Context) -> Decision:
        if command.correlation == POISON:
            raise RuntimeError(CANARY)
        return decide(session, command, context)

    monkeypatch.setattr("consumers.fold.decide", failing)


def poison(session_id: str | None = None, **fields: object) -> Json:
    return start(session_id, **({"correlation": POISON} | fields))


def key(sent: Json) -> tuple[str, str]:
    return (sent["account_id"], sent["session_id"])


PLACES = {
    "alone": [0],
    "first": [0],
    "in the middle": [3],
    "last": [6],
    "first and last": [0, 6],
    "two in a row": [2, 3],
    "every other one": [0, 2, 4, 6],
    "all": list(range(7)),
}


@pytest.mark.usefixtures("_poisonous")
@pytest.mark.parametrize("place", PLACES)
async def test_the_others_are_applied_once_and_in_order(desk: Desk, place: str) -> None:
    size = 1 if place == "alone" else 7
    sent = [poison() if number in PLACES[place] else start() for number in range(size)]
    bad = [sent[number] for number in PLACES[place]]
    good = [one for one in sent if one not in bad]

    applied = await desk.apply(*sent)

    assert (applied.records, applied.repeated) == (size, 0)
    assert applied.letters == {"poison": len(bad)}
    assert await desk.answers() == outcomes(good)
    assert await desk.inbox() == dict(outcomes(good)) | dict.fromkeys(
        one["command_id"] for one in bad
    )
    assert await desk.parked() == {key(one) for one in bad}
    assert await desk.position() == size
    letters = await desk.letters()
    assert [letter["offset"] for letter in letters] == PLACES[place]
    for letter, one in zip(letters, bad, strict=True):
        assert (letter["reason"], letter["status"]) == ("poison", "open")
        assert (letter["value"], letter["key"]) == (encode(one), one["session_id"].encode())
        assert letter["command_id"] == one["command_id"]
        assert letter["detail"] == "RuntimeError"


@pytest.mark.parametrize("place", PLACES)
async def test_what_postgres_refuses_is_isolated_as_well(desk: Desk, place: str) -> None:
    await desk.connection.execute(
        "alter table sessions add constraint odd_check check (ticket_id <> 'odd')"
    )
    size = 1 if place == "alone" else 7
    odd = PLACES[place][:1]
    sent = [start(ticket_id="odd") if number in odd else start() for number in range(size)]

    await desk.apply(*sent)

    assert await desk.answers() == outcomes([one for one in sent if one["ticket_id"] != "odd"])
    (letter,) = await desk.letters()
    assert (letter["reason"], letter["offset"]) == ("poison", odd[0])
    assert letter["detail"] == "CheckViolationError 23514 odd_check"
    assert await desk.parked() == {key(sent[odd[0]])}


@pytest.mark.usefixtures("_poisonous")
async def test_a_dead_letter_says_what_happened_and_quotes_nothing(desk: Desk) -> None:
    one = poison(problem=CANARY)
    await desk.apply(start(), one)

    (headers,) = await desk.letter_messages()
    assert headers["trace"] == b"\xff"
    assert headers["orig_fl_mine"] is None
    assert "fl_mine" not in headers
    assert (headers["fl_reason"], headers["fl_detail"]) == (b"poison", b"RuntimeError")
    assert headers["fl_topic"] == CHAT_TOPIC.encode()
    assert (headers["fl_partition"], headers["fl_offset"]) == (b"0", b"1")
    assert headers["fl_dead_letter_id"]


@pytest.mark.usefixtures("_poisonous")
async def test_later_commands_of_the_session_queue_behind_it_and_others_flow(desk: Desk) -> None:
    before, other = start(), start()
    session = before["session_id"]
    behind = [notes(session), notes(session), resolve(session)]
    theirs = start(session, account_id=GLOBEX, actor_id=GLOBEX_TECH)
    free = notes(other["session_id"])
    bad = notes(session, correlation=POISON)

    await desk.apply(before, other, bad, behind[0], free)
    await desk.apply(behind[1], theirs)
    await desk.apply(start(), behind[2])

    answers = dict(await desk.answers())
    assert answers[before["command_id"]] == "accepted"
    assert answers[free["command_id"]] == "accepted"
    assert answers[theirs["command_id"]] == "session_exists", "another account is not parked"
    letters = await desk.letters()
    assert [letter["reason"] for letter in letters] == ["poison", *["parked"] * 3]
    assert [letter["command_id"] for letter in letters] == [
        one["command_id"] for one in (bad, *behind)
    ]
    assert not answers.keys() & {one["command_id"] for one in (bad, *behind)}
    remembered = await desk.inbox()
    assert [remembered[one["command_id"]] for one in (bad, *behind)] == [None] * 4
    assert await desk.parked() == {key(before)}
    assert await desk.events(session) == ["started"]
    assert await desk.events(other["session_id"]) == ["started", "notes_updated"]


@pytest.mark.usefixtures("_poisonous")
async def test_a_session_stays_parked_whoever_asks_from_whichever_partition(desk: Desk) -> None:
    session = new_id()
    await desk.apply(poison(session))

    await desk.apply(notes(session), partition=1)

    assert [letter["reason"] for letter in await desk.letters()] == ["poison", "parked"]
    assert await desk.answers() == []


@pytest.mark.usefixtures("_poisonous")
async def test_what_is_sent_again_while_it_is_parked_waits_as_well(desk: Desk) -> None:
    """Each of them gets its answer later: the first a first one, the others the same again."""
    session = new_id()
    bad, behind = poison(session), notes(session)
    await desk.apply(bad, behind)

    await desk.apply(bad, behind)
    await desk.apply(behind, behind)

    assert [letter["reason"] for letter in await desk.letters()] == ["poison", *["parked"] * 5]
    assert await desk.answers() == []
    assert await desk.inbox() == {bad["command_id"]: None, behind["command_id"]: None}


@pytest.mark.usefixtures("_poisonous")
async def test_a_parked_id_with_another_value_is_a_reused_one(desk: Desk) -> None:
    session = new_id()
    bad, behind = poison(session), notes(session)
    await desk.apply(bad, behind)

    again = [one | {"correlation": "another"} for one in (bad, behind)]
    elsewhere = start(command_id=behind["command_id"])
    await desk.apply(*again, elsewhere)

    assert await desk.answers() == outcomes([*again, elsewhere], "command_id_reused")
    assert len(await desk.letters()) == 2


@pytest.mark.usefixtures("_poisonous")
async def test_a_poison_with_a_known_id_is_only_a_duplicate(desk: Desk) -> None:
    """It is never decided, so it cannot fail."""
    one = start()
    await desk.apply(one)
    again = one | {"correlation": POISON}

    await desk.apply(one, again)

    assert await desk.answers() == [
        *outcomes([one]),
        *outcomes([one]),
        *outcomes([again], "command_id_reused"),
    ]
    assert await desk.letters() == []


@pytest.mark.usefixtures("_poisonous")
async def test_what_was_isolated_and_comes_back_changes_nothing(desk: Desk) -> None:
    batch = desk.batch(start(), poison(), b"unreadable", None, start())
    first = await desk.applier.apply(batch, NOW)
    before = await desk.counts()

    again = await desk.applier.apply(batch, NOW)

    assert (first.records, first.repeated) == (5, 0)
    assert (again.records, again.repeated, again.messages) == (0, 5, 0)
    assert await desk.counts() == before


@pytest.mark.usefixtures("_poisonous")
async def test_what_cannot_be_read_and_what_is_refused_goes_on_beside_poison(desk: Desk) -> None:
    invalid = start(ticket_kind="odd")
    large = b"x" * 524_289
    good = start()

    await desk.apply(b"{", invalid, poison(), None, large, good)

    assert await desk.answers() == [*outcomes([invalid], "invalid"), *outcomes([good])]
    letters = await desk.letters()
    assert [letter["reason"] for letter in letters] == [
        *("unreadable", "poison", "unreadable", "too_large")
    ]
    *_, told = await desk.letter_messages()
    assert told["fl_size"] == b"524289"
    assert told["fl_sha256"] == hashlib.sha256(large).hexdigest().encode()


async def test_what_cannot_even_be_put_away_is_not_skipped(desk: Desk) -> None:
    """The worker stops before it, and its mended version goes on there."""
    await desk.connection.execute(
        "alter table dead_letters add constraint odd_check check (reason <> 'unreadable')"
    )
    sent = [start(), start()]
    batch = desk.batch(sent[0], b"{", sent[1])
    for _ in range(2):
        with pytest.raises(Defect, match="at 1 cannot be put away"):
            await desk.applier.apply(batch, NOW)
        assert await desk.position() == 1
    await desk.connection.execute("alter table dead_letters drop constraint odd_check")
    await desk.applier.apply(batch, NOW)
    assert await desk.answers() == outcomes(sent)
    assert [letter["reason"] for letter in await desk.letters()] == ["unreadable"]


@pytest.mark.usefixtures("_poisonous")
async def test_poison_in_two_partitions_moves_both_positions(desk: Desk) -> None:
    one, other = desk.batch(start(), poison()), desk.batch(poison(), start(), partition=1)
    both = Batch([*one.items, *other.items], {**one.spans, **other.spans})

    applied = await desk.applier.apply(both, NOW)

    assert (applied.records, applied.letters) == (4, {"poison": 2})
    assert [await desk.position(0), await desk.position(1)] == [2, 2]


async def test_a_topic_that_was_made_anew_may_have_dead_letters_where_the_old_one_had(
    desk: Desk,
) -> None:
    """Its rows are deleted from the positions, as the worker itself says, and offsets repeat."""
    await desk.apply(b"old")
    await desk.connection.execute("delete from positions")
    desk.ends.clear()

    await desk.apply(b"new", start())

    assert len(await desk.answers()) == 1
    assert [letter["value"] for letter in await desk.letters()][-1] == b"new"


@pytest.mark.usefixtures("_poisonous")
async def test_a_log_that_was_cut_is_read_again_past_its_dead_letters(desk: Desk) -> None:
    """Its rows are deleted from the positions, and what is left of it comes again as it was."""
    bad = poison()
    batch = desk.batch(b"old", bad, notes(bad["session_id"]), start())
    await desk.applier.apply(batch, NOW)
    before = await desk.letters()
    await desk.connection.execute("delete from positions")

    await desk.applier.apply(batch, NOW)

    assert await desk.letters() == before
    assert await desk.parked() == {key(bad)}
    assert await desk.position() == 4


async def test_an_empty_stretch_moves_its_position(desk: Desk) -> None:
    """Offsets that hold no record, as of an aborted transaction."""
    await desk.applier.apply(Batch([], {Partition(CHAT_TOPIC, 0): range(7)}), NOW)
    assert await desk.position() == 7


# -- halves -----------------------------------------------------------------------------------


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Records of some partitions, in any mixture, with gaps between and after them."""
    spans: dict[Partition, range] = {}
    queues: list[list[ARecord]] = []
    for number in range(draw(st.integers(1, 3))):
        gaps = draw(st.lists(st.integers(0, 3), min_size=1, max_size=5))
        begin = place = draw(st.integers(0, 100))
        queue = []
        for gap in gaps:
            place += gap
            queue.append(ARecord(None, partition=number, offset=place))
            place += 1
        spans[Partition(CHAT_TOPIC, number)] = range(begin, place + draw(st.integers(0, 3)))
        queues.append(queue)
    items = []
    while any(queues):
        queue = draw(st.sampled_from([queue for queue in queues if queue]))
        items.append(DeadLetter(queue.pop(0), Reason.UNREADABLE, "no value"))
    return Batch(items, spans)


def partition_of(item: DeadLetter) -> Partition:
    return Partition(item.record.topic, item.record.partition)


@settings(max_examples=300, deadline=None)
@given(batches().filter(lambda batch: len(batch.items) > 1))
def test_halves_cover_exactly_what_the_batch_covers(batch: Batch) -> None:
    first, second = halves(batch)

    assert [*first.items, *second.items] == list(batch.items)
    assert first.items
    assert second.items
    for half in (first, second):
        for item in half.items:
            assert isinstance(item, DeadLetter)
            assert item.record.offset in half.spans[partition_of(item)]
    assert joined(first.spans, second.spans) == batch.spans


@settings(max_examples=300, deadline=None)
@given(batches())
def test_halves_of_halves_end_with_single_records(batch: Batch) -> None:
    pieces = [batch]
    while any(len(piece.items) > 1 for piece in pieces):
        pieces = [
            half
            for piece in pieces
            for half in (halves(piece) if len(piece.items) > 1 else (piece,))
        ]

    covered: Mapping[Partition, range] = {}
    for piece in pieces:
        covered = joined(covered, piece.spans)
    assert covered == batch.spans
    assert [piece.items[0] for piece in pieces] == list(batch.items)


def joined(
    one: Mapping[Partition, range], other: Mapping[Partition, range]
) -> dict[Partition, range]:
    """The spans one after the other; where they do not meet, that is an error."""
    found = dict(one)
    for partition, span in other.items():
        if partition in found:
            assert found[partition].stop == span.start
            span = range(found[partition].start, span.stop)  # noqa: PLW2901
        found[partition] = span
    return found
