"""The relay does not step over what it deleted before, and passes by nothing that comes late."""

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from storage import intents, outbox
from storage.database import Transaction, autocommit, begin, connect
from storage.floor import Floor
from storage.intents import Bounds, Intent
from storage.outbox import Message


class Hasty(Floor):
    """A floor that rises at once to what was taken last, whoever is still at it."""

    def risen(self, oldest: int, next_id: int | None) -> Floor:
        del oldest, next_id
        return replace(self, id=max(self.id, self.taken))


@dataclass
class Outlet:
    """An outbox, those who stage into it, and somebody who takes and settles."""

    engine: AsyncEngine
    floor: Floor = field(default_factory=Floor)
    number: int = 0
    published: Intent | None = None
    taken: list[bytes] = field(default_factory=list)
    staged: int = 0

    async def stage(self, tx: Transaction) -> bytes:
        self.staged += 1
        value = b"%d" % self.staged
        await outbox.stage(tx, [Message("replies", b"key", value)], 100)
        return value

    async def take(self, most_rows: int = 3) -> list[bytes]:
        """Take what is next, and settle it with the next."""
        async with autocommit(self.engine) as tx:
            intent, self.floor = await intents.take(
                tx, 0, self.number, self.published, self.floor, Bounds(most_rows, 1_000)
            )
        values = [row.message.value or b"" for row in intent.rows] if intent else []
        self.number = intent.number if intent else self.number
        self.published = intent
        self.taken += values
        return values

    async def take_all(self) -> None:
        while await self.take():
            pass


@pytest.fixture
async def outlet(relay_database: tuple[str, AsyncEngine]) -> AsyncIterator[Outlet]:
    url, _ = relay_database
    engine = connect(url, pool_size=8)
    async with begin(engine) as tx:
        await tx.execute("truncate outbox, relay_shards")
        await intents.state(tx, 0)
    yield Outlet(engine)
    await engine.dispose()


async def test_the_floor_rises_to_what_was_taken(outlet: Outlet) -> None:
    assert await rises_to_what_was_taken(outlet)


async def rises_to_what_was_taken(outlet: Outlet) -> bool:
    """Whether it does, of messages that are staged and taken here."""
    async with begin(outlet.engine) as tx:
        for _ in range(5):
            await outlet.stage(tx)
        ((last,),) = await tx.fetch("select max(id) from outbox")
    await outlet.take_all()
    await outlet.take()
    return bool(outlet.floor.id == last)


async def test_a_snapshot_that_somebody_holds_does_not_keep_it_down(outlet: Outlet) -> None:
    async with outlet.engine.connect() as holder:
        await holder.execution_options(isolation_level="REPEATABLE READ")
        await holder.execute(text("select from outbox"))
        assert await rises_to_what_was_taken(outlet)


async def test_neither_do_those_who_are_always_at_it(outlet: Outlet) -> None:
    """Each transaction is open while others begin and end, and is taken from twice."""
    open_: list[AsyncExitStack] = []
    for _ in range(8):
        stack = AsyncExitStack()
        await outlet.stage(await stack.enter_async_context(begin(outlet.engine)))
        open_.append(stack)
        await outlet.take()
        if len(open_) > 1:
            await open_.pop(0).aclose()
    await open_.pop().aclose()
    assert outlet.floor.id > 0


async def test_a_message_that_is_committed_late_is_not_passed_by(outlet: Outlet) -> None:
    """Its id was drawn first, and others went out, again and again, before it appeared."""
    async with begin(outlet.engine) as late:
        value = await outlet.stage(late)
        for _ in range(4):
            async with begin(outlet.engine) as tx:
                await outlet.stage(tx)
            await outlet.take()
            await outlet.take()
    assert await outlet.take() == [value]


async def test_who_stages_has_a_transaction_id_before_a_row_s_is_drawn(outlet: Outlet) -> None:
    """Otherwise it might begin, for the floor, after what was taken meanwhile."""
    asked: list[str] = []
    async with begin(outlet.engine) as tx:
        with tx.driver.query_logger(lambda record: asked.append(record.query)):
            await outlet.stage(tx)
    ours = [query for query in asked if "xact_id" in query or "into outbox" in query]
    assert ["xact_id" in query for query in ours] == [True, False]


async def test_it_comes_before_what_its_session_staged_later(outlet: Outlet) -> None:
    """Though its id is the only one that is missing between two that were taken."""
    async with begin(outlet.engine) as tx:
        taken = [await outlet.stage(tx)]
    async with begin(outlet.engine) as late:
        value = await outlet.stage(late)
        async with begin(outlet.engine) as tx:
            taken.append(await outlet.stage(tx))
        assert await outlet.take() == taken
    async with begin(outlet.engine) as tx:
        later = await outlet.stage(tx)
    assert await outlet.take() == [value, later]


async def test_neither_is_one_that_was_drawn_before_and_appears_while_the_floor_rises(
    outlet: Outlet,
) -> None:
    async with begin(outlet.engine) as late:
        value = await outlet.stage(late)
        async with begin(outlet.engine) as tx:
            await outlet.stage(tx)
        await outlet.take()
        await outlet.take()
    assert await outlet.take() == [value]
    await outlet.take()
    await outlet.take()
    assert outlet.floor.id == outlet.floor.ceiling > outlet.floor.taken


@pytest.mark.parametrize("seed", range(6))
async def test_whoever_commits_in_whatever_order_everything_is_taken(
    outlet: Outlet, seed: int
) -> None:
    assert await _committed_in_disorder(outlet, seed) == sorted(outlet.taken)


async def test_these_tests_would_notice_a_floor_that_does_not_wait(outlet: Outlet) -> None:
    outlet.floor = Hasty()
    assert set(outlet.taken) < set(await _committed_in_disorder(outlet, 1))


async def _committed_in_disorder(outlet: Outlet, seed: int) -> list[bytes]:
    """Stage in transactions that overlap, take meanwhile; return what was committed, sorted."""
    rng = random.Random(seed)
    open_: list[tuple[AsyncExitStack, Transaction, list[bytes]]] = []
    committed: list[bytes] = []
    for _ in range(150):
        match rng.choice(("open", "stage", "stage", "end", "take", "take")):
            case "open" if len(open_) < 5:
                stack = AsyncExitStack()
                open_.append((stack, await stack.enter_async_context(begin(outlet.engine)), []))
            case "stage" if open_:
                _, tx, values = rng.choice(open_)
                values.append(await outlet.stage(tx))
            case "end" if open_:
                stack, tx, values = open_.pop(rng.randrange(len(open_)))
                if rng.random() < 0.8:
                    committed += values
                else:
                    await tx.execute("rollback")
                await stack.aclose()
            case _:
                await outlet.take(rng.randint(1, 4))
    for stack, _, values in open_:
        await stack.aclose()
        committed += values
    await outlet.take_all()
    return sorted(committed)
