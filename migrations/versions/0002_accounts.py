"""Who changed an account itself."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

UP = (
    # Apart from audit_log, where every row is of a session and a command.
    """
    create table account_audit (
        id bigint generated always as identity constraint account_audit_pkey primary key,
        account_id uuid not null
            constraint account_audit_account_fkey references accounts on delete cascade,
        -- not a foreign key: the trail outlives the person
        actor_id uuid not null,
        actor_name text not null,
        action text not null
            constraint account_audit_action_check check (action in ('categories.set')),
        details jsonb not null,
        recorded_at timestamptz not null
    )
    """,
    "create index account_audit_by_account on account_audit (account_id)",
)

DOWN = ("drop table account_audit",)


def upgrade() -> None:
    """Create the trail."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drop the trail."""
    for statement in DOWN:
        op.execute(statement)
