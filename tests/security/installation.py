"""firstline behind doors, set up by the scripts that are shipped."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from sqlalchemy import make_url

from firstline.load import load_file
from firstline.migrate import migrate
from firstline.servers import Servers
from firstline.settings import Settings
from firstline.topics import create_topics
from producers.kafka import Kafka
from tests.check.work import catalogue
from tests.security.fortress import ROOT, Fortress

DATABASE_PASSWORD = "canary7Q2x-of-postgres"
LOGINS = {
    "ann": "firstline_owner",
    "worker_1": "firstline_worker",
    "olga": "firstline_operator",
    "rita": "firstline_reader",
}


@dataclass(frozen=True)
class Installation:
    guarded: Fortress
    prefix: str
    folder: Path

    def database_url(self, login: str) -> str:
        """The database, as somebody logs in to it."""
        url = make_url(self.guarded.postgres.database_url)
        mine = url.set(username=login, password=DATABASE_PASSWORD)
        return self.guarded.verified(mine.render_as_string(hide_password=False))

    def environ(self, kafka: Mapping[str, str], login: str = "worker_1") -> dict[str, str]:
        """The environment of a program."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("FIRSTLINE_")}
        return {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "FIRSTLINE_TOPIC_PREFIX": self.prefix,
            "FIRSTLINE_DATABASE_URL": self.database_url(login),
            **kafka,
        }

    def settings(self, kafka: Mapping[str, str]) -> Settings:
        given = {
            name.removeprefix("FIRSTLINE_").lower(): value
            for name, value in self.environ(kafka).items()
            if name.startswith("FIRSTLINE_")
        }
        return Settings.model_validate(given)

    def kafka(self, kafka: Mapping[str, str]) -> Kafka:
        """Kafka by a door of it."""
        return self.settings(kafka).kafka(kafka["FIRSTLINE_KAFKA_BOOTSTRAP"])

    def servers(self, kafka: Mapping[str, str]) -> Servers:
        return Servers(kafka["FIRSTLINE_KAFKA_BOOTSTRAP"], self.database_url("worker_1"))


async def install(guarded: Fortress, prefix: str, folder: Path) -> Installation:
    """Set it up in the order that docs/operations.md tells."""
    made = Installation(guarded, prefix, folder)
    allowing = [
        guarded.allow(prefix, *words.split())
        for words in (
            "worker User:worker",
            "chat User:chat",
            "psa User:psa",
            "ticket-events User:webhooks",
            "reader User:analyst session-events analysts",
        )
    ]
    inside = Kafka(guarded.inside, prefix)
    await create_topics(inside, partitions=1, replication=1, retention_days=14)
    await _as_superuser(guarded, roles())
    for login, role in LOGINS.items():
        await _as_superuser(
            guarded, f"create role {login} login password '{DATABASE_PASSWORD}' in role {role}"
        )
    await migrate(made.database_url("ann"))
    await _as_superuser(guarded, roles())
    await load_file(catalogue(folder), made.database_url("ann"))
    assert [await asyncio.to_thread(one.wait) for one in allowing] == [0] * len(allowing)
    return made


def roles() -> str:
    """The script as psql would run it."""
    return (ROOT / "ops/postgres-roles.sql").read_text()


async def _as_superuser(guarded: Fortress, statements: str) -> None:
    connection = await asyncpg.connect(guarded.postgres.database_url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()
