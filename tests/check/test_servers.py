"""Servers that are away, too old, or of another time; and what is said of them at the prompt."""

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo

import pytest
from sqlalchemy import make_url

from firstline.check import Level, check, cluster, database
from firstline.check.clocks import clocks
from firstline.servers import Servers
from tests.check.installations import Installation

SECRET = "correct-horse"


def test_a_kafka_without_static_members_is_too_old() -> None:
    assert cluster.is_too_old({11: 4})
    assert not cluster.is_too_old({11: 5})


async def test_a_kafka_that_does_not_answer_is_wrong(installation: Installation) -> None:
    away = replace(installation, servers=replace(installation.servers, kafka_bootstrap="[::1]:9"))
    found = await away.wrong()
    assert found.startswith("Kafka: does not answer at [::1]:9")
    assert "Postgres: answers" in await away.found(Level.OK)


async def test_a_postgres_that_does_not_answer_is_wrong(installation: Installation) -> None:
    url = f"postgresql://firstline:{SECRET}@127.0.0.1:9/firstline"
    away = replace(installation, servers=Servers(installation.servers.kafka_bootstrap, url))
    found = await away.wrong()
    assert found.startswith("Postgres: does not answer at 127.0.0.1:9/firstline")
    assert "Kafka: answers" in await away.found(Level.OK)


async def test_a_machine_whose_clock_is_off_is_worth_a_warning(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "this machine's agrees with Postgres and Kafka" in await installation.found(Level.OK)

    class AnHourAhead(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + timedelta(hours=1)

    monkeypatch.setattr(database, "datetime", AnHourAhead)
    monkeypatch.setattr(cluster, "datetime", AnHourAhead)
    found = await installation.warnings()
    assert "the clock of Postgres: is 3,600 s behind this machine's" in found
    assert "the clock of Kafka: is 3,600 s behind this machine's" in found


def test_a_few_seconds_are_no_matter_and_an_unknown_clock_is_noted() -> None:
    (kafka, agreeing) = clocks({"Postgres": -4.9, "Kafka": None})
    assert (kafka.level, agreeing.level) == (Level.NOTE, Level.OK)


async def test_the_exit_code_says_whether_anything_is_wrong(installation: Installation) -> None:
    fine = await _firstline("check", "--json", environ=installation.environ())
    told = json.loads(fine.stdout)
    assert (fine.code, told["ok"]) == (0, True)
    assert {finding["level"] for finding in told["findings"]} == {"ok", "warning"}

    await installation.operator.delete(installation.topic("replies"))
    missing = await installation.becomes_wrong("missing")
    spoilt = await _firstline("check", environ=installation.environ())
    assert spoilt.code == 1
    assert f"wrong   {missing}" in spoilt.stdout.splitlines()

    refused = await _firstline("worker", environ=installation.environ())
    assert (refused.code, refused.stdout) == (1, "")
    assert refused.stderr.splitlines() == [f"firstline: {missing}"]


async def test_a_certificate_that_is_not_there_is_told_of(installation: Installation) -> None:
    url = "postgresql://u:p@127.0.0.1:9/x?sslmode=verify-full&sslrootcert=/nowhere/root.crt"
    servers = replace(installation.servers, database_url=url)
    found = await replace(installation, servers=servers).wrong()
    assert found.startswith("Postgres: is not reached without a file that is not there")


async def test_a_postgres_that_is_not_the_one_that_is_asked_for_is_wrong(
    installation: Installation,
) -> None:
    """As where the primary of several servers has gone, and no other is promoted yet."""
    primary = make_url(installation.servers.database_url)
    standby = primary.update_query_dict({"target_session_attrs": "standby"})
    url = standby.render_as_string(hide_password=False)
    servers = replace(installation.servers, database_url=url)
    found = await replace(installation, servers=servers).wrong()
    assert found.startswith(f"Postgres: does not answer at {primary.host}:{primary.port}")
    assert "TargetServerAttributeNotMatched" in found
    environ = {**installation.environ(), "FIRSTLINE_DATABASE_URL": url}
    told = await _firstline("migrate", environ=environ)
    assert (told.code, told.stderr) == (
        1,
        "firstline: Postgres answers TargetServerAttributeNotMatched\n",
    )


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://127.0.0.1:9/firstline?user=u&password={secret}",
        "postgresql://u:p@{secret}@127.0.0.1:9/firstline",
        "postgresql://u:p@host/{secret}@127.0.0.1:9/firstline",
        "postgresql://firstline:{secret}@127.0.0.1:port/firstline",
        "postgresql:/firstline:{secret}",
        "mysql://firstline:{secret}@127.0.0.1:9/firstline",
    ],
)
async def test_a_password_is_never_in_a_finding(installation: Installation, url: str) -> None:
    servers = replace(installation.servers, database_url=url.format(secret=SECRET))
    findings = await check(servers, installation.settings)
    told = "\n".join(one.sentence() for one in findings)
    assert "Postgres: " in told
    assert SECRET not in told


async def test_a_password_is_never_printed(installation: Installation) -> None:
    right = make_url(installation.servers.database_url)
    wrong = right.set(password=SECRET).render_as_string(hide_password=False)
    environ = {**installation.environ(), "FIRSTLINE_DATABASE_URL": wrong}
    told = await _firstline("check", environ=environ)
    assert told.code == 1
    assert "wrong   Postgres: refuses this program at" in told.stdout
    assert SECRET not in told.stdout + told.stderr
    assert "Traceback" not in told.stderr


@dataclass(frozen=True)
class _Told:
    code: int | None
    stdout: str
    stderr: str


async def _firstline(*words: str, environ: dict[str, str]) -> _Told:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "firstline", *words),
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    return _Told(process.returncode, stdout.decode(), stderr.decode())
