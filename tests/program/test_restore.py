"""Restoring a dump, as a drill: docs/operations.md tells people to do what is done here.

With the programs that Postgres itself brings. `DRILL_SEED` repeats the commands of a run.
"""

import os
import secrets
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from firstline.servers import Servers, find_postgres
from tests.outside.checker import World, check
from tests.outside.client import WRITTEN_BY_FIRSTLINE, Client
from tests.outside.desk import Shipment, a_day
from tests.outside.look import look, wait_for_rest
from tests.outside.program import Installation, NewInstallation
from tests.outside.wire import Record, read_command

SESSIONS = 32
SHOWN = 20

pytestmark = pytest.mark.timeout(240)

_IDENTITY: Mapping[str, Callable[[Record], object]] = {
    "replies": lambda record: record.json["command_id"],
    "node-requests": lambda record: record.json["request_id"],
}
"""What a message is known by, on topics whose messages are no CloudEvents."""


@dataclass(frozen=True, slots=True)
class Drill:
    """What there was to be seen: after a cold dump, before and after a live one was restored."""

    seed: int
    cold: World
    before: World
    after: World


@pytest.fixture(scope="module")
def drill(servers: Servers, new_installation: NewInstallation) -> Iterator[Drill]:
    """Go through both restores, one after the other, with commands coming in all the time."""
    _need_a_pg_dump_for(servers.database_url)
    seed = int(os.environ.get("DRILL_SEED") or secrets.randbelow(10**6))
    first, second, third, fourth = _four_parts(seed)
    with new_installation() as original:
        client = Client(original.kafka_bootstrap, original.prefix)

        # A dump with worker and relay stopped, wherever they were.
        original.start()
        _send(client, first)
        _stop(original)
        dump = _dump(original, original.folder / "cold.dump")
        _send(client, second)
        restored = _restore(original, dump, "cold")
        restored.start()
        wait_for_rest(restored)
        cold = look(restored)

        # A dump while they are at work, and more work after it.
        _send(client, third)
        dump = _dump(restored, original.folder / "live.dump")
        _send(client, fourth)
        wait_for_rest(restored)
        _stop(restored)
        before = look(restored)
        back = _restore(restored, dump, "live")
        back.start()
        wait_for_rest(back)
        _stop(back)
        yield Drill(seed, cold, before, look(back))
        client.close()
        for used in (restored, back):
            _drop(servers.database_url, used.database_url)


def test_after_a_dump_of_what_stood_still_nothing_is_lost_and_nothing_repeated(
    drill: Drill,
) -> None:
    assert check(drill.cold)[:SHOWN] == [], f"DRILL_SEED={drill.seed}"


def test_after_a_dump_of_what_ran_the_same_is_there_as_before(drill: Drill) -> None:
    assert check(drill.before)[:SHOWN] == [], f"DRILL_SEED={drill.seed}"
    for table in ("sessions", "walk_steps", "session_notes", "escalations", "inbox"):
        rows = [sorted(map(repr, world.rows[table])) for world in (drill.before, drill.after)]
        assert rows[0] == rows[1], f"{table}, DRILL_SEED={drill.seed}"


def test_what_it_repeats_carries_the_same_ids(drill: Drill) -> None:
    for topic in sorted({*WRITTEN_BY_FIRSTLINE} - {"session-state"}):
        before, after = (
            {_identity(record) for record in world.by_topic.get(topic, [])}
            for world in (drill.before, drill.after)
        )
        assert after == before, f"{topic}, DRILL_SEED={drill.seed}"


def test_the_latest_states_are_the_same_again(drill: Drill) -> None:
    """Those in between depend on which commands were in one batch."""
    before, after = (
        {
            record.key: (record.json["version"], record.json["status"])
            for record in world.by_topic["session-state"]
        }
        for world in (drill.before, drill.after)
    )
    assert after == before


def test_the_live_dump_was_older_than_some_of_the_work(drill: Drill) -> None:
    """Or else the tests above would show nothing."""
    assert len(drill.after.by_topic["replies"]) > len(drill.before.by_topic["replies"])


def test_who_leaves_out_what_was_there_before_sees_every_invariant_hold(drill: Drill) -> None:
    """Which is what the contract tells consumers to do with ids, and with a state's version."""
    seen: set[tuple[str, object]] = set()
    newest: dict[bytes | None, int] = {}
    records = []
    for record in sorted(drill.after.records, key=lambda record: record.place):
        if record.topic == "session-state":
            version = record.json["version"]
            new = version > newest.get(record.key, 0)
            newest[record.key] = max(version, newest.get(record.key, 0))
        else:
            known_by = record.topic, _identity(record)
            new = known_by not in seen
            seen.add(known_by)
        if new:
            records.append(record)
    assert check(replace(drill.after, records=records))[:SHOWN] == []


# -- the drill's steps -------------------------------------------------------------------------


def _dump(installation: Installation, file: Path) -> Path:
    _run("pg_dump", "--format=custom", f"--file={file}", f"--dbname={installation.database_url}")
    return file


def _restore(installation: Installation, dump: Path, name: str) -> Installation:
    """The same installation, on a new database made of the dump."""
    url = make_url(installation.database_url)
    restored = url.set(database=f"{url.database}_{name}").render_as_string(hide_password=False)
    with psycopg.connect(installation.database_url, autocommit=True) as connection:
        connection.execute(
            sql.SQL("create database {}").format(sql.Identifier(f"{url.database}_{name}"))
        )
    _run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={restored}", str(dump))
    return replace(installation, database_url=restored, worker=None)


def _drop(maintenance_url: str, url: str) -> None:
    with psycopg.connect(maintenance_url, autocommit=True) as connection:
        drop = sql.SQL("drop database {} with (force)")
        connection.execute(drop.format(sql.Identifier(str(make_url(url).database))))


def _run(program: str, *arguments: str) -> str:
    place = find_postgres(os.environ).folder / program
    done = subprocess.run(
        [str(place), *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _need_a_pg_dump_for(database_url: str) -> None:
    """An older pg_dump refuses a newer server."""
    binaries = find_postgres(os.environ)
    with psycopg.connect(database_url) as connection:
        major = connection.info.server_version // 10_000
    for program in ("pg_dump", "pg_restore"):
        if not (binaries.folder / program).exists():
            pytest.skip(f"no restore was tried: there is no {program} in {binaries.folder}")
    if binaries.major < major:
        pytest.skip(f"no restore was tried: pg_dump is {binaries.major}, the server is {major}")


# -- what is sent, and what is seen ------------------------------------------------------------


def _four_parts(seed: int) -> list[Sequence[Shipment]]:
    """A day's sessions that have their tickets to themselves, each record once.

    Who of two gets a ticket first may be another after a live dump: their order is that of two
    topics or partitions.
    """
    day = a_day(seed, SESSIONS)
    shipments = [
        one
        for one in dict.fromkeys(day.shipments)
        if one.key in day.smooth and read_command(one.value) is not None
    ]
    size = -(-len(shipments) // 4)
    return [shipments[start : start + size] for start in range(0, len(shipments), size)]


def _send(client: Client, shipments: Sequence[Shipment]) -> None:
    for shipment in shipments:
        client.send(shipment.value, shipment.source, key=shipment.key)
    client.flush()


def _stop(installation: Installation) -> None:
    assert installation.worker is not None
    assert installation.worker.stop() == 0


def _identity(record: Record) -> object:
    if record.topic not in WRITTEN_BY_FIRSTLINE or record.topic == "dead-letters":
        return record.place
    return _IDENTITY.get(record.topic, _event_id)(record)


def _event_id(record: Record) -> object:
    return record.json["id"]
