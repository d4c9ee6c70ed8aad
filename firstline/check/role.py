"""Whether the database role may do what worker and relay must, and not much more."""

from collections.abc import Iterator
from types import MappingProxyType

import asyncpg

from firstline.check.findings import Finding, ok, warning, wrong

NEEDED = MappingProxyType(
    {
        "alembic_version": (),
        # Locked against deletion by who starts a session; a lock takes the right to update.
        "accounts": ("update",),
        "account_audit": (),
        "users": (),
        "recipients": (),
        "flows": (),
        "flow_versions": (),
        # AI-built walks that helped are proposed as flows.
        "flow_proposals": ("insert", "update"),
        "proposal_drafts": ("insert",),
        # A start, or an event, that names a ticket of a PSA's makes it known.
        "tickets": ("insert", "update"),
        "articles": (),
        "sessions": ("insert", "update"),
        "walk_steps": ("insert", "delete"),
        "node_requests": ("insert",),
        "served_nodes": ("insert",),
        "node_results": ("insert", "update"),
        "node_usage": ("insert",),
        "session_notes": ("insert", "update", "delete"),
        "escalations": ("insert", "update"),
        # Who may delete here could cover tracks: pruning it is the owner's.
        "audit_log": ("insert",),
        "positions": ("insert", "update"),
        "attempts": ("insert", "update", "delete"),
        "worker_slots": ("insert", "update"),
        "inbox": ("insert", "delete"),
        "ticket_events_heard": ("insert", "delete"),
        "sweeps": ("insert", "delete"),
        # a view
        "proposal_outcomes": (),
        "dead_letters": ("insert", "delete"),
        # Operators write it, in a role of their own.
        "dead_letter_acts": (),
        "parked_sessions": ("insert", "update"),
        "outbox": ("insert", "delete"),
        "outbox_set_aside": ("insert",),
        "relay_shards": ("insert", "update"),
    }
)
"""What worker and relay do with each table besides reading it. Migrating, loading a
catalogue, changing categories and deleting an account are done as the owner."""


async def role(connection: asyncpg.Connection) -> list[Finding]:
    """Judge the role of the connection; the schema has to be the program's own."""
    narrow = list(_too_narrow(await connection.fetch(_LACKING, *_needed())))
    wide = await _too_wide(connection)
    if wide:
        narrow.append(
            warning(
                "the database role",
                f"may do more than worker and relay need: {'; '.join(wide)}",
                "migrate and load as the owner, and run worker and relay as a role with"
                " the rights they need",
            )
        )
    return narrow or [ok("the database role", "may do what is needed, and no more")]


# Rights on single columns count: a role may be given no more than the columns it writes.
_LACKING = """
    select n.name, array_agg(n.privilege order by n.privilege) as lacking
    from unnest($1::text[], $2::text[]) as n(name, privilege)
    where to_regclass(n.name) is null
        or not case
            when n.privilege = 'delete' then has_table_privilege(to_regclass(n.name), 'delete')
            else has_any_column_privilege(to_regclass(n.name), n.privilege)
        end
    group by n.name
    order by n.name
"""


def _needed() -> tuple[list[str], list[str]]:
    pairs = [(name, right) for name, rights in NEEDED.items() for right in ("select", *rights)]
    return [name for name, _ in pairs], [right for _, right in pairs]


def _too_narrow(rows: list[asyncpg.Record]) -> Iterator[Finding]:
    for name, lacking in rows:
        rights = ", ".join(lacking)
        yield wrong(
            f"table {name}",
            f"the database role may not {' or '.join(lacking)}",
            f"as the owner: grant {rights} on {name} to the role",
        )


async def _too_wide(connection: asyncpg.Connection) -> list[str]:
    superuser, creates_roles, owned = await connection.fetchrow(
        """
        select r.rolsuper, r.rolcreaterole,
            (
                select count(*) from pg_class c
                where c.oid = any (select to_regclass(n.name) from unnest($1::text[]) as n(name))
                    and pg_has_role(c.relowner, 'usage')
            )
        from pg_roles r where r.rolname = current_user
        """,
        list(NEEDED),
    )
    if superuser:
        return ["it is a superuser"]
    wide = []
    if creates_roles:
        wide.append("it may create roles")
    if owned:
        wide.append(f"it owns {owned} tables, and could drop them")
    elif await connection.fetchval(
        "select has_table_privilege('audit_log', 'update, delete, truncate')"
    ):
        wide.append("it may change and delete what is in audit_log")
    return wide
