"""Which accounts are being deleted, and which escalations somebody claimed."""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Let an account end before what it has is gone, and find escalations by who claimed them."""
    # To delete a million sessions takes minutes, and nobody may wait for that: an account that has
    # ended is none for whoever decides, and goes step by step.
    op.execute("alter table accounts add column ended_at timestamptz")
    # Each user that goes asks whether a claim names them: without it, by reading all of the table.
    op.execute("create index escalations_by_claimer on escalations (account_id, claimed_by)")


def downgrade() -> None:
    """Forget both."""
    op.execute("drop index escalations_by_claimer")
    op.execute("alter table accounts drop column ended_at")
