"""What comes in and what goes out: positions, inbox, dead letters, outbox, relay."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE

from storage.tables.metadata import ID, MOMENT, account_id, metadata

positions = Table(
    "positions",
    metadata,
    # the full name, prefix and all
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("next_offset", BigInteger, nullable=False),
    # Kafka's own id of the topic; null where it told none
    Column("topic_id", ID),
    # where the log was found to end, before the position: it was cut
    Column("cut_to", BigInteger),
    PrimaryKeyConstraint("topic", "partition", name="positions_pkey"),
    CheckConstraint("next_offset >= 0", name="positions_next_offset_check"),
    CheckConstraint("cut_to between 0 and next_offset", name="positions_cut_to_check"),
    # updated by every batch, and few: half of each page is left for the next version of its rows
    postgresql_with={"fillfactor": 50},
)

attempts = Table(
    "attempts",
    metadata,
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("first_offset", BigInteger, nullable=False),
    # inclusive
    Column("last_offset", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("decoded", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("topic", "partition", name="attempts_pkey"),
    CheckConstraint("first_offset <= last_offset and attempts >= 1", name="attempts_range_check"),
)

worker_slots = Table(
    "worker_slots",
    metadata,
    Column("name", Text),
    Column("running", Boolean, nullable=False),
    PrimaryKeyConstraint("name", name="worker_slots_pkey"),
)

# Ids without foreign keys: a refused command may name an account or a session that never was.
inbox = Table(
    "inbox",
    metadata,
    Column("command_id", ID),
    Column("account_id", ID, nullable=False),
    Column("session_id", ID, nullable=False),
    # SHA-256 of the record's value: the same id over other bytes is a reused id
    Column("digest", LargeBinary, nullable=False),
    Column("reply", LargeBinary),
    Column("recorded_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("command_id", name="inbox_pkey"),
    CheckConstraint("octet_length(digest) = 32", name="inbox_digest_check"),
)
# The oldest are deleted first; those that are parked stay.
Index("inbox_by_age", inbox.c.recorded_at, postgresql_where=text("reply is not null"))

# Sources of ticket events repeat themselves, across topics and offsets.
ticket_events_heard = Table(
    "ticket_events_heard",
    metadata,
    account_id("ticket_events_heard"),
    Column("provider", Text, nullable=False),
    # the provider's own
    Column("event_id", Text, nullable=False),
    Column("recorded_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("account_id", "provider", "event_id", name="ticket_events_heard_pkey"),
    CheckConstraint("char_length(event_id) between 1 and 200", name="ticket_events_heard_id_check"),
    Index("ticket_events_heard_by_age", "recorded_at"),
)

# The commands that sweeps asked for already, so that a slow answer is not asked for again.
sweeps = Table(
    "sweeps",
    metadata,
    Column("command_id", ID),
    Column("swept_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("command_id", name="sweeps_pkey"),
    Index("sweeps_by_age", "swept_at"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("number", BigInteger, Identity(always=True)),
    Column("id", ID, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("key", LargeBinary),
    Column("headers", LargeBinary, nullable=False),
    Column("value", LargeBinary),
    Column("account_id", ID),
    Column("session_id", ID),
    Column("command_id", ID),
    Column("status", Text, nullable=False, server_default="open"),
    Column("recorded_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("number", name="dead_letters_pkey"),
    UniqueConstraint("id", name="dead_letters_id_key"),
    # one record, one dead letter, however often it is delivered
    CheckConstraint(
        "reason in ('unreadable', 'too_large', 'poison', 'parked')",
        name="dead_letters_reason_check",
    ),
    CheckConstraint(
        "status in ('open', 'replayed', 'discarded')", name="dead_letters_status_check"
    ),
    # what can be replayed is a command; what could not be read is none
    CheckConstraint(
        """
        (reason in ('poison', 'parked')) = (command_id is not null)
        and (command_id is null) = (session_id is null)
        and (command_id is null) = (account_id is null)
        """,
        name="dead_letters_command_check",
    ),
)
# What waits for a session, in order.
Index(
    "dead_letters_queue",
    dead_letters.c.account_id,
    dead_letters.c.session_id,
    dead_letters.c.number,
    postgresql_where=text("status = 'open' and command_id is not null"),
)

# What may be deleted once it is old: nothing that waits, or that something waits behind.
Index(
    "dead_letters_by_age",
    dead_letters.c.recorded_at,
    postgresql_where=text("status <> 'open' or command_id is null"),
)

# How many commands became poison of late.
Index(
    "dead_letters_poison",
    dead_letters.c.recorded_at,
    postgresql_where=text("reason = 'poison' and status = 'open'"),
)

# What operators did about a dead letter; the newest edit is what a replay applies.
dead_letter_acts = Table(
    "dead_letter_acts",
    metadata,
    Column("id", BigInteger, Identity(always=True)),
    Column("letter", BigInteger, nullable=False),
    Column("act", Text, nullable=False),
    # whoever says that it is them
    Column("actor", Text, nullable=False),
    Column("because", Text, nullable=False),
    Column("detail", Text),
    Column("value", LargeBinary),
    Column("acted_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("id", name="dead_letter_acts_pkey"),
    ForeignKeyConstraint(
        ["letter"],
        ["dead_letters.number"],
        name="dead_letter_acts_letter_fkey",
        ondelete="CASCADE",
    ),
    CheckConstraint(
        "act in ('edited', 'replayed', 'failed', 'discarded')", name="dead_letter_acts_act_check"
    ),
    CheckConstraint("char_length(actor) between 1 and 200", name="dead_letter_acts_actor_check"),
    CheckConstraint("char_length(because) <= 2000", name="dead_letter_acts_because_check"),
    CheckConstraint("(act = 'edited') = (value is not null)", name="dead_letter_acts_value_check"),
)
Index("dead_letter_acts_by_letter", dead_letter_acts.c.letter, dead_letter_acts.c.id)

# The row that arriving commands and a replay lock, so that neither overtakes the other.
parked_sessions = Table(
    "parked_sessions",
    metadata,
    Column("account_id", ID, nullable=False),
    Column("session_id", ID, nullable=False),
    Column("parked_at", MOMENT, nullable=False),
    PrimaryKeyConstraint("account_id", "session_id", name="parked_sessions_pkey"),
)

outbox = Table(
    "outbox",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    Column("id", BigInteger, Identity(always=True)),
    # without the prefix, which the relay puts in front
    Column("topic", Text, nullable=False),
    Column("key", LargeBinary),
    # names and values in turn
    Column("headers", LargeBinary, nullable=False),
    # a tombstone has none
    Column("value", LargeBinary),
    PrimaryKeyConstraint("shard", "id", name="outbox_pkey"),
    # a queue: what is inserted is soon deleted
    postgresql_with={
        "autovacuum_vacuum_scale_factor": 0.01,
        "autovacuum_vacuum_threshold": 1000,
        "autovacuum_vacuum_cost_delay": 0,
    },
)

outbox_set_aside = Table(
    "outbox_set_aside",
    metadata,
    Column("shard", SmallInteger, nullable=False),
    # the one it had in the outbox
    Column("id", BigInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("key", LargeBinary),
    Column("headers", LargeBinary, nullable=False),
    Column("value", LargeBinary),
    Column("why", Text, nullable=False),
    Column("set_aside_at", MOMENT, nullable=False, server_default=func.now()),
    PrimaryKeyConstraint("shard", "id", name="outbox_set_aside_pkey"),
)

relay_shards = Table(
    "relay_shards",
    metadata,
    Column("shard", SmallInteger, autoincrement=False),
    # of the last intent opened, and of the last one settled: the same, or one is open
    Column("number", BigInteger, nullable=False, server_default=text("0")),
    Column("settled", BigInteger, nullable=False, server_default=text("0")),
    Column("row_ids", INT8MULTIRANGE),
    # of the last intent settled: they may be in the outbox still
    Column("settled_ids", INT8MULTIRANGE),
    PrimaryKeyConstraint("shard", name="relay_shards_pkey"),
    CheckConstraint("number >= 0", name="relay_shards_number_check"),
    CheckConstraint("settled between 0 and number", name="relay_shards_settled_check"),
    CheckConstraint("(row_ids is null) = (settled = number)", name="relay_shards_open_check"),
)
