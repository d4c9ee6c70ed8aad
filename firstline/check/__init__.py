"""What is wrong with an installation, in plain words, and what to do about it.

Nothing is written: neither to Kafka nor to Postgres.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from aiokafka.errors import KafkaConnectionError, KafkaError
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from firstline.check.access import GROUPS, access
from firstline.check.clocks import clocks
from firstline.check.cluster import (
    OLDEST_KAFKA,
    Cluster,
    KafkaTooOld,
    connected,
    read_cluster,
    read_topics,
)
from firstline.check.database import clock, encryption, schema, version
from firstline.check.encryption import kafka_encryption
from firstline.check.findings import Finding, Level, ok, wrong
from firstline.check.layout import layout, retention, uneven
from firstline.check.progress import positions, waiting
from firstline.check.role import role
from firstline.door import why
from firstline.servers import Servers
from firstline.servers.addresses import POSTGRES_FORM
from firstline.settings import Settings
from producers.kafka import Kafka
from producers.topics import ALL
from storage.faults import OF_THE_DRIVER, describe

__all__ = ["Finding", "Level", "NotReady", "check", "preconditions"]

_CONNECT_SECONDS = 5.0
_KAFKA_SECONDS = 20.0


class NotReady(Exception):
    """Working now would break the promise; the message says why, and what to do."""


async def check(servers: Servers, settings: Settings) -> list[Finding]:
    """Look at everything; a server that does not answer hides what it would have told."""
    kafka = settings.kafka(servers.kafka_bootstrap)
    cluster, told = await _look_at_kafka(kafka, settings)
    told += await _look_at_postgres(servers.database_url, kafka, cluster)
    return told


async def preconditions(servers: Servers, settings: Settings) -> None:
    """Make sure that a worker or a relay which starts now can keep the promise.

    Topics are there and evenly partitioned, the inbox remembers for as long as Kafka keeps, the
    schema is this program's. Raises `NotReady` with everything that is not so, and what
    connecting raises. Takes a few hundredths of a second.
    """
    kafka = settings.kafka(servers.kafka_bootstrap)
    connection = await asyncpg.connect(servers.database_url, timeout=10)
    try:
        found = [await schema(connection)]
    finally:
        await connection.close(timeout=2)
    try:
        async with connected(kafka) as client:
            topics, hidden = await read_topics(client, [kafka.topic(topic.name) for topic in ALL])
    except KafkaTooOld:
        raise NotReady(_too_old(kafka).sentence()) from None
    lacking = [kafka.topic(one.name) for one in ALL if kafka.topic(one.name) not in topics]
    missing = [name for name in lacking if name not in hidden]
    if missing:
        found.append(wrong(", ".join(missing), "missing", "run `firstline topics`"))
    found += [*uneven(kafka, topics), *retention(kafka, topics, settings.inbox_days)]
    faults = [finding.sentence() for finding in found if finding.level is Level.WRONG]
    if faults:
        raise NotReady("\n".join(faults))


async def _look_at_kafka(kafka: Kafka, settings: Settings) -> tuple[Cluster | None, list[Finding]]:
    try:
        async with asyncio.timeout(_KAFKA_SECONDS), connected(kafka) as client:
            cluster = await read_cluster(
                client,
                kafka,
                [topic.name for topic in ALL],
                groups=[f"{kafka.prefix}{name}" for name in GROUPS],
                transactional_id=f"{kafka.prefix}relay-0",
            )
    except KafkaTooOld:
        return None, [_too_old(kafka)]
    except (KafkaError, OSError, TimeoutError, ValueError) as error:
        says = f"does not answer at {kafka.bootstrap} ({type(error).__name__})"
        todo = "start it, or mend FIRSTLINE_KAFKA_BOOTSTRAP"
        if isinstance(error, KafkaConnectionError):
            todo += f": {await why(kafka)}"
        return None, [wrong("Kafka", says, todo)]
    return cluster, [
        ok("Kafka", f"answers at {kafka.bootstrap}, brokers: {cluster.brokers}"),
        *kafka_encryption(kafka),
        *layout(kafka, cluster.topics, cluster.hidden, settings.inbox_days),
        *access(kafka, cluster),
    ]


async def _look_at_postgres(
    database_url: str, kafka: Kafka, cluster: Cluster | None
) -> list[Finding]:
    address = _address(database_url)
    todo = "start it, or mend FIRSTLINE_DATABASE_URL"
    try:
        async with _postgres(database_url) as connection:
            return await _postgres_findings(connection, kafka, cluster)
    except (asyncpg.ClientConfigurationError, ValueError):
        says, todo = f"has no address that is {POSTGRES_FORM}", "mend FIRSTLINE_DATABASE_URL"
    except FileNotFoundError:
        says = "is not reached without a file that is not there: a certificate, or its socket"
        todo = "mend FIRSTLINE_DATABASE_URL"
    except asyncpg.PostgresError as error:
        says = f"refuses this program at {address} ({describe(error)})"
    except (OSError, TimeoutError, *OF_THE_DRIVER, KafkaError) as error:
        says = f"does not answer at {address} ({describe(error)})"
    return [wrong("Postgres", says, todo), *clocks(_kafka_clock(cluster))]


async def _postgres_findings(
    connection: asyncpg.Connection, kafka: Kafka, cluster: Cluster | None
) -> list[Finding]:
    """What Postgres tells; tables are only read where they are there and may be read."""
    found = [
        version(connection.get_server_version().major),
        *await encryption(connection),
        *clocks({"Postgres": await clock(connection), **_kafka_clock(cluster)}),
        await schema(connection),
    ]
    if found[-1].level is Level.OK:
        found += await role(connection)
    if any(finding.level is Level.WRONG for finding in found):
        return found
    if cluster is not None:
        counts = {name: facts.partitions for name, facts in cluster.topics.items()}
        found += await positions(connection, kafka, counts)
    return [*found, *await waiting(connection, kafka.prefix)]


def _kafka_clock(cluster: Cluster | None) -> dict[str, float | None]:
    return {} if cluster is None else {"Kafka": cluster.clock}


@asynccontextmanager
async def _postgres(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(
        database_url,
        server_settings={
            "application_name": "firstline-check",
            "default_transaction_read_only": "on",
            "statement_timeout": "20s",
        },
        timeout=_CONNECT_SECONDS,
    )
    try:
        yield connection
    finally:
        await connection.close(timeout=2)


def _too_old(kafka: Kafka) -> Finding:
    says = f"at {kafka.bootstrap} is older than {OLDEST_KAFKA}, the oldest that will do"
    return wrong("Kafka", says, "upgrade it")


def _address(database_url: str) -> str:
    """Host, port and database: the rest may hold a password, in more than one place."""
    try:
        url = make_url(database_url)
    except (ArgumentError, ValueError):
        return "an address that cannot be read"
    where = f"{url.host or 'localhost'}:{url.port or 5432}/{url.database or ''}"
    # What stands before it is of a password that holds such a sign as it is, and not as %40.
    return "an address with more than one @, which a password has as %40" if "@" in where else where
