"""A real database that can be cleared, and a process in front of it that can be killed.

What dies is simulated by an exception that nothing catches; that it comes before or after Postgres
has committed, and whether anybody learned of the commit, is all that tells one death from another.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeVar

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.flows import EscalateEnd, Node, Question, leads_to
from domain.tickets import Ticket
from producers import relay as relays
from storage import database
from storage.database import Transaction
from tests.builders import ACME, GLOBEX, MAIL
from tests.model.world import (
    ARCHIVED_FLOW,
    ARTICLE,
    ENGINEER,
    FLOW,
    FLOW_VERSIONS,
    FORMER,
    PROPOSALS,
    TICKETS,
    USERS,
)
from tests.operators import as_operator
from tests.waiting import waiting

Result = TypeVar("Result")


class Killed(BaseException):
    """The process dies here."""


class AnswerLost(OSError):
    """The connection is gone before Postgres could say that it committed."""


class Death(Enum):
    """When a process dies, seen from a commit or from a publication."""

    BEFORE = auto()
    AFTER = auto()
    ANSWER_LOST = auto()


@dataclass(slots=True)
class Fuse:
    """A death that comes with the ``count``-th of several things."""

    death: Death
    count: int = 1

    def burn(self) -> Death | None:
        """The death, where this is the one that it comes with."""
        self.count -= 1
        return self.death if self.count == 0 else None

    @property
    def burnt(self) -> bool:
        return self.count <= 0


@dataclass(slots=True)
class Gate:
    """Where the first transaction that wants to commit stands still until it is let through."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def stand_still(self) -> None:
        """Wait, whoever comes first."""
        if not self.reached.is_set():
            self.reached.set()
            await self.open.wait()


class Bench:
    """One database, engines for the program under test, and a connection of our own.

    ``operators`` is for those who work on dead letters, and may do no more than they need to.
    """

    def __init__(self, database_url: str) -> None:
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.at_commit: Fuse | None = None
        self.gate: Gate | None = None
        self.connection: asyncpg.Connection = self.run(asyncpg.connect(database_url))
        self.engine = database.connect_by_key(database_url)
        self.operators = database.connect(self.run(as_operator(self.connection, database_url)))
        self._commit_indeed = database._commit
        database._commit = self._commit
        self._autocommit_indeed = database.autocommit
        relays.autocommit = self._autocommit  # type: ignore[attr-defined]
        self.run(_fill(self.connection))

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run to the end in an event loop of our own."""
        return self._runner.run(work)

    async def at_once(
        self, first: Awaitable[Result], second: Awaitable[Result]
    ) -> list[Result | BaseException]:
        """Have the second go as far as it can while the first is about to commit; return both."""
        self.gate = gate = Gate()
        works = [asyncio.ensure_future(first)]
        reached = asyncio.ensure_future(gate.reached.wait())
        await asyncio.wait({*works, reached}, return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        works.append(asyncio.ensure_future(second))
        while not works[1].done() and not await waiting(self.connection):
            pass
        gate.open.set()
        outcomes = await asyncio.gather(*works, return_exceptions=True)
        self.gate = None
        return outcomes

    def clear(self) -> None:
        """Leave nothing in the database but what it began with."""
        self.at_commit = None
        self.run(_clear(self.connection))

    def close(self) -> None:
        database._commit = self._commit_indeed
        relays.autocommit = self._autocommit_indeed  # type: ignore[attr-defined]
        self.run(self.connection.close())
        for engine in (self.engine, self.operators):
            self.run(engine.dispose())
        self._runner.close()

    async def _commit(self, driver: asyncpg.Connection) -> None:
        """Commit, but for the death that comes with it."""
        if self.gate is not None:
            await self.gate.stand_still()
        with self._death():
            await self._commit_indeed(driver)

    @asynccontextmanager
    async def _autocommit(self, engine: AsyncEngine) -> AsyncIterator[Transaction]:
        """Have the statements of the block commit, but for the death that comes with it."""
        async with self._autocommit_indeed(engine) as tx:
            with self._death():
                yield tx

    @contextmanager
    def _death(self) -> Iterator[None]:
        """Die before the block commits or after it, or lose the answer, where the fuse says so."""
        death = self.at_commit and self.at_commit.burn()
        if death is Death.BEFORE:
            raise Killed
        yield
        if death is Death.AFTER:
            raise Killed
        if death is Death.ANSWER_LOST:
            raise AnswerLost


def _stored(node: Node) -> dict[str, object]:
    """The node as a catalogue has it."""
    kinds = {"ResolveEnd": "resolve", "EscalateEnd": "escalate"}
    kind = type(node).__name__
    stored: dict[str, object] = {"type": kinds.get(kind, kind.lower()), "text": node.text}
    if isinstance(node, Question):
        options = [{"id": one.id, "label": one.label, "next": one.next} for one in node.options]
        return stored | {"options": options}
    if isinstance(node, EscalateEnd):
        return stored | {"reason_category": node.reason_category}
    following = list(leads_to(node))
    return stored | ({"next": following[0]} if following else {})


NODES = json.dumps({name: _stored(node) for name, node in MAIL.nodes.items()})


async def _fill(connection: asyncpg.Connection) -> None:
    """What accounts bring along: users, recipients, flows, proposals."""
    await connection.executemany(
        "insert into accounts (id, name, default_recipients) values ($1, 'An account', $2)",
        [(ACME, ["oncall@acme.example"]), (GLOBEX, [])],
    )
    await connection.executemany(
        """
        insert into users (id, account_id, name, email, role, l1_coverage, deleted_at)
        values ($1, $2, $3, $4, $5, $6, case when $7 then now() end)
        """,
        [
            (
                user.id,
                user.account_id,
                user.name,
                f"{user.name.lower()}@acme.example",
                user.role,
                user.l1_coverage,
                user.deleted,
            )
            for user in USERS
        ],
    )
    await connection.executemany(
        "insert into recipients (account_id, reason_category, user_id) values ($1, $2, $3)",
        [(ACME, "network", ENGINEER), (ACME, "network", FORMER), (ACME, "fire", FORMER)],
    )
    await connection.executemany(
        "insert into flows (account_id, id, archived) values ($1, $2, $3)",
        [*((*key, False) for key in FLOW_VERSIONS), (ACME, ARCHIVED_FLOW, True)],
    )
    await connection.executemany(
        """
        insert into flow_versions (account_id, flow_id, version, title, start, nodes)
        values ($1, $2, $3, 'Mail', 'n1', $4)
        """,
        [
            *((*key, version, NODES) for key, version in FLOW_VERSIONS.items()),
            (ACME, FLOW, 1, '{"n1": {"type": "resolve", "text": "Gone."}}'),
            (ACME, ARCHIVED_FLOW, 1, NODES),
        ],
    )
    await connection.executemany(
        """
        insert into flow_proposals (account_id, id, title, start, nodes)
        values ($1, $2, 'An idea', 'n1', $3)
        """,
        [(*key, NODES) for key in sorted(PROPOSALS)],
    )
    await connection.execute(
        """
        insert into articles (account_id, id, title, body)
        values ($1, $2, 'Printers', 'What to do when the printer burns.')
        """,
        ACME,
        ARTICLE,
    )


async def _clear(connection: asyncpg.Connection) -> None:
    await connection.execute(
        """
        delete from sessions; delete from audit_log; delete from positions; delete from inbox;
        delete from dead_letters; delete from parked_sessions; delete from outbox;
        delete from relay_shards; delete from tickets;
        update flow_proposals set validated_by_outcome = false where validated_by_outcome;
        """
    )
    await connection.executemany(
        "insert into tickets (account_id, kind, id, status) values ($1, $2, $3, $4)",
        [_ticket(account_id, ticket) for (account_id, _), ticket in TICKETS.items()],
    )


def _ticket(account_id: str, ticket: Ticket) -> tuple[str, str, str, str]:
    return account_id, ticket.ref.kind, ticket.ref.id, ticket.status
