-- Roles with the rights that they need, and no more. Run it as a superuser, in firstline's
-- database: once before the first `firstline migrate`, and again after each.
--
--   psql --set ON_ERROR_STOP=1 --single-transaction --file ops/postgres-roles.sql "$ADMIN_URL"
--
-- Nobody logs in as these roles. Make a login for each person, and one for all workers and relays,
-- who end each other's stopped processes, which Postgres allows within one login; grant it a role:
--
--   create role workers login password '…' in role firstline_worker;
--
-- firstline_owner     migrates, loads catalogues, and deletes accounts
-- firstline_worker    is what `firstline worker`, `relay` and `check` run as
-- firstline_operator  works on dead letters, by `firstline dead-letters`
-- firstline_reader    sees sessions and the views for analytics, by `firstline session`, `queue`
--                     and `report`
--
-- Running it again takes back what was granted by hand.

do $$
declare
    name text;
begin
    foreach name in array array[
        'firstline_owner', 'firstline_worker', 'firstline_operator', 'firstline_reader'
    ] loop
        if not exists (select from pg_roles where rolname = name) then
            execute format('create role %I nologin', name);
        end if;
        execute format('grant connect on database %I to %I', current_database(), name);
    end loop;
    execute format('revoke all on database %I from public', current_database());
end
$$;

revoke all on schema public from public;
grant usage on schema public
    to firstline_owner, firstline_worker, firstline_operator, firstline_reader;
grant create on schema public to firstline_owner;

-- Whoever migrated made the tables; from now on the role owns them, not the person.
do $$
declare
    made record;
begin
    for made in
        select c.oid::regclass as name from pg_class c
        where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
            and c.relowner <> 'firstline_owner'::regrole
    loop
        execute format('alter table %s owner to firstline_owner', made.name);
    end loop;
end
$$;

revoke all on all tables in schema public
    from public, firstline_worker, firstline_operator, firstline_reader;

do $$
declare
    given record;
begin
    for given in
        select * from (values
            -- what is loaded is read; an account is locked against deletion by who starts a
            -- session, and a lock takes the right to update
            ('firstline_worker', 'alembic_version', 'select'),
            ('firstline_worker', 'accounts', 'select, update'),
            ('firstline_worker', 'account_audit', 'select'),
            ('firstline_worker', 'users', 'select'),
            ('firstline_worker', 'recipients', 'select'),
            ('firstline_worker', 'flows', 'select'),
            ('firstline_worker', 'flow_versions', 'select'),
            ('firstline_worker', 'flow_proposals', 'select, insert, update'),
            ('firstline_worker', 'proposal_drafts', 'select, insert'),
            ('firstline_worker', 'articles', 'select'),
            ('firstline_worker', 'proposal_outcomes', 'select'),
            -- sessions; what is old is pruned, but the audit trail is written and never rewritten
            ('firstline_worker', 'tickets', 'select, insert, update'),
            ('firstline_worker', 'sessions', 'select, insert, update'),
            ('firstline_worker', 'walk_steps', 'select, insert, delete'),
            ('firstline_worker', 'node_requests', 'select, insert'),
            ('firstline_worker', 'served_nodes', 'select, insert'),
            ('firstline_worker', 'node_results', 'select, insert, update'),
            ('firstline_worker', 'node_usage', 'select, insert'),
            ('firstline_worker', 'session_notes', 'select, insert, update, delete'),
            ('firstline_worker', 'escalations', 'select, insert, update'),
            ('firstline_worker', 'audit_log', 'select, insert'),
            -- in
            ('firstline_worker', 'positions', 'select, insert, update'),
            ('firstline_worker', 'attempts', 'select, insert, update, delete'),
            ('firstline_worker', 'worker_slots', 'select, insert, update'),
            ('firstline_worker', 'inbox', 'select, insert, delete'),
            ('firstline_worker', 'ticket_events_heard', 'select, insert, delete'),
            ('firstline_worker', 'sweeps', 'select, insert, delete'),
            ('firstline_worker', 'dead_letters', 'select, insert, delete'),
            ('firstline_worker', 'dead_letter_acts', 'select'),
            ('firstline_worker', 'parked_sessions', 'select, insert, update'),
            -- out
            ('firstline_worker', 'outbox', 'select, insert, delete'),
            ('firstline_worker', 'outbox_set_aside', 'select, insert'),
            ('firstline_worker', 'relay_shards', 'select, insert, update'),
            -- what a replay reads to decide; it locks accounts, too, and for that the right to
            -- update any one column is enough: foreign keys keep the id as it is
            ('firstline_operator', 'accounts', 'select, update (id)'),
            ('firstline_operator', 'users', 'select'),
            ('firstline_operator', 'recipients', 'select'),
            ('firstline_operator', 'flows', 'select'),
            ('firstline_operator', 'flow_versions', 'select'),
            ('firstline_operator', 'flow_proposals', 'select, insert, update'),
            ('firstline_operator', 'proposal_drafts', 'select, insert'),
            ('firstline_operator', 'articles', 'select'),
            ('firstline_operator', 'proposal_outcomes', 'select'),
            -- what it writes, as a worker would have
            ('firstline_operator', 'tickets', 'select, insert, update'),
            ('firstline_operator', 'sessions', 'select, insert, update'),
            ('firstline_operator', 'walk_steps', 'select, insert'),
            ('firstline_operator', 'node_requests', 'select, insert'),
            ('firstline_operator', 'served_nodes', 'select, insert'),
            ('firstline_operator', 'session_notes', 'select, insert, update'),
            ('firstline_operator', 'escalations', 'select, insert, update'),
            ('firstline_operator', 'audit_log', 'select, insert'),
            ('firstline_operator', 'ticket_events_heard', 'select, insert'),
            ('firstline_operator', 'outbox', 'insert'),
            -- an answer is given to a claim that has none; a letter is settled, never removed; what
            -- was done is written up, and stays
            ('firstline_operator', 'inbox', 'select, insert, update (reply, recorded_at)'),
            ('firstline_operator', 'dead_letters', 'select, update (reason, detail, status)'),
            ('firstline_operator', 'dead_letter_acts', 'select, insert'),
            ('firstline_operator', 'parked_sessions', 'select, update (parked_at), delete'),
            -- people's addresses, messages and what could not be read are nobody's to look at
            ('firstline_reader', 'alembic_version', 'select'),
            ('firstline_reader', 'accounts', 'select'),
            ('firstline_reader', 'account_audit', 'select'),
            ('firstline_reader', 'users', 'select (id, account_id, name, role, l1_coverage, deleted_at)'),
            ('firstline_reader', 'flows', 'select'),
            ('firstline_reader', 'flow_versions', 'select'),
            ('firstline_reader', 'flow_proposals', 'select'),
            ('firstline_reader', 'proposal_drafts', 'select'),
            ('firstline_reader', 'tickets', 'select'),
            ('firstline_reader', 'articles', 'select'),
            ('firstline_reader', 'sessions', 'select'),
            ('firstline_reader', 'walk_steps', 'select'),
            ('firstline_reader', 'node_requests', 'select'),
            ('firstline_reader', 'served_nodes', 'select'),
            ('firstline_reader', 'node_usage', 'select'),
            ('firstline_reader', 'session_notes', 'select'),
            ('firstline_reader', 'escalations', 'select'),
            ('firstline_reader', 'audit_log', 'select'),
            (
                'firstline_reader', 'dead_letters',
                'select (number, id, reason, detail, topic, partition, "offset", account_id,'
                ' session_id, command_id, status, recorded_at)'
            ),
            (
                'firstline_reader', 'dead_letter_acts',
                'select (id, letter, act, actor, because, detail, acted_at)'
            ),
            ('firstline_reader', 'parked_sessions', 'select'),
            ('firstline_reader', 'session_walks', 'select'),
            ('firstline_reader', 'flow_outcomes', 'select'),
            ('firstline_reader', 'proposal_outcomes', 'select'),
            ('firstline_reader', 'ended_sessions', 'select'),
            ('firstline_reader', 'weekly_first_level_resolution', 'select'),
            ('firstline_reader', 'weekly_escalation', 'select'),
            ('firstline_reader', 'weekly_time_to_outcome', 'select'),
            ('firstline_reader', 'weekly_steps_to_outcome', 'select'),
            ('firstline_reader', 'weekly_abandonment', 'select'),
            ('firstline_reader', 'weekly_reopening', 'select'),
            ('firstline_reader', 'weekly_flow_hits', 'select'),
            ('firstline_reader', 'node_usage_by_account_and_day', 'select')
        ) as g (role, name, rights)
        where to_regclass(name) is not null  -- none is, before the first migration
    loop
        execute format('grant %s on table %I to %I', given.rights, given.name, given.role);
    end loop;
end
$$;
