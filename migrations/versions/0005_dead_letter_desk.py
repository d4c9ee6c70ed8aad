"""What operators did about dead letters, and the edits that a replay is to apply."""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

UP = (
    # Who did what to which dead letter, when and why. Nothing here is ever changed: the newest
    # edit of a letter is the one that a replay applies. It goes with its letter.
    """
    create table dead_letter_acts (
        id bigint generated always as identity constraint dead_letter_acts_pkey primary key,
        letter bigint not null
            constraint dead_letter_acts_letter_fkey references dead_letters on delete cascade,
        act text not null constraint dead_letter_acts_act_check
            check (act in ('edited', 'replayed', 'failed', 'discarded')),
        actor text not null
            constraint dead_letter_acts_actor_check check (char_length(actor) between 1 and 200),
        because text not null
            constraint dead_letter_acts_because_check check (char_length(because) <= 2000),
        -- why it failed, as dead_letters.detail has it
        detail text,
        -- the value as edited; the original stays in dead_letters
        value bytea,
        acted_at timestamptz not null,
        constraint dead_letter_acts_value_check check ((act = 'edited') = (value is not null))
    )
    """,
    "create index dead_letter_acts_by_letter on dead_letter_acts (letter, id)",
    # How many commands became poison of late, asked at each one that does.
    """
    create index dead_letters_poison on dead_letters (recorded_at)
        where reason = 'poison' and status = 'open'
    """,
)

DOWN = ("drop index dead_letters_poison", "drop table dead_letter_acts")


def upgrade() -> None:
    """Create the table, and an index on poison."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drop both; dead letters stay, unedited."""
    for statement in DOWN:
        op.execute(statement)
