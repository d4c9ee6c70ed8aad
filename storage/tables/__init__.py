"""The tables as SQLAlchemy knows them: what the migrations make, and nothing else.

A test compares the two. The reasons for the schema stand in the migrations; here stands what a
column means to who reads it. Views are left out: nobody writes through them.
"""

from storage.tables.built_walks import (
    node_requests,
    node_results,
    node_usage,
    proposal_drafts,
    served_nodes,
)
from storage.tables.catalogue import (
    account_audit,
    accounts,
    articles,
    flow_proposals,
    flow_versions,
    flows,
    recipients,
    tickets,
    users,
)
from storage.tables.messages import (
    attempts,
    dead_letter_acts,
    dead_letters,
    inbox,
    outbox,
    outbox_set_aside,
    parked_sessions,
    positions,
    relay_shards,
    sweeps,
    ticket_events_heard,
    worker_slots,
)
from storage.tables.metadata import metadata
from storage.tables.sessions import audit_log, escalations, session_notes, sessions, walk_steps

__all__ = [
    "account_audit",
    "accounts",
    "articles",
    "attempts",
    "audit_log",
    "dead_letter_acts",
    "dead_letters",
    "escalations",
    "flow_proposals",
    "flow_versions",
    "flows",
    "inbox",
    "metadata",
    "node_requests",
    "node_results",
    "node_usage",
    "outbox",
    "outbox_set_aside",
    "parked_sessions",
    "positions",
    "proposal_drafts",
    "recipients",
    "relay_shards",
    "served_nodes",
    "session_notes",
    "sessions",
    "sweeps",
    "ticket_events_heard",
    "tickets",
    "users",
    "walk_steps",
    "worker_slots",
]
