"""Sessions that are parked behind a poison command, and what became of their letters."""

from dataclasses import dataclass, field
from datetime import timedelta

from consumers.dead_letter_desk import Operator
from tests.consumers.desk import Desk, notes, start
from tests.consumers.wire import Json

REMEMBERED = timedelta(days=16)
EVE = Operator("eve", "the fix is out")


@dataclass
class Poison:
    """Commands whose correlation is in ``correlations`` cannot be decided, for now."""

    correlations: set[str] = field(default_factory=lambda: {"poison"})

    def cure(self) -> None:
        self.correlations.clear()


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
