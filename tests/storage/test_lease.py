"""A lease is one process's, as long as that gives signs of life and Postgres hears them."""

import asyncio

import asyncpg
import pytest

from storage import lease
from storage.lease import Lease, try_lease
from tests.muted import muted

NAME = "the relay of shard 0"


async def taken(database_url: str) -> Lease:
    held = await try_lease(database_url, NAME)
    assert held is not None
    return held


async def test_a_lease_is_had_by_one_until_it_is_given_up(database_url: str) -> None:
    first = await taken(database_url)
    assert await try_lease(database_url, NAME) is None
    other = await try_lease(database_url, "another")
    assert other is not None
    await other.release()
    await first.release()
    second = await taken(database_url)
    await second.release()


async def test_who_stands_still_has_lost_it_after_five_seconds(database_url: str) -> None:
    """The tests below do not wait for so long."""
    held = await taken(database_url)
    for name in ("idle_session_timeout", "idle_in_transaction_session_timeout"):
        assert await held.connection.fetchval(f"show {name}") == "5s"
    await held.release()


async def test_who_gives_no_sign_of_life_loses_the_lease(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(lease._SETTINGS, "idle_session_timeout", "300ms")
    silent = await taken(database_url)
    async with asyncio.timeout(20):
        while (other := await try_lease(database_url, NAME)) is None:
            pass
        await silent.hold()
    await other.release()


async def test_who_gives_signs_of_life_keeps_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(lease._SETTINGS, "idle_session_timeout", "2s")
    monkeypatch.setattr(lease, "_HEARTBEAT_SECONDS", 0.1)
    held = await taken(database_url)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(held.hold(), 3)
    assert await try_lease(database_url, NAME) is None
    await held.release()


async def test_who_hears_nothing_of_postgres_has_lost_it(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Postgres gives it to another, so that two hold it for as short as can be."""
    monkeypatch.setattr(lease, "_HEARTBEAT_SECONDS", 0.1)
    async with muted(database_url) as (url, silent):
        held = await taken(url)
        holding = asyncio.ensure_future(held.hold())
        silent.set()
        await asyncio.wait_for(holding, 20)
        held.connection.terminate()


async def test_giving_it_up_takes_its_time_where_postgres_does_not_answer_and_no_longer(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "RELEASE_SECONDS", 0.1)
    async with muted(database_url) as (url, silent):
        held = await taken(url)
        silent.set()
        await asyncio.wait_for(held.release(), 20)
        assert held.connection.is_closed()


async def test_a_lease_whose_server_goes_away_is_lost(database_url: str) -> None:
    held = await taken(database_url)
    server = await asyncpg.connect(database_url)
    await server.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid = $1",
        held.connection.get_server_pid(),
    )
    await asyncio.wait_for(held.hold(), 20)
    await server.close()
    await (await taken(database_url)).release()
