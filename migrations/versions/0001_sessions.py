"""Accounts, catalogue, sessions, inbox, outbox: the first schema."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

UP = (
    # -- the catalogue -----------------------------------------------------------------------
    """
    create table accounts (
        id uuid constraint accounts_pkey primary key,
        name text not null,
        default_recipients text[] not null default '{}',
        categories text[] not null default '{}',
        -- how the account wants sweeps and intakes: see schemas/catalogue.py
        policy jsonb not null default '{}'
    )
    """,
    """
    create table users (
        id uuid constraint users_pkey primary key,
        account_id uuid not null
            constraint users_account_fkey references accounts on delete cascade,
        name text not null,
        email text not null,
        role text not null
            constraint users_role_check check (role in ('l1_tech', 'engineer', 'admin', 'owner')),
        l1_coverage boolean not null default false,
        deleted_at timestamptz,
        -- what points at a user points at a user of its own account
        constraint users_of_account_key unique (account_id, id)
    )
    """,
    """
    create table recipients (
        account_id uuid not null
            constraint recipients_account_fkey references accounts on delete cascade,
        reason_category text not null
            constraint recipients_category_check
            check (char_length(reason_category) between 1 and 30),
        user_id uuid not null,
        constraint recipients_pkey primary key (account_id, reason_category, user_id),
        constraint recipients_user_fkey foreign key (account_id, user_id)
            references users (account_id, id) on delete cascade
    )
    """,
    # A flow is archived, never deleted; what is walked is one of its versions, which never change.
    """
    create table flows (
        id uuid constraint flows_pkey primary key,
        account_id uuid not null
            constraint flows_account_fkey references accounts on delete cascade,
        archived boolean not null default false,
        constraint flows_of_account_key unique (account_id, id)
    )
    """,
    """
    create table flow_versions (
        account_id uuid not null,
        flow_id uuid not null,
        version integer not null
            constraint flow_versions_version_check check (version >= 1),
        title text not null,
        category text,
        start text not null,
        nodes jsonb not null,
        -- for intakes: the title first, then the category, then what the nodes say
        words tsvector not null generated always as (
            setweight(to_tsvector('english', title), 'A')
            || setweight(to_tsvector('english', coalesce(category, '')), 'B')
            || setweight(
                jsonb_to_tsvector(
                    'english', jsonb_path_query_array(nodes, '$.*.text'), '["string"]'
                ),
                'D'
            )
        ) stored,
        constraint flow_versions_pkey primary key (account_id, flow_id, version),
        constraint flow_versions_flow_fkey foreign key (account_id, flow_id)
            references flows (account_id, id) on delete cascade
    )
    """,
    """
    create table flow_proposals (
        id uuid constraint flow_proposals_pkey primary key,
        account_id uuid not null
            constraint flow_proposals_account_fkey references accounts on delete cascade,
        title text not null,
        category text,
        start text not null,
        nodes jsonb not null,
        validated_by_outcome boolean not null default false,
        words tsvector not null generated always as (
            setweight(to_tsvector('english', title), 'A')
            || setweight(to_tsvector('english', coalesce(category, '')), 'B')
            || setweight(
                jsonb_to_tsvector(
                    'english', jsonb_path_query_array(nodes, '$.*.text'), '["string"]'
                ),
                'D'
            )
        ) stored,
        constraint flow_proposals_of_account_key unique (account_id, id)
    )
    """,
    # Tickets that firstline keeps itself, and what it has heard of a PSA's.
    """
    create table tickets (
        account_id uuid not null
            constraint tickets_account_fkey references accounts on delete cascade,
        kind text not null
            constraint tickets_kind_check check (kind in ('psa', 'internal')),
        id text not null
            constraint tickets_id_check check (char_length(id) between 1 and 64),
        title text,
        status text not null default 'open'
            constraint tickets_status_check
            check (status in ('open', 'resolved', 'escalated', 'closed')),
        resolution_notes text,
        -- what the PSA told of it last, by the time that it gave
        psa_status text,
        priority text,
        owner text,
        url text,
        updated_at timestamptz,
        closed_at timestamptz,
        reopened_at timestamptz,
        constraint tickets_pkey primary key (account_id, kind, id),
        constraint tickets_internal_id_check check (
            kind <> 'internal'
            or id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
        )
    )
    """,
    # The id of an internal ticket is ours, and so is unique over all accounts.
    "create unique index tickets_internal_key on tickets (id) where kind = 'internal'",
    """
    create table articles (
        id uuid constraint articles_pkey primary key,
        account_id uuid not null
            constraint articles_account_fkey references accounts on delete cascade,
        title text not null,
        category text,
        body text not null,
        words tsvector not null generated always as (
            setweight(to_tsvector('english', title), 'A')
            || setweight(to_tsvector('english', coalesce(category, '')), 'B')
            || setweight(to_tsvector('english', body), 'D')
        ) stored
    )
    """,
    "create index articles_by_account on articles (account_id)",
    # -- sessions ----------------------------------------------------------------------------
    # The hot row of a walk: nothing that changes with a step is in an index (status is, in the
    # predicate of one, and changes once), so that steps are heap-only updates; hence the room
    # that fillfactor leaves. Who points here with NO ACTION is checked when the statement ends,
    # so that deleting an account may take users, flows and sessions along in any order, while
    # deleting a user or a flow that sessions name fails.
    """
    create table sessions (
        id uuid constraint sessions_pkey primary key,
        account_id uuid not null
            constraint sessions_account_fkey references accounts on delete cascade,
        created_by uuid not null,
        acting_as text
            constraint sessions_acting_as_check check (acting_as in ('l1_coverage')),
        ticket_kind text not null
            constraint sessions_ticket_kind_check check (ticket_kind in ('psa', 'internal')),
        ticket_id text not null
            constraint sessions_ticket_id_check check (char_length(ticket_id) between 1 and 64),
        kind text not null
            constraint sessions_kind_check
            check (kind in ('flow', 'proposal', 'adhoc', 'ai_build')),
        flow_id uuid,
        flow_version integer,
        flow_proposal_id uuid,
        category text
            constraint sessions_category_check check (char_length(category) <= 100),
        problem_text text
            constraint sessions_problem_text_check check (char_length(problem_text) <= 20000),
        previous_session_id uuid,
        started_at timestamptz not null,
        status text not null
            constraint sessions_status_check
            check (status in ('active', 'resolved', 'escalated', 'abandoned')),
        version integer not null
            constraint sessions_version_check check (version >= 1),
        steps integer not null
            constraint sessions_steps_check check (steps between 0 and version),
        current_node_id text
            constraint sessions_current_node_id_check
            check (char_length(current_node_id) between 1 and 100),
        -- the ids of the nodes answered so far, to which a technician may go back
        walked json not null default '[]',
        node_requested boolean not null default false
            constraint sessions_node_requested_check
            check (not node_requested or kind = 'ai_build'),
        last_activity_at timestamptz not null,
        ended_at timestamptz,
        helpful boolean,
        resolution_notes text
            constraint sessions_resolution_notes_check
            check (char_length(resolution_notes) <= 20000),
        reason text
            constraint sessions_reason_check check (char_length(reason) <= 20000),
        reason_category text
            constraint sessions_reason_category_check
            check (char_length(reason_category) between 1 and 30),
        constraint sessions_creator_fkey foreign key (account_id, created_by)
            references users (account_id, id),
        constraint sessions_flow_fkey foreign key (account_id, flow_id, flow_version)
            references flow_versions (account_id, flow_id, version),
        constraint sessions_proposal_fkey foreign key (account_id, flow_proposal_id)
            references flow_proposals (account_id, id),
        -- what is walked fits the kind: a flow at a version, a proposal, or nothing of the sort
        constraint sessions_target_check check (
            (kind = 'flow') = (flow_id is not null)
            and (kind = 'flow') = (flow_version is not null)
            and (kind = 'proposal') = (flow_proposal_id is not null)
        ),
        constraint sessions_problem_check check (kind <> 'ai_build' or problem_text is not null),
        -- each outcome has what belongs to it and nothing else
        constraint sessions_outcome_check check (
            (status = 'active') = (ended_at is null)
            and (status = 'resolved') = (resolution_notes is not null)
            and (status = 'resolved' or helpful is null)
            and (status = 'escalated') = (reason_category is not null)
            and (status in ('escalated', 'abandoned') or reason is null)
        ),
        -- what a worker's clock can never say, and what some readers cannot read
        constraint sessions_times_check check (
            started_at >= '2000-01-01 00:00+00' and started_at < '2101-01-01 00:00+00'
            and last_activity_at >= '2000-01-01 00:00+00'
            and last_activity_at < '2101-01-01 00:00+00'
            and ended_at >= '2000-01-01 00:00+00' and ended_at < '2101-01-01 00:00+00'
        )
    ) with (fillfactor = 80)
    """,
    # For deleting accounts and users; neither column ever changes.
    "create index sessions_by_creator on sessions (account_id, created_by)",
    # At most one active session a ticket.
    """
    create unique index sessions_one_active_per_ticket
        on sessions (account_id, ticket_kind, ticket_id) where status = 'active'
    """,
    # The sessions of a ticket, the last one first to find.
    """
    create index sessions_by_ticket
        on sessions (account_id, ticket_kind, ticket_id, started_at)
    """,
    # A row a step: a walk of n steps costs n, not n squared.
    """
    create table walk_steps (
        session_id uuid not null
            constraint walk_steps_session_fkey references sessions on delete cascade,
        position integer not null
            constraint walk_steps_position_check check (position >= 1),
        node_id text not null
            constraint walk_steps_node_id_check check (char_length(node_id) between 1 and 100),
        question text not null
            constraint walk_steps_question_check check (char_length(question) <= 20000),
        option_id text
            constraint walk_steps_option_id_check check (char_length(option_id) <= 100),
        answer text not null
            constraint walk_steps_answer_check check (char_length(answer) between 1 and 4000),
        note text
            constraint walk_steps_note_check check (char_length(note) <= 20000),
        recorded_at timestamptz not null,
        constraint walk_steps_pkey primary key (session_id, position)
    )
    """,
    # Apart from the session, so that a step does not carry them along. json, not jsonb: it keeps
    # the text as it is, and 1e308 does not become 309 digits.
    """
    create table session_notes (
        session_id uuid
            constraint session_notes_pkey primary key
            constraint session_notes_session_fkey references sessions on delete cascade,
        notes json not null
            constraint session_notes_array_check check (json_typeof(notes) = 'array')
            constraint session_notes_size_check check (octet_length(notes::text) <= 262144)
    )
    """,
    # An escalation has a life of its own, so that claiming one does not move the session's last
    # activity, which is copied here when the walk ends and never changes after.
    """
    create table escalations (
        session_id uuid
            constraint escalations_pkey primary key
            constraint escalations_session_fkey references sessions on delete cascade,
        account_id uuid not null
            constraint escalations_account_fkey references accounts on delete cascade,
        status text not null default 'open'
            constraint escalations_status_check
            check (status in ('open', 'claimed', 'closed', 'handed_back')),
        escalated_by text not null,
        last_activity_at timestamptz not null,
        claimed_by uuid,
        claimed_at timestamptz,
        ended_at timestamptz,
        resolution_notes text,
        instructions text,
        new_session_id uuid,
        -- how often people were told again, and when something last happened to it
        notified integer not null default 0
            constraint escalations_notified_check check (notified >= 0),
        moved_at timestamptz not null,
        constraint escalations_claim_check check (
            (status = 'open') = (claimed_by is null) and (claimed_by is null) = (claimed_at is null)
        ),
        constraint escalations_end_check check (
            (status in ('closed', 'handed_back')) = (ended_at is not null)
        ),
        constraint escalations_outcome_check check (
            (status = 'closed') = (resolution_notes is not null)
            and (status = 'handed_back') = (instructions is not null)
            and (status = 'handed_back') = (new_session_id is not null)
        ),
        constraint escalations_claimer_fkey foreign key (account_id, claimed_by)
            references users (account_id, id)
    )
    """,
    # The escalation queue of an account, latest activity first.
    """
    create index escalations_queue on escalations (account_id, last_activity_at desc)
        where status in ('open', 'claimed')
    """,
    # Who ended what, acting as what.
    """
    create table audit_log (
        id bigint generated always as identity constraint audit_log_pkey primary key,
        account_id uuid not null
            constraint audit_log_account_fkey references accounts on delete cascade,
        session_id uuid not null,
        command_id uuid not null,
        -- the user's id, or 'system'; not a foreign key: the trail outlives the person
        actor_id text not null,
        actor_name text not null,
        acting_as text,
        action text not null
            constraint audit_log_action_check check (
                action in (
                    'session.resolve', 'session.escalate', 'session.escalate_without_walk',
                    'session.abandon', 'escalation.claim', 'escalation.release',
                    'escalation.close', 'escalation.hand_back'
                )
            ),
        details jsonb not null,
        recorded_at timestamptz not null
    )
    """,
    "create index audit_log_by_session on audit_log (account_id, session_id)",
    # A session with its walked path and notes as one JSON value each.
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
    # How walks of a flow or proposal ended, by whether they helped.
    """
    create view flow_outcomes as
    select flow_id, flow_version,
        count(*) as sessions,
        count(*) filter (where helpful) as helpful,
        count(*) filter (where not helpful) as unhelpful,
        count(*) filter (where status = 'escalated') as escalated,
        count(*) filter (where status = 'abandoned') as abandoned
    from sessions where flow_id is not null group by flow_id, flow_version
    """,
    """
    create view proposal_outcomes as
    select flow_proposal_id,
        count(*) as sessions,
        count(*) filter (where helpful) as helpful,
        count(*) filter (where not helpful) as unhelpful,
        count(*) filter (where status = 'escalated') as escalated,
        count(*) filter (where status = 'abandoned') as abandoned
    from sessions where flow_proposal_id is not null group by flow_proposal_id
    """,
    # -- in ----------------------------------------------------------------------------------
    # The next offset to apply, moved in the transaction that applies: what is below was applied.
    """
    create table positions (
        topic text not null,
        partition integer not null,
        next_offset bigint not null
            constraint positions_next_offset_check check (next_offset >= 0),
        constraint positions_pkey primary key (topic, partition)
    ) with (fillfactor = 50)
    """,
    # Where a worker stands after an unclean exit, until it has got past it: what it is about to
    # apply, and how often that was tried. Written before, in a transaction of its own.
    """
    create table attempts (
        topic text not null,
        partition integer not null,
        first_offset bigint not null,
        last_offset bigint not null,
        attempts integer not null,
        decoded boolean not null default false,
        constraint attempts_pkey primary key (topic, partition),
        constraint attempts_range_check check (first_offset <= last_offset and attempts >= 1)
    )
    """,
    # Which worker slots were left without saying good-bye.
    """
    create table worker_slots (
        name text constraint worker_slots_pkey primary key,
        running boolean not null
    )
    """,
    # Every command id that was answered, with its answer; without one, the command is parked.
    """
    create table inbox (
        command_id uuid constraint inbox_pkey primary key,
        account_id uuid not null,
        session_id uuid not null,
        digest bytea not null
            constraint inbox_digest_check check (octet_length(digest) = 32),
        reply bytea,
        recorded_at timestamptz not null
    )
    """,
    # Every ticket event that was heard: sources repeat.
    """
    create table ticket_events_heard (
        account_id uuid not null
            constraint ticket_events_heard_account_fkey references accounts on delete cascade,
        provider text not null,
        event_id text not null
            constraint ticket_events_heard_id_check check (char_length(event_id) between 1 and 200),
        recorded_at timestamptz not null,
        constraint ticket_events_heard_pkey primary key (account_id, provider, event_id)
    )
    """,
    # What sweeps asked for already, so that a slow answer is not asked for again.
    """
    create table sweeps (
        command_id uuid constraint sweeps_pkey primary key,
        swept_at timestamptz not null
    )
    """,
    # Kept to be looked at and, where they are commands, to be applied later: `number` is their
    # order. A session is parked as long as a row here is open with reason poison or parked.
    """
    create table dead_letters (
        number bigint generated always as identity constraint dead_letters_pkey primary key,
        id uuid not null constraint dead_letters_id_key unique,
        reason text not null
            constraint dead_letters_reason_check
            check (reason in ('unreadable', 'too_large', 'poison', 'parked')),
        detail text not null,
        topic text not null,
        partition integer not null,
        "offset" bigint not null,
        key bytea,
        headers bytea not null,
        value bytea,
        account_id uuid,
        session_id uuid,
        command_id uuid,
        status text not null default 'open'
            constraint dead_letters_status_check
            check (status in ('open', 'replayed', 'discarded')),
        recorded_at timestamptz not null,
        constraint dead_letters_command_check check (
            (reason in ('poison', 'parked')) = (command_id is not null)
            and (command_id is null) = (session_id is null)
            and (command_id is null) = (account_id is null)
        )
    )
    """,
    """
    create index dead_letters_queue on dead_letters (account_id, session_id, number)
        where status = 'open' and command_id is not null
    """,
    """
    create table parked_sessions (
        account_id uuid not null,
        session_id uuid not null,
        parked_at timestamptz not null,
        constraint parked_sessions_pkey primary key (account_id, session_id)
    )
    """,
    # -- out ---------------------------------------------------------------------------------
    # Ready-made messages, the topic without its prefix, the headers packed into one value.
    # Ids are drawn at insertion, under the session's lock, so that a session's rows are in order.
    """
    create table outbox (
        shard smallint not null,
        id bigint generated always as identity,
        topic text not null,
        key bytea,
        headers bytea not null,
        value bytea,
        constraint outbox_pkey primary key (shard, id)
    ) with (
        autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
        autovacuum_vacuum_cost_delay = 0
    )
    """,
    # What Kafka refused for its own sake, so that it does not block the others.
    """
    create table outbox_set_aside (
        shard smallint not null,
        id bigint not null,
        topic text not null,
        key bytea,
        headers bytea not null,
        value bytea,
        why text not null,
        set_aside_at timestamptz not null default now(),
        constraint outbox_set_aside_pkey primary key (shard, id)
    )
    """,
    # One permanent row a shard: the number of its last intent, and the rows of the open one.
    """
    create table relay_shards (
        shard smallint constraint relay_shards_pkey primary key,
        number bigint not null default 0
            constraint relay_shards_number_check check (number >= 0),
        settled bigint not null default 0,
        row_ids bigint[],
        constraint relay_shards_settled_check check (settled between 0 and number),
        constraint relay_shards_open_check check ((row_ids is null) = (settled = number))
    )
    """,
)

DOWN = (
    "drop view proposal_outcomes, flow_outcomes, session_walks",
    """
    drop table relay_shards, outbox_set_aside, outbox, parked_sessions, dead_letters, sweeps,
        ticket_events_heard, inbox, worker_slots, attempts, positions, audit_log, escalations,
        session_notes, walk_steps, sessions, articles, tickets, flow_proposals, flow_versions,
        flows, recipients, users, accounts
    """,
)


def upgrade() -> None:
    """Create everything."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drop everything."""
    for statement in DOWN:
        op.execute(statement)
