"""What the shipped scripts allow each role, and what they do not."""

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError

from firstline.check.access import NEEDED as NEEDED_OF_KAFKA
from firstline.check.cluster import Operation, connected, read_topics
from firstline.check.role import NEEDED
from firstline.looking import ask
from firstline.migrate import migrate
from firstline.reporting.figures import figures
from producers.topics import ALL
from storage.dead_letter_desk import LetterFilter
from storage.tables import metadata
from tests.builders import ACME
from tests.security.fortress import Fortress
from tests.security.installation import Installation

# -- Kafka ------------------------------------------------------------------------------------

READ, WRITE = Operation.READ, Operation.WRITE
RIGHTS: dict[str, dict[str, set[Operation]]] = {
    "worker": {name: set(rights) for name, rights in NEEDED_OF_KAFKA.items()},
    "chat": {"commands.chat": {WRITE}, "replies": {READ}},
    "psa": {"commands.psa": {WRITE}, "replies": {READ}},
    "webhooks": {"ticket-events": {WRITE}},
    "analyst": {"session-events": {READ}},
    "nobody": {},
}


@pytest.mark.parametrize("user", RIGHTS)
async def test_each_reads_and_writes_its_own_topics_alone(
    installation: Installation, guarded: Fortress, user: str
) -> None:
    """As Kafka itself says; it hides topics of which one may do nothing."""
    kafka = installation.kafka(guarded.by_login(user))
    async with connected(kafka) as client:
        facts, hidden = await read_topics(client, [kafka.topic(topic.name) for topic in ALL])
    allowed = {
        name.removeprefix(kafka.prefix): set(told.allowed) - {Operation.DESCRIBE}
        for name, told in facts.items()
    }
    if user == "worker":
        allowed = {name: rights - {Operation.DESCRIBE_CONFIGS} for name, rights in allowed.items()}
    assert allowed == RIGHTS[user]
    assert {name.removeprefix(kafka.prefix) for name in hidden} == (
        {topic.name for topic in ALL} - set(RIGHTS[user])
    )


async def test_a_chat_sender_does_not_pass_for_the_system(
    installation: Installation, guarded: Fortress
) -> None:
    """The source of a command is its topic, and so a matter of who may write there."""
    kafka = installation.kafka(guarded.by_login("chat"))
    producer = AIOKafkaProducer(**kafka.connection())
    await producer.start()
    try:
        await producer.send_and_wait(kafka.topic("commands.chat"), b"unreadable, but taken")
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait(kafka.topic("commands.internal"), b"{}")
    finally:
        await producer.stop()


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
        "update inbox set recorded_at = now()",
        "delete from audit_log",
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


OPERATOR = {
    "accounts": {"select"},
    "users": {"select"},
    "recipients": {"select"},
    "flows": {"select"},
    "flow_versions": {"select"},
    "flow_proposals": {"select", "insert", "update"},
    "proposal_drafts": {"select", "insert"},
    "proposal_outcomes": {"select"},
    "articles": {"select"},
    "tickets": {"select", "insert", "update"},
    "ticket_events_heard": {"select", "insert"},
    "sessions": {"select", "insert", "update"},
    "walk_steps": {"select", "insert"},
    "session_notes": {"select", "insert", "update"},
    "node_requests": {"select", "insert"},
    "served_nodes": {"select", "insert"},
    "escalations": {"select", "insert", "update"},
    "audit_log": {"select", "insert"},
    "inbox": {"select", "insert"},
    "outbox": {"insert"},
    "dead_letters": {"select"},
    "dead_letter_acts": {"select", "insert"},
    "parked_sessions": {"select", "delete"},
}
"""On whole tables. What replaying and discarding come to is tried as this role, too: `operator` in
tests/consumers/conftest.py."""


async def test_the_operator_has_just_the_rights_that_dead_letters_take(
    installation: Installation,
) -> None:
    assert await rights_of(installation, "firstline_operator") == OPERATOR
    assert await columns_of(installation, "firstline_operator") == {
        "accounts": {"update id"},
        "inbox": {"update reply", "update recorded_at"},
        "dead_letters": {"update reason", "update detail", "update status"},
        "parked_sessions": {"update parked_at"},
    }


async def columns_of(installation: Installation, role: str) -> dict[str, set[str]]:
    """The rights on columns of tables on which the role does not have them as a whole."""
    connection = await asyncpg.connect(installation.guarded.postgres.database_url)
    try:
        rows = await connection.fetch(
            """
            select c.relname::text as name, array_agg(p.name || ' ' || a.attname) as rights
            from pg_class c
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            cross join unnest(array['select', 'insert', 'update', 'references']) as p(name)
            where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v', 'p')
                and has_column_privilege($1, c.oid, a.attnum, p.name)
                and not has_table_privilege($1, c.oid, p.name)
            group by c.relname
            """,
            role,
        )
    finally:
        await connection.close()
    return {row["name"]: set(row["rights"]) for row in rows}


@pytest.mark.parametrize(
    "statement",
    [
        "create table mine (id int)",
        "create temporary table mine (id int)",
        "drop table dead_letters",
        "alter table dead_letters add column mine int",
        "create role mine",
        "set role firstline_owner",
        "set role firstline_worker",
        "truncate dead_letters, dead_letter_acts",
        "delete from accounts",
        "delete from dead_letters",
        "delete from inbox",
        "delete from dead_letter_acts",
        "update dead_letter_acts set actor = 'somebody else'",
        "update dead_letters set value = null",
        "update audit_log set actor_name = 'somebody else'",
        "update accounts set default_recipients = '{}'",
        "update positions set next_offset = 0",
        "update relay_shards set settled = 0",
        "select value from outbox",
        "select from account_audit",
    ],
)
async def test_the_operator_may_do_nothing_else(installation: Installation, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await once(installation, "olga", statement)


async def test_the_operator_looks_at_dead_letters(installation: Installation) -> None:
    url = installation.database_url("olga")
    await ask.dead_letters(url, LetterFilter(), 10)
    with pytest.raises(ask.NothingToShow):
        await ask.dead_letter(url, ACME)


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
    await figures(url, ACME, None)
    for view in await views(installation):
        await once(installation, "rita", f"select * from {view}")


async def views(installation: Installation) -> list[str]:
    connection = await asyncpg.connect(installation.guarded.postgres.database_url)
    try:
        rows = await connection.fetch(
            "select viewname::text as name from pg_views where schemaname = 'public'"
        )
    finally:
        await connection.close()
    assert rows
    return [row["name"] for row in rows]


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
