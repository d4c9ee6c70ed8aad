"""An intent's rows are nearly always neighbours: a range says what two thousand ids say."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_COLUMNS = ("row_ids", "settled_ids")


def upgrade() -> None:
    """Keep the ids of an intent's rows as ranges."""
    op.execute(
        """
        create function ranges_of_ids(bigint[]) returns int8multirange language sql strict
        as 'select range_agg(int8range(id, id + 1)) from unnest($1) as taken(id)'
        """
    )
    for column in _COLUMNS:
        op.execute(
            f"alter table relay_shards alter {column} type int8multirange"
            f" using ranges_of_ids({column})"
        )
    op.execute("drop function ranges_of_ids")


def downgrade() -> None:
    """Keep them one by one."""
    op.execute(
        """
        create function ids_of_ranges(int8multirange) returns bigint[] language sql strict
        as 'select array_agg(id order by id) from unnest($1) as taken(ids),
            generate_series(lower(ids), upper(ids) - 1) as id'
        """
    )
    for column in _COLUMNS:
        op.execute(
            f"alter table relay_shards alter {column} type bigint[] using ids_of_ranges({column})"
        )
    op.execute("drop function ids_of_ranges")
