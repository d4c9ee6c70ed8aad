"""A relay deletes the rows that it settled while Kafka works on the next ones."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Have a shard remember the rows of the intent settled last: they may be there still."""
    op.execute("alter table relay_shards add column settled_ids bigint[]")


def downgrade() -> None:
    """Forget them, once they are gone."""
    op.execute(
        """
        delete from outbox o using relay_shards s
        where o.shard = s.shard and o.id = any(s.settled_ids)
        """
    )
    op.execute("alter table relay_shards drop column settled_ids")
