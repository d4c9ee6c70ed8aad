"""Reads an installation for the checker, and waits until there is something to be read."""

import time
from collections.abc import Mapping

import psycopg
from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient
from psycopg.rows import dict_row

from .checker import World, check
from .client import WRITTEN_BY_FIRSTLINE, read_to_the_end
from .program import PARTITIONS, Installation
from .wire import COMMAND_TOPICS, TICKET_EVENTS, Json, Record

# The columns that hold ids are read as text, as they are on the wire.
_ROWS: Mapping[str, str] = {
    "sessions": """
        select id::text, account_id::text, status, kind, version, steps, current_node_id,
               ticket_kind, ticket_id
        from sessions
    """,
    "walk_steps": """
        select session_id::text, position, node_id, question, option_id, answer, note
        from walk_steps
    """,
    "session_notes": "select session_id::text, notes from session_notes",
    "escalations": "select session_id::text, status from escalations",
    "inbox": "select command_id::text from inbox",
    "outbox": "select topic from outbox",
    "positions": "select topic, partition, next_offset from positions",
}


def look(installation: Installation) -> World:
    """Return all that can be seen of an installation just now."""
    with psycopg.connect(installation.database_url) as connection:
        rows = read_rows(connection, installation.prefix)
    return World(
        partitions=PARTITIONS,
        records=read_records(installation),
        rows=rows,
        committed=_committed_offsets(installation),
    )


def read_records(installation: Installation) -> list[Record]:
    """Return what lies in the command topics and in those that firstline writes."""
    topics = (*COMMAND_TOPICS, TICKET_EVENTS, *WRITTEN_BY_FIRSTLINE)
    return read_to_the_end(installation.kafka_bootstrap, installation.prefix, topics)


def read_rows(connection: psycopg.Connection, prefix: str) -> dict[str, list[Json]]:
    """Return the rows that the checker knows, as the transaction of this connection sees them."""
    rows = {}
    with connection.cursor(row_factory=dict_row) as cursor:
        for table, statement in _ROWS.items():
            rows[table] = cursor.execute(statement).fetchall()
    for position in rows["positions"]:
        position["topic"] = position["topic"].removeprefix(prefix)
    return rows


def wait_for_rest(installation: Installation, seconds: float = 30.0) -> None:
    """Wait until every record sent so far is applied and everything staged is published.

    Raises TimeoutError, with what is left to do and the worker's log.
    """
    until = time.monotonic() + seconds
    before, ends = None, _ends(installation)
    with psycopg.connect(installation.database_url, autocommit=True) as connection:
        while before != ends:
            while left := _left(connection, installation.prefix, ends):
                installation.must_run()
                if time.monotonic() > until:
                    message = f"not at rest after {seconds} s: {left}\n{installation.log_tail()}"
                    raise TimeoutError(message)
                time.sleep(0.02)
            # what is applied may have sent firstline's own commands
            before, ends = ends, _ends(installation)


def violations(installation: Installation) -> list[str]:
    """Wait for rest, then return what does not hold."""
    wait_for_rest(installation)
    return check(look(installation))


def is_at_rest(installation: Installation) -> bool:
    """Say whether all is applied and published just now."""
    ends = _ends(installation)
    with psycopg.connect(installation.database_url) as connection:
        return not _left(connection, installation.prefix, ends)


def held_leases(installation: Installation) -> int:
    """Return how many leases are held: one for a worker, one for a relay.

    A process that was stopped while it asked for one keeps its connection, and holds nothing.
    """
    with psycopg.connect(installation.database_url) as connection:
        row = connection.execute(
            """
            select count(*) from pg_locks join pg_stat_activity using (pid)
            where locktype = 'advisory' and datname = current_database()
                and application_name = 'firstline-lease'
            """
        ).fetchone()
    assert row is not None
    return int(row[0])


def consumer_groups(installation: Installation) -> list[str]:
    """Return the consumer groups that the installation's prefix scopes."""
    return _consumer_groups(_admin(installation), installation.prefix)


def rewind(installation: Installation) -> None:
    """Set each committed offset of the installation back to 0; its workers must be gone."""
    admin = _admin(installation)
    for group in _consumer_groups(admin, installation.prefix):
        asked = ConsumerGroupTopicPartitions(group)
        found = admin.list_consumer_group_offsets([asked])[group].result().topic_partitions
        for partition in found:
            partition.offset = 0
        changed = ConsumerGroupTopicPartitions(group, found)
        for done in admin.alter_consumer_group_offsets([changed]).values():
            done.result()


def _committed_offsets(installation: Installation) -> dict[tuple[str, int], int]:
    admin = _admin(installation)
    committed = {}
    for group in _consumer_groups(admin, installation.prefix):
        asked = ConsumerGroupTopicPartitions(group)
        found = admin.list_consumer_group_offsets([asked])[group].result()
        for partition in found.topic_partitions:
            topic = partition.topic.removeprefix(installation.prefix)
            if topic in {*COMMAND_TOPICS, TICKET_EVENTS}:
                committed[topic, partition.partition] = partition.offset
    return committed


def _consumer_groups(admin: AdminClient, prefix: str) -> list[str]:
    # The client is the caller's: one that is let go of before its answer is there answers nothing.
    groups = [group.group_id for group in admin.list_consumer_groups().result().valid]
    return [group for group in groups if group.startswith(prefix)]


def _admin(installation: Installation) -> AdminClient:
    return AdminClient({"bootstrap.servers": installation.kafka_bootstrap})


def _ends(installation: Installation) -> dict[tuple[str, int], int]:
    """Return the offset after the last record that can be read, by topic and partition."""
    topics = (*COMMAND_TOPICS, TICKET_EVENTS)
    sent = read_to_the_end(installation.kafka_bootstrap, installation.prefix, topics)
    return {(record.topic, record.partition): record.offset + 1 for record in sent}


def _left(connection: psycopg.Connection, prefix: str, ends: Mapping[tuple[str, int], int]) -> str:
    """Return what is left to do, as text that is empty where nothing is.

    Positions and outbox are read in one statement, as they change in one transaction.
    """
    row = connection.execute(
        """
        select (select count(*) from outbox),
               (select json_agg(array[topic, partition::text, next_offset::text]) from positions)
        """
    ).fetchone()
    assert row is not None
    staged, positions = row
    applied = {
        (topic.removeprefix(prefix), int(partition)): int(next_offset)
        for topic, partition, next_offset in positions or []
    }
    behind = {at: end - applied.get(at, 0) for at, end in ends.items() if end > applied.get(at, 0)}
    if not behind and not staged:
        return ""
    return f"records not applied {behind}, messages not published {staged}"
