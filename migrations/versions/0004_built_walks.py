"""AI-built walks: what was asked for, generated, served and paid, and what drafts come of it."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

UP = (
    # Every request for a node, by the id of its node_requested event. While a session's
    # node_requested is set, the one with its highest version is open. Insert-only, so that the
    # session's hot row stays as narrow as it is.
    """
    create table node_requests (
        request_id uuid constraint node_requests_pkey primary key,
        account_id uuid not null
            constraint node_requests_account_fkey references accounts on delete cascade,
        session_id uuid not null
            constraint node_requests_session_fkey references sessions on delete cascade,
        version integer not null
            constraint node_requests_version_check check (version >= 1),
        -- of the command that asked: the reply that brings the node echoes it
        correlation text
            constraint node_requests_correlation_check check (char_length(correlation) <= 128),
        requested_at timestamptz not null,
        constraint node_requests_version_key unique (session_id, version)
    )
    """,
    # The nodes that a walk has been served, in order.
    """
    create table served_nodes (
        session_id uuid not null
            constraint served_nodes_session_fkey references sessions on delete cascade,
        version integer not null
            constraint served_nodes_version_check check (version >= 1),
        node json not null
            constraint served_nodes_object_check check (json_typeof(node) = 'object'),
        constraint served_nodes_pkey primary key (session_id, version)
    )
    """,
    # Who generates the node of a request, and what came of it. The result is written in the
    # transaction that sends it; a request that has one calls nobody. A claim without a result
    # that has run out is free for others.
    """
    create table node_results (
        request_id uuid
            constraint node_results_pkey primary key
            constraint node_results_request_fkey references node_requests on delete cascade,
        account_id uuid not null
            constraint node_results_account_fkey references accounts on delete cascade,
        claim_id uuid not null,
        holder text not null,
        claimed_at timestamptz not null,
        claimed_until timestamptz not null,
        node json,
        stored_at timestamptz,
        constraint node_results_claim_check check (claimed_until >= claimed_at),
        constraint node_results_stored_check check ((node is null) = (stored_at is null))
    )
    """,
    # For the budget: the calls of an account that are under way.
    """
    create index node_results_under_way on node_results (account_id) where node is null
    """,
    # What was paid, for what came of it or not. It outlives its session: the bill does, too.
    """
    create table node_usage (
        claim_id uuid constraint node_usage_pkey primary key,
        request_id uuid not null,
        account_id uuid not null
            constraint node_usage_account_fkey references accounts on delete cascade,
        model text not null,
        input_tokens bigint not null,
        output_tokens bigint not null,
        cost_microdollars bigint not null,
        used_at timestamptz not null,
        constraint node_usage_amounts_check
            check (input_tokens >= 0 and output_tokens >= 0 and cost_microdollars >= 0)
    )
    """,
    "create index node_usage_by_day on node_usage (account_id, used_at)",
    # What each account used on each day, in UTC.
    """
    create view node_usage_by_account_and_day as
    select account_id, (used_at at time zone 'UTC')::date as day, model,
        count(*) as calls,
        sum(input_tokens) as input_tokens,
        sum(output_tokens) as output_tokens,
        sum(cost_microdollars) as cost_microdollars
    from node_usage group by account_id, day, model
    """,
    # Which sessions a proposal was built from.
    """
    create table proposal_drafts (
        flow_proposal_id uuid not null
            constraint proposal_drafts_proposal_fkey references flow_proposals on delete cascade,
        session_id uuid
            constraint proposal_drafts_pkey primary key
            constraint proposal_drafts_session_fkey references sessions on delete cascade
    )
    """,
    "create index proposal_drafts_by_proposal on proposal_drafts (flow_proposal_id)",
    # A draft holds what was said in its sessions: it goes with the first of them that goes. One
    # that a session walks stays, or the walk would lose its nodes.
    """
    create function delete_proposal_draft() returns trigger language plpgsql as $$
    begin
        delete from flow_proposals p
        where p.id = old.flow_proposal_id
            and not exists (select from sessions s where s.flow_proposal_id = p.id);
        return null;
    end
    $$
    """,
    """
    create trigger proposal_drafts_gone after delete on proposal_drafts
        for each row execute function delete_proposal_draft()
    """,
)

DOWN = (
    "drop view node_usage_by_account_and_day",
    "drop table proposal_drafts, node_usage, node_results, served_nodes, node_requests",
    "drop function delete_proposal_draft()",
)


def upgrade() -> None:
    """Add what AI-built walks need."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Take it away again."""
    for statement in DOWN:
        op.execute(statement)
