"""A bad deployment stops the worker before it empties a topic into dead letters."""

from datetime import datetime, timedelta

import pytest

from consumers.apply import Batch
from consumers.dead_letter_desk import Desk as LetterDesk
from consumers.dead_letter_desk import Operator
from consumers.isolate import Applier, TooMuchPoison
from domain.context import Limits
from domain.decisions import Decision
from firstline.errors import explain
from tests.builders import NOW
from tests.consumers.desk import Desk, outcomes, start
from tests.consumers.wire import Json

LIMIT = 3
A_DAY = timedelta(days=1)


@pytest.fixture
def bad_deploy(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Nothing can be decided until it is undone."""

    def failing(*_: object) -> Decision:
        raise ZeroDivisionError

    monkeypatch.setattr("consumers.fold.decide", failing)
    return monkeypatch


async def apply(desk: Desk, batch: Batch, now: datetime = NOW, limit: int = LIMIT) -> None:
    await Applier(desk.engine, Limits(), limit).apply(batch, now)


def ten() -> list[Json]:
    return [start() for _ in range(10)]


async def test_the_worker_stops_at_the_limit_with_a_sentence(
    desk: Desk, bad_deploy: pytest.MonkeyPatch
) -> None:
    del bad_deploy
    with pytest.raises(TooMuchPoison) as stopped:
        await apply(desk, desk.batch(*ten()))

    assert len(await desk.letters()) == LIMIT
    assert await desk.position() == LIMIT, "the next command was not touched"
    assert "3 commands could not be applied within a minute" in str(explain(stopped.value))


async def test_starting_it_again_and_again_sets_nothing_more_aside(
    desk: Desk, bad_deploy: pytest.MonkeyPatch
) -> None:
    sent = ten()
    batch = desk.batch(*sent)
    for day in range(3):
        with pytest.raises(TooMuchPoison):
            await apply(desk, batch, NOW + day * A_DAY)
    assert len(await desk.letters()) == LIMIT

    bad_deploy.undo()
    await apply(desk, batch)
    assert await desk.answers() == outcomes(sent[LIMIT:]), "mended, it goes on by itself"


async def test_settling_them_or_a_higher_limit_lets_it_go_on(
    desk: Desk, bad_deploy: pytest.MonkeyPatch
) -> None:
    del bad_deploy
    batch = desk.batch(*ten())
    with pytest.raises(TooMuchPoison):
        await apply(desk, batch)
    with pytest.raises(TooMuchPoison):
        await apply(desk, batch, limit=LIMIT + 1)
    assert len(await desk.letters()) == LIMIT + 1

    rows = await desk.connection.fetch("select id::text from dead_letters")
    acting = LetterDesk(desk.engine, Limits(), A_DAY)
    for row in rows:
        await acting.discard(row["id"], Operator("eve", "a bad deploy"), NOW)
    with pytest.raises(TooMuchPoison):
        await apply(desk, batch)
    assert len(await desk.letters()) == 2 * LIMIT + 1


async def test_what_fails_now_and_then_stops_nobody(
    desk: Desk, bad_deploy: pytest.MonkeyPatch
) -> None:
    del bad_deploy
    for minute in range(10):
        await apply(desk, desk.batch(start()), NOW + minute * timedelta(seconds=61))
    assert len(await desk.letters()) == 10


async def test_what_cannot_be_read_counts_for_nothing(
    desk: Desk, bad_deploy: pytest.MonkeyPatch
) -> None:
    """A sender must not be able to stop the worker."""
    await apply(desk, desk.batch(*[b"{"] * 20, *[b"x" * 524_289] * 3, start()))
    bad_deploy.undo()
    one = start()
    await apply(desk, desk.batch(*[None] * 20, one))
    assert len(await desk.letters()) == 44
    assert await desk.answers() == outcomes([one])
