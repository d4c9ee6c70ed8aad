"""What an account brings along before anybody works: people, flows, tickets, articles."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

from storage.tables.metadata import ID, MOMENT, TEXTS, account_id, metadata

_TITLE_AND_CATEGORY = """
    setweight(to_tsvector('english', title), 'A')
    || setweight(to_tsvector('english', coalesce(category, '')), 'B')
"""
_WALK_WORDS = f"""
    {_TITLE_AND_CATEGORY}
    || setweight(
        jsonb_to_tsvector('english', jsonb_path_query_array(nodes, '$.*.text'), '["string"]'),
        'D'
    )
"""
_ARTICLE_WORDS = f"{_TITLE_AND_CATEGORY} || setweight(to_tsvector('english', body), 'D')"


def _words(expression: str) -> Column[Any]:
    """Declare what an intake searches; Postgres keeps it up."""
    return Column("words", TSVECTOR, Computed(expression, persisted=True), nullable=False)


accounts = Table(
    "accounts",
    metadata,
    Column("id", ID),
    Column("name", Text, nullable=False),
    # e-mail addresses, told where a reason category has nobody of its own
    Column("default_recipients", TEXTS, nullable=False, server_default=text("'{}'")),
    Column("categories", TEXTS, nullable=False, server_default=text("'{}'")),
    # what the account wants done by itself, in the shape of the catalogue file
    Column("policy", JSONB, nullable=False, server_default=text("'{}'")),
    # it is being deleted, and nobody's any more
    Column("ended_at", MOMENT),
    PrimaryKeyConstraint("id", name="accounts_pkey"),
)

users = Table(
    "users",
    metadata,
    Column("id", ID),
    account_id("users"),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("role", Text, nullable=False),
    # makes an engineer a walker of sessions; means nothing for other roles
    Column("l1_coverage", Boolean, nullable=False, server_default=false()),
    # who left stays as a row, because sessions and the audit trail name them
    Column("deleted_at", MOMENT),
    PrimaryKeyConstraint("id", name="users_pkey"),
    UniqueConstraint("account_id", "id", name="users_of_account_key"),
    CheckConstraint("role in ('l1_tech', 'engineer', 'admin', 'owner')", name="users_role_check"),
)

# Who is told of an escalation for a reason: as many as the account wants.
recipients = Table(
    "recipients",
    metadata,
    account_id("recipients"),
    Column("reason_category", Text, nullable=False),
    Column("user_id", ID, nullable=False),
    PrimaryKeyConstraint("account_id", "reason_category", "user_id", name="recipients_pkey"),
    ForeignKeyConstraint(
        ["account_id", "user_id"],
        ["users.account_id", "users.id"],
        name="recipients_user_fkey",
        ondelete="CASCADE",
    ),
    CheckConstraint(
        "char_length(reason_category) between 1 and 30", name="recipients_category_check"
    ),
)

flows = Table(
    "flows",
    metadata,
    Column("id", ID),
    account_id("flows"),
    # starts nothing new; sessions that walk it go on
    Column("archived", Boolean, nullable=False, server_default=false()),
    PrimaryKeyConstraint("id", name="flows_pkey"),
    UniqueConstraint("account_id", "id", name="flows_of_account_key"),
)

flow_versions = Table(
    "flow_versions",
    metadata,
    # no key to the account of its own: it goes with its flow
    Column("account_id", ID, nullable=False),
    Column("flow_id", ID, nullable=False),
    Column("version", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("category", Text),
    Column("start", Text, nullable=False),
    # by node id, in the shape of the catalogue file
    Column("nodes", JSONB, nullable=False),
    _words(_WALK_WORDS),
    PrimaryKeyConstraint("account_id", "flow_id", "version", name="flow_versions_pkey"),
    ForeignKeyConstraint(
        ["account_id", "flow_id"],
        ["flows.account_id", "flows.id"],
        name="flow_versions_flow_fkey",
        ondelete="CASCADE",
    ),
    CheckConstraint("version >= 1", name="flow_versions_version_check"),
)

flow_proposals = Table(
    "flow_proposals",
    metadata,
    Column("id", ID),
    account_id("flow_proposals"),
    Column("title", Text, nullable=False),
    Column("category", Text),
    Column("start", Text, nullable=False),
    Column("nodes", JSONB, nullable=False),
    # true from the first session that was resolved with its help, and never false again
    Column("validated_by_outcome", Boolean, nullable=False, server_default=false()),
    _words(_WALK_WORDS),
    PrimaryKeyConstraint("id", name="flow_proposals_pkey"),
    UniqueConstraint("account_id", "id", name="flow_proposals_of_account_key"),
)

tickets = Table(
    "tickets",
    metadata,
    account_id("tickets"),
    Column("kind", Text, nullable=False),
    # a UUID only where we keep the ticket; a PSA names its tickets as it likes
    Column("id", Text, nullable=False),
    Column("title", Text),
    Column("status", Text, nullable=False, server_default="open"),
    Column("resolution_notes", Text),
    # what the PSA told of it last, by the time that it gave; the status in its own words
    Column("psa_status", Text),
    Column("priority", Text),
    Column("owner", Text),
    Column("url", Text),
    Column("updated_at", MOMENT),
    # of the latest events of their kinds: sources repeat and reorder
    Column("closed_at", MOMENT),
    Column("reopened_at", MOMENT),
    PrimaryKeyConstraint("account_id", "kind", "id", name="tickets_pkey"),
    CheckConstraint("kind in ('psa', 'internal')", name="tickets_kind_check"),
    CheckConstraint("char_length(id) between 1 and 64", name="tickets_id_check"),
    CheckConstraint(
        "status in ('open', 'resolved', 'escalated', 'closed')", name="tickets_status_check"
    ),
    CheckConstraint(
        "kind <> 'internal' "
        "or id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'",
        name="tickets_internal_id_check",
    ),
)
Index(
    "tickets_internal_key",
    tickets.c.id,
    unique=True,
    postgresql_where=text("kind = 'internal'"),
)

articles = Table(
    "articles",
    metadata,
    Column("id", ID),
    account_id("articles"),
    Column("title", Text, nullable=False),
    Column("category", Text),
    Column("body", Text, nullable=False),
    _words(_ARTICLE_WORDS),
    PrimaryKeyConstraint("id", name="articles_pkey"),
    Index("articles_by_account", "account_id"),
)

# Who changed the account itself.
account_audit = Table(
    "account_audit",
    metadata,
    Column("id", BigInteger, Identity(always=True)),
    account_id("account_audit"),
    Column("actor_id", ID, nullable=False),
    # as it was then: people change their names
    Column("actor_name", Text, nullable=False),
    Column("action", Text, nullable=False),
    # what there was before, and after
    Column("details", JSONB, nullable=False),
    Column("recorded_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("id", name="account_audit_pkey"),
    CheckConstraint("action in ('categories.set')", name="account_audit_action_check"),
    Index("account_audit_by_account", "account_id"),
)
