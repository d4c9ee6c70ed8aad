"""AI-built walks: requests for nodes, what came of them, what was paid, and proposal drafts."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSON

from storage.tables.metadata import ID, MOMENT, account_id, metadata


def _session_id(table: str) -> ForeignKey:
    return ForeignKey("sessions.id", name=f"{table}_session_fkey", ondelete="CASCADE")


node_requests = Table(
    "node_requests",
    metadata,
    # the id of the node_requested event
    Column("request_id", ID),
    account_id("node_requests"),
    Column("session_id", ID, _session_id("node_requests"), nullable=False),
    # the session's, at the event
    Column("version", Integer, nullable=False),
    Column("correlation", Text),
    Column("requested_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("request_id", name="node_requests_pkey"),
    UniqueConstraint("session_id", "version", name="node_requests_version_key"),
    CheckConstraint("version >= 1", name="node_requests_version_check"),
    CheckConstraint("char_length(correlation) <= 128", name="node_requests_correlation_check"),
)

served_nodes = Table(
    "served_nodes",
    metadata,
    Column("session_id", ID, _session_id("served_nodes"), nullable=False),
    # the session's, at the node_served event
    Column("version", Integer, nullable=False),
    Column("node", JSON, nullable=False),
    PrimaryKeyConstraint("session_id", "version", name="served_nodes_pkey"),
    CheckConstraint("version >= 1", name="served_nodes_version_check"),
    CheckConstraint("json_typeof(node) = 'object'", name="served_nodes_object_check"),
)

node_results = Table(
    "node_results",
    metadata,
    Column(
        "request_id",
        ID,
        ForeignKey(
            "node_requests.request_id", name="node_results_request_fkey", ondelete="CASCADE"
        ),
    ),
    account_id("node_results"),
    # a claim is one attempt to generate the node; its holder is a consumer
    Column("claim_id", ID, nullable=False),
    Column("holder", Text, nullable=False),
    Column("claimed_at", MOMENT, nullable=False),
    Column("claimed_until", MOMENT, nullable=False),
    # what came of it, once there is something
    Column("node", JSON),
    Column("stored_at", MOMENT),
    PrimaryKeyConstraint("request_id", name="node_results_pkey"),
    CheckConstraint("claimed_until >= claimed_at", name="node_results_claim_check"),
    CheckConstraint("(node is null) = (stored_at is null)", name="node_results_stored_check"),
)
Index(
    "node_results_under_way",
    node_results.c.account_id,
    postgresql_where=text("node is null"),
)

node_usage = Table(
    "node_usage",
    metadata,
    Column("claim_id", ID),
    # not a foreign key: what was paid outlives the session
    Column("request_id", ID, nullable=False),
    account_id("node_usage"),
    Column("model", Text, nullable=False),
    Column("input_tokens", BigInteger, nullable=False),
    Column("output_tokens", BigInteger, nullable=False),
    Column("cost_microdollars", BigInteger, nullable=False),
    Column("used_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("claim_id", name="node_usage_pkey"),
    CheckConstraint(
        "input_tokens >= 0 and output_tokens >= 0 and cost_microdollars >= 0",
        name="node_usage_amounts_check",
    ),
    Index("node_usage_by_day", "account_id", "used_at"),
)

proposal_drafts = Table(
    "proposal_drafts",
    metadata,
    Column(
        "flow_proposal_id",
        ID,
        ForeignKey("flow_proposals.id", name="proposal_drafts_proposal_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("session_id", ID, _session_id("proposal_drafts")),
    PrimaryKeyConstraint("session_id", name="proposal_drafts_pkey"),
    Index("proposal_drafts_by_proposal", "flow_proposal_id"),
)
