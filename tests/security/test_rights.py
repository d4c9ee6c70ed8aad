"""What the shipped scripts allow each role, and what they do not."""

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from firstline.check.access import NEEDED as NEEDED_OF_KAFKA
from firstline.check.role import NEEDED
from firstline.looking import ask
from firstline.migrate import migrate
from producers.topics import ALL
from storage.tables import metadata
from tests.builders import ACME
from tests.security.fortress import Fortress
from tests.security.installation import Installation

# -- Kafka ------------------------------------------------------------------------------------

WRITERS = {
    "worker": {name for name, rights in NEEDED_OF_KAFKA.items() if "WRITE" in str(rights)},
    "chat": {"commands.chat"},
    "psa": {"commands.psa"},
    "webhooks": {"ticket-events"},
    "analyst": set(),
    "nobody": set(),
}
READERS = {
    "worker": {name for name, rights in NEEDED_OF_KAFKA.items() if "READ" in str(rights)},
    "chat": {"replies"},
    "psa": {"replies"},
    "webhooks": set(),
    "analyst": {"session-events"},
    "nobody": set(),
}


@pytest.mark.parametrize("user", WRITERS)
async def test_each_writes_to_its_own_topics_alone(
    installation: Installation, guarded: Fortress, user: str
) -> None:
    """The source of a command is the topic: nobody but the worker writes commands.internal."""
    kafka = installation.kafka(guarded.by_login(user))
    producer = AIOKafkaProducer(**kafka.connection())
    await producer.start()
    allowed = set()
    try:
        for topic in sorted(topic.name for topic in ALL):
            try:
                await producer.send_and_wait(kafka.topic(topic), b"not a record of anybody's")
            except TopicAuthorizationFailedError:
                continue
            allowed.add(topic)
    finally:
        await producer.stop()
    assert allowed == WRITERS[user]


@pytest.mark.parametrize("user", READERS)
async def test_each_reads_its_own_topics_alone(
    installation: Installation, guarded: Fortress, user: str
) -> None:
    kafka = installation.kafka(guarded.by_login(user))
    allowed = set()
    for topic in ALL:
        consumer = AIOKafkaConsumer(**kafka.connection(), auto_offset_reset="earliest")
        await consumer.start()
        try:
            consumer.assign([TopicPartition(kafka.topic(topic.name), 0)])
            await consumer.getmany(timeout_ms=300)
        except TopicAuthorizationFailedError:
            continue
        finally:
            await consumer.stop()
        allowed.add(topic.name)
    assert allowed == READERS[user]


async def test_nobody_else_joins_the_workers_group(
    installation: Installation, guarded: Fortress
) -> None:
    kafka = installation.kafka(guarded.by_login("chat"))
    consumer = AIOKafkaConsumer(
        kafka.topic("replies"), **kafka.connection(), group_id=f"{kafka.prefix}worker"
    )
    with pytest.raises(GroupAuthorizationFailedError):
        await consumer.start()
    await consumer.stop()


# -- Postgres ---------------------------------------------------------------------------------

TABLES = sorted({*metadata.tables, "alembic_version"})


async def rights_of(installation: Installation, role: str) -> dict[str, set[str]]:
    """The rights on whole tables and views, by name; "columns" where some may be read."""
    connection = await asyncpg.connect(installation.guarded.postgres.database_url)
    try:
        rows = await connection.fetch(
            """
            select c.relname::text as name, array_agg(p.name) filter (
                where has_table_privilege($1, c.oid, p.name)
            ) as rights
            from pg_class c
            cross join unnest(array[
                'select', 'insert', 'update', 'delete', 'truncate', 'references', 'trigger'
            ]) as p(name)
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'p')
            group by c.relname
            """,
            role,
        )
    finally:
        await connection.close()
    return {row["name"]: set(row["rights"]) for row in rows if row["rights"]}


async def test_the_worker_has_just_the_rights_that_check_asks_for(
    installation: Installation,
) -> None:
    assert await rights_of(installation, "firstline_worker") == {
        name: {"select", *rights} for name, rights in NEEDED.items()
    }


@pytest.mark.parametrize(
    "statement",
    [
        "create table mine (id int)",
        "create temporary table mine (id int)",
        "drop table outbox",
        "alter table inbox add column mine int",
        "truncate audit_log",
        "update audit_log set actor_name = 'nobody'",
        "delete from inbox",
        "delete from sessions",
        "update users set role = 'l1_tech'",
        "insert into accounts (id, name) values (gen_random_uuid(), 'Mine')",
        "create role mine",
        "set role firstline_owner",
    ],
)
async def test_the_worker_may_change_neither_the_schema_nor_the_past(
    installation: Installation, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await once(installation, "worker_1", statement)


@pytest.mark.parametrize("table", TABLES)
async def test_the_reader_writes_nothing(installation: Installation, table: str) -> None:
    for statement in (f"delete from {table}", f"insert into {table} default values"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await once(installation, "rita", statement)


@pytest.mark.parametrize(
    "statement",
    [
        "select reply from inbox",
        "select value from outbox",
        "select value from dead_letters",
        "select email from users",
        "select * from recipients",
    ],
)
async def test_the_reader_sees_no_messages_and_no_addresses(
    installation: Installation, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await once(installation, "rita", statement)


async def test_the_reader_looks_at_sessions_and_views(installation: Installation) -> None:
    url = installation.database_url("rita")
    await ask.queue(url, ACME)
    with pytest.raises(ask.NothingToShow):
        await ask.session(url, ACME)
    for view in ("session_walks", "flow_outcomes", "proposal_outcomes"):
        await once(installation, "rita", f"select * from {view}")


async def test_the_owner_changes_the_schema(installation: Installation) -> None:
    assert await migrate(installation.database_url("ann")) == []
    await once(installation, "ann", "alter table inbox set (fillfactor = 90)")


async def once(installation: Installation, login: str, statement: str) -> None:
    """Run a statement as somebody."""
    connection = await asyncpg.connect(installation.database_url(login))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
