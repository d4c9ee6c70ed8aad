"""Figures about sessions that have ended, by account and week."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

UP = (
    # Every figure is counted from this one view, so that they agree with each other.
    """
    create view ended_sessions as
    select
        s.account_id,
        s.id as session_id,
        date_trunc('week', s.ended_at at time zone 'UTC')::date as week,
        s.kind,
        coalesce(s.category, v.category, p.category) as category,
        s.status as outcome,
        s.steps,
        extract(epoch from s.ended_at - s.started_at)::double precision as seconds,
        s.status = 'escalated' and s.ended_at = s.started_at as unwalked,
        exists (
            select from escalations e
            where e.session_id = s.previous_session_id and e.new_session_id = s.id
        ) as follow_up,
        s.status = 'resolved' and (
            exists (
                select from tickets t
                where t.account_id = s.account_id and t.kind = s.ticket_kind and t.id = s.ticket_id
                    and t.reopened_at > s.ended_at
                    and t.reopened_at <= s.ended_at + interval '14 days'
            )
            or exists (
                select from sessions later
                where later.account_id = s.account_id and later.ticket_kind = s.ticket_kind
                    and later.ticket_id = s.ticket_id and later.id <> s.id
                    and later.started_at >= s.ended_at
                    and later.started_at <= s.ended_at + interval '14 days'
            )
        ) as reopened,
        coalesce(v.nodes -> s.current_node_id ->> 'type' in ('resolve', 'escalate'), false)
            as walked_to_end
    from sessions s
    left join flow_versions v
        on v.account_id = s.account_id and v.flow_id = s.flow_id and v.version = s.flow_version
    left join flow_proposals p
        on p.account_id = s.account_id and p.id = s.flow_proposal_id
    where s.status <> 'active'
    """,
    """
    comment on view ended_sessions is
    'A row a session that has ended; active sessions are in no figure. week: the Monday (UTC) of
the week in which it ended. category: the session''s own, else that of its flow or proposal, else
null. seconds: from start to outcome. unwalked: it was escalated in the instant in which it
started, as escalate_without_walk does. follow_up: an engineer handed an escalation back, and this
session went on with it. reopened: it was resolved, and its ticket came back within 14 days: the
ticket''s source reopened it (the latest reopening is the one that is known), or another session
started on it. A session resolved less than 14 days ago may still become reopened.
walked_to_end: it stood at an end of its flow.'
    """,
    """
    create view weekly_first_level_resolution as
    select account_id, week,
        count(*) as sessions,
        count(*) filter (where outcome = 'resolved' and not reopened) as resolved_at_first_level,
        count(*) filter (where outcome = 'resolved' and not reopened)::double precision / count(*)
            as rate
    from ended_sessions where not follow_up
    group by account_id, week
    """,
    """
    comment on view weekly_first_level_resolution is
    'First-level resolution rate: of the sessions that ended in the week, the share that first line
resolved without an engineer, and whose ticket did not come back within 14 days. Sessions that go
on after an engineer handed an escalation back are left out on both sides: their ticket already
counts, as escalated. Abandoned sessions count as not resolved. Over several weeks, divide the sums
of the counts; an average of the rates would weigh a quiet week like a busy one.'
    """,
    """
    create view weekly_escalation as
    select account_id, week, category,
        count(*) as sessions,
        count(*) filter (where outcome = 'escalated') as escalated,
        count(*) filter (where outcome = 'escalated')::double precision / count(*) as rate
    from ended_sessions where not follow_up
    group by account_id, week, category
    """,
    """
    comment on view weekly_escalation is
    'Escalation rate by category: of the sessions of a category that ended in the week, the share
that was escalated, walked or not. Null is the category of sessions that say none and walk nothing
that has one. It is the category of the problem, not the reason_category that the escalation gave.
Sessions that go on after a hand-back are left out on both sides.'
    """,
    """
    create view weekly_time_to_outcome as
    select account_id, week, outcome,
        count(*) as sessions,
        percentile_cont(0.5) within group (order by seconds) as median_seconds,
        percentile_cont(0.9) within group (order by seconds) as p90_seconds
    from ended_sessions where not unwalked
    group by account_id, week, outcome
    """,
    """
    comment on view weekly_time_to_outcome is
    'Time to outcome: seconds from a session''s start to its end, by outcome, of the sessions that
ended in the week; the median, and what nine of ten do not exceed, both interpolated. Sessions that
were escalated in the instant in which they started had no walk to measure and are left out. An
abandoned session ends when it is given up, by somebody or by the idle sweep.'
    """,
    """
    create view weekly_steps_to_outcome as
    select account_id, week, outcome,
        count(*) as sessions,
        percentile_cont(0.5) within group (order by steps) as median_steps,
        percentile_cont(0.9) within group (order by steps) as p90_steps
    from ended_sessions where kind <> 'adhoc'
    group by account_id, week, outcome
    """,
    """
    comment on view weekly_steps_to_outcome is
    'Steps to outcome: steps recorded from a session''s start to its end, by outcome, of the
sessions that ended in the week; the median, and what nine of ten do not exceed, both interpolated.
Adhoc sessions take notes instead of steps and are left out.'
    """,
    """
    create view weekly_abandonment as
    select account_id, week,
        count(*) as sessions,
        count(*) filter (where outcome = 'abandoned') as abandoned,
        count(*) filter (where outcome = 'abandoned')::double precision / count(*) as rate
    from ended_sessions
    group by account_id, week
    """,
    """
    comment on view weekly_abandonment is
    'Abandon rate: of the sessions that ended in the week, the share that was abandoned, whoever
gave it up: somebody, the idle sweep, or the ticket''s closing, deletion, reassignment or merger.'
    """,
    """
    create view weekly_reopening as
    select account_id, week,
        count(*) as sessions,
        count(*) filter (where reopened) as reopened,
        count(*) filter (where reopened)::double precision / count(*) as rate
    from ended_sessions where outcome = 'resolved'
    group by account_id, week
    """,
    """
    comment on view weekly_reopening is
    'Reopen rate: of the sessions that were resolved in the week, the share whose ticket came back
within 14 days. A week''s rate can still rise until 14 days after its end. A reopening counts in
the week of the resolution that did not hold, not in its own.'
    """,
    """
    create view weekly_flow_hits as
    select account_id, week,
        count(*) as sessions,
        count(*) filter (where kind = 'flow') as hits,
        count(*) filter (where kind = 'flow' and walked_to_end) as walked_to_end,
        count(*) filter (where kind = 'flow')::double precision / count(*) as rate
    from ended_sessions where not follow_up
    group by account_id, week
    """,
    """
    comment on view weekly_flow_hits is
    'Flow hit rate: of the sessions that ended in the week, the share that walked a published flow,
picked by name or by an intake; walked_to_end counts those that reached one of its ends. An intake
that found nothing starts no session; where its ticket was then escalated without a walk, that
session counts as one that no flow served. Sessions that go on after a hand-back never had the
choice and are left out.'
    """,
)

DOWN = (
    """
    drop view weekly_flow_hits, weekly_reopening, weekly_abandonment, weekly_steps_to_outcome,
        weekly_time_to_outcome, weekly_escalation, weekly_first_level_resolution, ended_sessions
    """,
)


def upgrade() -> None:
    """Create the views."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drop the views."""
    for statement in DOWN:
        op.execute(statement)
