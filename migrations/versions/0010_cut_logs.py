"""Which topic a position is of, where its log was cut, and which sessions walk a proposal."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Tell topics and cut logs apart, and find the sessions of a proposal without reading all."""
    # Without them, a worker that is started again and again would go on once a new log has grown
    # past the position, and take what lies before it for applied.
    op.execute(
        """
        alter table positions
            add column topic_id uuid,
            add column cut_to bigint
                constraint positions_cut_to_check check (cut_to between 0 and next_offset)
        """
    )
    # Drafts are asked who walks them, one by one, and so are proposals that are deleted.
    op.execute(
        """
        create index sessions_by_proposal on sessions (flow_proposal_id)
            where flow_proposal_id is not null
        """
    )


def downgrade() -> None:
    """Forget both."""
    op.execute("drop index sessions_by_proposal")
    op.execute("alter table positions drop column cut_to, drop column topic_id")
