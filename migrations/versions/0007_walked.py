"""Which nodes were answered is read from the steps: every step wrote a copy that grew with it."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_VIEW = """
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
    """

UP = (
    "drop view session_walks",
    "alter table sessions drop column walked",
    # As it was, without the column.
    _VIEW,
)

DOWN = (
    "drop view session_walks",
    "alter table sessions add column walked json not null default '[]'",
    # Of those that go on: nothing is answered any more in the others.
    """
    update sessions s set walked = w.walked
    from (
        select session_id, json_agg(distinct node_id order by node_id) as walked
        from walk_steps group by session_id
    ) w
    where s.id = w.session_id and s.status = 'active'
    """,
    _VIEW,
)


def upgrade() -> None:
    """Drop the column."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Fill it again."""
    for statement in DOWN:
        op.execute(statement)
