"""The schema is told twice, by migrations and as tables, and comes and goes by steps."""

import asyncio

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from firstline import migrate
from storage.database import DIALECT, dialling
from storage.tables import metadata


async def test_the_declared_tables_are_those_that_the_migrations_make(database_url: str) -> None:
    migrated = await described(database_url)
    await migrate.downgrade(database_url, "base")
    engine = create_async_engine(DIALECT, async_creator=dialling(database_url))
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    await engine.dispose()
    declared = await described(database_url)
    views = {line for line in migrated if line[0] == "view"}
    assert {line[1] for line in views} == {
        *("session_walks", "flow_outcomes", "proposal_outcomes", "ended_sessions"),
        *("weekly_first_level_resolution", "weekly_escalation", "weekly_time_to_outcome"),
        *("weekly_steps_to_outcome", "weekly_abandonment", "weekly_reopening", "weekly_flow_hits"),
        "node_usage_by_account_and_day",
    }
    assert declared == migrated - views


async def test_up_and_down_and_up_again_leaves_the_same_schema(database_url: str) -> None:
    before = await described(database_url)
    await migrate.downgrade(database_url, "base")
    assert await described(database_url) == set()
    assert await migrate.current(database_url) is None
    applied = await migrate.migrate(database_url)
    assert applied[0] == "0001"
    assert await migrate.current(database_url) == applied[-1]
    assert await described(database_url) == before


async def test_an_intent_that_is_open_keeps_its_rows_down_and_up_again(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        """
        insert into relay_shards (shard, number, settled, row_ids, settled_ids)
        values (0, 1, 0, '{[3,6),[9,10)}', null), (1, 7, 7, null, '{[1,3)}')
        """
    )
    before = await connection.fetch("select * from relay_shards order by shard")
    await migrate.downgrade(database_url, "0008")
    assert await connection.fetch(
        "select row_ids, settled_ids from relay_shards order by shard"
    ) == [([3, 4, 5, 9], None), (None, [1, 2])]
    assert await migrate.migrate(database_url) == ["0009", "0010", "0011"]
    assert await connection.fetch("select * from relay_shards order by shard") == before
    await connection.close()


async def test_a_migrated_database_is_left_alone(database_url: str) -> None:
    before = await migrate.current(database_url)
    assert await migrate.migrate(database_url) == []
    assert await migrate.current(database_url) == before


async def test_of_two_migrations_at_once_one_finds_nothing_to_do(database_url: str) -> None:
    await migrate.downgrade(database_url, "base")
    applied = await asyncio.gather(migrate.migrate(database_url), migrate.migrate(database_url))
    assert sorted(map(bool, applied)) == [False, True]


async def test_a_database_newer_than_the_program_is_refused(
    database_url: str, tx: asyncpg.Connection
) -> None:
    await tx.execute("update alembic_version set version_num = '9999'")
    with pytest.raises(migrate.UnknownRevision, match="9999"):
        await migrate.migrate(database_url)


async def described(database_url: str) -> set[tuple[str, str, str]]:
    """Everything that the catalogues of Postgres say of the schema: kind, name, definition."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            """
            select 'table' as kind, c.relname as name,
                concat_ws(' ', c.relpersistence, c.reloptions::text) as definition
            from pg_class c where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
            union all
            select 'column', format('%s.%s', c.relname, a.attname), concat_ws(' ',
                row_number() over (partition by c.oid order by a.attnum),
                format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attcollation,
                a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid))
            from pg_attribute a
            join pg_class c on c.oid = a.attrelid
            left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
            where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace
                and a.attnum > 0 and not a.attisdropped
            union all
            -- not null is told with the columns; newer versions list it here as well
            select 'constraint', format('%s.%s', conrelid::regclass, conname),
                concat_ws(' ', pg_get_constraintdef(oid), condeferrable, convalidated)
            from pg_constraint
            where connamespace = 'public'::regnamespace and contype <> 'n'
            union all
            select 'index', indexname, indexdef from pg_indexes where schemaname = 'public'
            union all
            select 'sequence', sequencename,
                concat_ws(' ', data_type, start_value, increment_by, cache_size, cycle)
            from pg_sequences where schemaname = 'public'
            union all
            select 'view', viewname, definition from pg_views where schemaname = 'public'
            """
        )
    finally:
        await connection.close()
    # Alembic's own table comes first and stays to the end.
    return {tuple(row) for row in rows if "alembic_version" not in row["name"]}
