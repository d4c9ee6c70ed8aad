"""A desk, for each test its own, poison for it, and who works on its dead letters."""

from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from consumers import dead_letter_desk
from domain.commands import Command
from domain.context import Context, Limits
from domain.decide import decide
from domain.decisions import Decision
from domain.sessions import Session
from storage.database import connect
from tests.consumers.desk import Desk, a_desk
from tests.consumers.gate import Gate, gate_before_saving
from tests.consumers.parked import REMEMBERED, Poison
from tests.operators import as_operator


@pytest.fixture
async def desk(database_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with a_desk(database_url, tmp_path) as made:
        yield made


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Gate]:
    """Puts a gate in front of saving a batch."""
    return partial(gate_before_saving, monkeypatch, "consumers.apply")


@pytest.fixture
def _two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No transaction takes more than two dead letters."""
    monkeypatch.setattr("storage.dead_letter_desk.MOST_COMMANDS", 2)


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
