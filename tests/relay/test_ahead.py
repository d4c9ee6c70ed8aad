"""A relay with a backlog reads the next rows while Kafka works on these."""

from collections.abc import Sequence

import pytest

from producers.relay import Relay
from storage import intents, outbox
from storage.database import begin, rehearse
from storage.floor import Floor
from storage.intents import Bounds, Intent, TakenOver
from storage.outbox import Message, Row
from tests.relay.house import SMALL_INTENTS, House

BOUNDS = SMALL_INTENTS.bounds


async def test_the_rows_after_an_intent_are_read_while_it_is_published(house: House) -> None:
    await house.stage(20)
    async with house.relay() as relay:
        assert await relay.relay_once() == 8
        assert ahead(relay) == [*range(8, 16)]
        assert [await relay.relay_once() for _ in range(3)] == [8, 4, 0]
    assert await house.faults() == set()


async def test_what_would_not_fill_an_intent_is_read_when_it_is_taken(house: House) -> None:
    await house.stage(15)
    async with house.relay() as relay:
        await relay.relay_once()
        assert ahead(relay) == []
        await house.stage(1)
        assert await relay.relay_once() == 8
    assert await house.faults() == set()


async def test_a_message_that_was_committed_late_comes_first(house: House) -> None:
    late = Message("session-events", b"late", b"late")
    async with begin(house.engine) as slow:
        await outbox.stage(slow, [late], most_bytes=1_000)
        await house.stage(16)
        async with house.relay() as relay:
            intent = await relay.take()
            assert intent is not None
            assert numbers(intent.rows) == [*range(8)]
    assert (await ahead_of(house, intent))[0].message == late
    async with house.relay() as relay:
        while await relay.relay_once():
            pass
    house.staged.append(late)
    assert await house.faults() == set()


async def test_what_was_settled_is_deleted_before_anything_is_settled_again(house: House) -> None:
    await house.stage(20)
    async with house.relay() as relay:
        for left in (20, 12, 4, 0):
            await relay.relay_once()
            assert await house.waiting() == left
    assert await house.faults() == set()


async def test_the_floor_passes_by_nothing_that_was_committed_after_the_rows_were_read(
    house: House,
) -> None:
    late = Message("session-events", b"late", b"late")
    async with house.relay() as relay:
        async with begin(house.engine) as slow:
            await outbox.stage(slow, [late], most_bytes=1_000)
            await house.stage(24)
            assert [await relay.relay_once() for _ in range(2)] == [8, 8]
            assert ahead(relay) == [*range(16, 24)]
        while await relay.relay_once():
            pass
    house.staged.append(late)
    assert await house.faults() == set()


async def test_bytes_bound_what_is_read_ahead_too(house: House) -> None:
    await house.stage(20)
    async with house.relay() as relay:
        intent = await relay.take()
    assert intent is not None
    assert len(await ahead_of(house, intent, Bounds(rows=8, bytes=20))) == 3


async def test_what_was_read_ahead_is_forgotten_where_another_relay_came_between(
    house: House,
) -> None:
    await house.stage(20)
    async with house.relay() as old:
        await old.relay_once()
        assert len(ahead(old)) == 8
        await house.relay_all()
        with pytest.raises(TakenOver):
            await old.take()
    assert await house.faults() == set()


async def test_what_a_relay_reads_does_not_grow_with_the_backlog(house: House) -> None:
    """Nobody has told the planner of these rows: the table was empty a moment ago.

    Each row is read to be published, and read to be deleted.
    """
    engine = intents.connect_relay(house.database_url)
    async with rehearse(engine) as tx:
        await intents.state(tx, 0)
        await outbox.stage(tx, [Message("ticketing", None, b"{}")] * 5_000, most_bytes=10)
        intent, floor = await intents.take(tx, 0, 0, None, Floor(), BOUNDS)
        assert intent is not None
        ahead = await intents.read_ahead(tx, 0, [intent], floor, BOUNDS)
        assert ahead is not None
        following, floor = await intents.take(tx, 0, 1, intent, floor, BOUNDS, ahead)
        await intents.delete_settled(tx, 0)
        last, _ = await intents.take(tx, 0, 2, following, floor, BOUNDS)
        ((read,),) = await tx.fetch(
            """
            select idx_tup_fetch + seq_tup_read from pg_stat_xact_user_tables
            where relname = 'outbox'
            """
        )
    await engine.dispose()
    assert last is not None
    assert len(intent.rows) == len(ahead.rows) == len(last.rows) == BOUNDS.rows
    assert read == 5 * BOUNDS.rows


async def ahead_of(house: House, intent: Intent, bounds: Bounds = BOUNDS) -> list[Row]:
    """What a relay would read ahead while it publishes the intent."""
    async with begin(house.engine) as tx:
        found = await intents.read_ahead(tx, 0, [intent], Floor(), bounds)
    return [*found.rows] if found else []


def ahead(relay: Relay) -> list[int]:
    """What is in the messages that the relay has read ahead."""
    return numbers(relay.readied.ahead.rows) if relay.readied else []


def numbers(rows: Sequence[Row]) -> list[int]:
    """What is in the messages of the rows."""
    return [int(row.message.value or b"") for row in rows]
