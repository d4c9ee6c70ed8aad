"""What retention needs: which walks are gone, and where the oldest rows are."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

UP = (
    # When steps and notes of the session were deleted: without it, a session whose walk is gone
    # looks like one that was never walked, and would be looked at again and again.
    """
    alter table sessions
        add column walk_pruned_at timestamptz,
        add constraint sessions_walk_pruned_check
            check (walk_pruned_at is null or status <> 'active')
    """,
    # The walks to delete next. A session comes in once, when it ends, and steps stay heap-only
    # updates: neither column changes with them.
    """
    create index sessions_by_end on sessions (ended_at)
        where ended_at is not null and walk_pruned_at is null
    """,
    # The oldest rows of what is deleted by age, those that may be. On inbox, where it matters, a
    # B-tree: see docs/why.md for what it costs, and why a BRIN would not do.
    "create index inbox_by_age on inbox (recorded_at) where reply is not null",
    "create index ticket_events_heard_by_age on ticket_events_heard (recorded_at)",
    "create index sweeps_by_age on sweeps (swept_at)",
    """
    create index dead_letters_by_age on dead_letters (recorded_at)
        where status <> 'open' or command_id is null
    """,
    "drop view session_walks",
    # As it was, with the new column.
    """
    create view session_walks as
    select
        s.*,
        coalesce(
            (
                select json_agg(
                    json_build_object(
                        'node_id', w.node_id, 'question', w.question, 'option_id', w.option_id,
                        'answer', w.answer, 'note', w.note, 'recorded_at', w.recorded_at
                    ) order by w.position
                )
                from walk_steps w
                where w.session_id = s.id
            ),
            '[]'::json
        ) as walked_path,
        coalesce((select n.notes from session_notes n where n.session_id = s.id), '[]'::json)
            as walk_notes
    from sessions s
    """,
)

DOWN = (
    "drop view session_walks",
    """
    drop index sessions_by_end, inbox_by_age, ticket_events_heard_by_age, sweeps_by_age,
        dead_letters_by_age
    """,
    "alter table sessions drop column walk_pruned_at",
    UP[-1],
)


def upgrade() -> None:
    """Add the column and the indexes."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drop them; what was pruned stays gone."""
    for statement in DOWN:
        op.execute(statement)
