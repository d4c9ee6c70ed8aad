"""Sessions and what belongs to them: steps, notes, escalations, the audit trail."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from storage.tables.metadata import ID, MOMENT, account_id, metadata

sessions = Table(
    "sessions",
    metadata,
    Column("id", ID),
    account_id("sessions"),
    Column("created_by", ID, nullable=False),
    Column("acting_as", Text),
    Column("ticket_kind", Text, nullable=False),
    Column("ticket_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("flow_id", ID),
    Column("flow_version", Integer),
    Column("flow_proposal_id", ID),
    Column("category", Text),
    Column("problem_text", Text),
    # not a foreign key: the earlier session may be gone
    Column("previous_session_id", ID),
    Column("started_at", MOMENT, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("steps", Integer, nullable=False),
    Column("current_node_id", Text),
    Column("node_requested", Boolean, nullable=False, server_default=false()),
    Column("last_activity_at", MOMENT, nullable=False),
    Column("ended_at", MOMENT),
    Column("helpful", Boolean),
    Column("resolution_notes", Text),
    Column("reason", Text),
    Column("reason_category", Text),
    # when steps and notes were deleted: see storage/retention.py
    Column("walk_pruned_at", MOMENT),
    PrimaryKeyConstraint("id", name="sessions_pkey"),
    ForeignKeyConstraint(
        ["account_id", "created_by"],
        ["users.account_id", "users.id"],
        name="sessions_creator_fkey",
    ),
    ForeignKeyConstraint(
        ["account_id", "flow_id", "flow_version"],
        ["flow_versions.account_id", "flow_versions.flow_id", "flow_versions.version"],
        name="sessions_flow_fkey",
    ),
    ForeignKeyConstraint(
        ["account_id", "flow_proposal_id"],
        ["flow_proposals.account_id", "flow_proposals.id"],
        name="sessions_proposal_fkey",
    ),
    CheckConstraint("acting_as in ('l1_coverage')", name="sessions_acting_as_check"),
    CheckConstraint("ticket_kind in ('psa', 'internal')", name="sessions_ticket_kind_check"),
    CheckConstraint("char_length(ticket_id) between 1 and 64", name="sessions_ticket_id_check"),
    CheckConstraint(
        "kind in ('flow', 'proposal', 'adhoc', 'ai_build')", name="sessions_kind_check"
    ),
    CheckConstraint("char_length(category) <= 100", name="sessions_category_check"),
    CheckConstraint("char_length(problem_text) <= 20000", name="sessions_problem_text_check"),
    CheckConstraint(
        "status in ('active', 'resolved', 'escalated', 'abandoned')",
        name="sessions_status_check",
    ),
    CheckConstraint("version >= 1", name="sessions_version_check"),
    # every step is an event, and every event is a version
    CheckConstraint("steps between 0 and version", name="sessions_steps_check"),
    CheckConstraint(
        "char_length(current_node_id) between 1 and 100", name="sessions_current_node_id_check"
    ),
    CheckConstraint(
        "not node_requested or kind = 'ai_build'", name="sessions_node_requested_check"
    ),
    CheckConstraint(
        "char_length(resolution_notes) <= 20000", name="sessions_resolution_notes_check"
    ),
    CheckConstraint("char_length(reason) <= 20000", name="sessions_reason_check"),
    CheckConstraint(
        "char_length(reason_category) between 1 and 30", name="sessions_reason_category_check"
    ),
    CheckConstraint(
        """
        (kind = 'flow') = (flow_id is not null)
        and (kind = 'flow') = (flow_version is not null)
        and (kind = 'proposal') = (flow_proposal_id is not null)
        """,
        name="sessions_target_check",
    ),
    CheckConstraint(
        "kind <> 'ai_build' or problem_text is not null", name="sessions_problem_check"
    ),
    CheckConstraint(
        """
        (status = 'active') = (ended_at is null)
        and (status = 'resolved') = (resolution_notes is not null)
        and (status = 'resolved' or helpful is null)
        and (status = 'escalated') = (reason_category is not null)
        and (status in ('escalated', 'abandoned') or reason is null)
        """,
        name="sessions_outcome_check",
    ),
    CheckConstraint(
        """
        started_at >= '2000-01-01 00:00+00' and started_at < '2101-01-01 00:00+00'
        and last_activity_at >= '2000-01-01 00:00+00'
        and last_activity_at < '2101-01-01 00:00+00'
        and ended_at >= '2000-01-01 00:00+00' and ended_at < '2101-01-01 00:00+00'
        """,
        name="sessions_times_check",
    ),
    CheckConstraint(
        "walk_pruned_at is null or status <> 'active'", name="sessions_walk_pruned_check"
    ),
    postgresql_with={"fillfactor": 80},
)
Index(
    "sessions_by_proposal",
    sessions.c.flow_proposal_id,
    postgresql_where=sessions.c.flow_proposal_id.is_not(None),
)
Index("sessions_by_creator", sessions.c.account_id, sessions.c.created_by)
# The walks to delete next.
Index(
    "sessions_by_end",
    sessions.c.ended_at,
    postgresql_where=text("ended_at is not null and walk_pruned_at is null"),
)
Index(
    "sessions_by_ticket",
    sessions.c.account_id,
    sessions.c.ticket_kind,
    sessions.c.ticket_id,
    sessions.c.started_at,
)
Index(
    "sessions_one_active_per_ticket",
    sessions.c.account_id,
    sessions.c.ticket_kind,
    sessions.c.ticket_id,
    unique=True,
    postgresql_where=text("status = 'active'"),
)

walk_steps = Table(
    "walk_steps",
    metadata,
    Column(
        "session_id",
        ID,
        ForeignKey("sessions.id", name="walk_steps_session_fkey", ondelete="CASCADE"),
        nullable=False,
    ),
    # counts the walk's steps from 1, without a gap
    Column("position", Integer, nullable=False),
    Column("node_id", Text, nullable=False),
    Column("question", Text, nullable=False),
    Column("option_id", Text),
    Column("answer", Text, nullable=False),
    Column("note", Text),
    Column("recorded_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("session_id", "position", name="walk_steps_pkey"),
    CheckConstraint("position >= 1", name="walk_steps_position_check"),
    CheckConstraint("char_length(node_id) between 1 and 100", name="walk_steps_node_id_check"),
    CheckConstraint("char_length(question) <= 20000", name="walk_steps_question_check"),
    CheckConstraint("char_length(option_id) <= 100", name="walk_steps_option_id_check"),
    CheckConstraint("char_length(answer) between 1 and 4000", name="walk_steps_answer_check"),
    CheckConstraint("char_length(note) <= 20000", name="walk_steps_note_check"),
)

session_notes = Table(
    "session_notes",
    metadata,
    Column(
        "session_id",
        ID,
        ForeignKey("sessions.id", name="session_notes_session_fkey", ondelete="CASCADE"),
    ),
    Column("notes", JSON, nullable=False),
    PrimaryKeyConstraint("session_id", name="session_notes_pkey"),
    CheckConstraint("json_typeof(notes) = 'array'", name="session_notes_array_check"),
    CheckConstraint("octet_length(notes::text) <= 262144", name="session_notes_size_check"),
)

escalations = Table(
    "escalations",
    metadata,
    Column(
        "session_id",
        ID,
        ForeignKey("sessions.id", name="escalations_session_fkey", ondelete="CASCADE"),
    ),
    account_id("escalations"),
    Column("status", Text, nullable=False, server_default="open"),
    # the user's id, or 'system', like the audit trail's actor
    Column("escalated_by", Text, nullable=False),
    Column("last_activity_at", MOMENT, nullable=False),
    Column("claimed_by", ID),
    Column("claimed_at", MOMENT),
    Column("ended_at", MOMENT),
    # of a closed one
    Column("resolution_notes", Text),
    # of one that was handed back, and the session that goes on
    Column("instructions", Text),
    Column("new_session_id", ID),
    # how often people were told again
    Column("notified", Integer, nullable=False, server_default=text("0")),
    # when something last happened to it, being told of included
    Column("moved_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("session_id", name="escalations_pkey"),
    ForeignKeyConstraint(
        ["account_id", "claimed_by"],
        ["users.account_id", "users.id"],
        name="escalations_claimer_fkey",
    ),
    CheckConstraint(
        "status in ('open', 'claimed', 'closed', 'handed_back')", name="escalations_status_check"
    ),
    CheckConstraint(
        "(status = 'open') = (claimed_by is null) and (claimed_by is null) = (claimed_at is null)",
        name="escalations_claim_check",
    ),
    CheckConstraint(
        "(status in ('closed', 'handed_back')) = (ended_at is not null)",
        name="escalations_end_check",
    ),
    CheckConstraint("notified >= 0", name="escalations_notified_check"),
    CheckConstraint(
        """
        (status = 'closed') = (resolution_notes is not null)
        and (status = 'handed_back') = (instructions is not null)
        and (status = 'handed_back') = (new_session_id is not null)
        """,
        name="escalations_outcome_check",
    ),
)
Index("escalations_by_claimer", escalations.c.account_id, escalations.c.claimed_by)
Index(
    "escalations_queue",
    escalations.c.account_id,
    escalations.c.last_activity_at.desc(),
    postgresql_where=text("status in ('open', 'claimed')"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger, Identity(always=True)),
    account_id("audit_log"),
    Column("session_id", ID, nullable=False),
    Column("command_id", ID, nullable=False),
    Column("actor_id", Text, nullable=False),
    # as it was then: people change their names
    Column("actor_name", Text, nullable=False),
    Column("acting_as", Text),
    Column("action", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    Column("recorded_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("id", name="audit_log_pkey"),
    CheckConstraint(
        "action in ('session.resolve', 'session.escalate', 'session.escalate_without_walk', "
        "'session.abandon', 'escalation.claim', 'escalation.release', 'escalation.close', "
        "'escalation.hand_back')",
        name="audit_log_action_check",
    ),
    Index("audit_log_by_session", "account_id", "session_id"),
)
