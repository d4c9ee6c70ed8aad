"""Sessions that have ended, in SQL: what the worker would have written, a few words each."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import asyncpg

from tests.builders import ACME, ENGINEER, FLOW, GLOBEX, GLOBEX_TECH, PROPOSAL, TECH, an_id

MONDAY = datetime(2026, 2, 2, 9, tzinfo=UTC)
DAY, WEEK = timedelta(days=1), timedelta(weeks=1)
_PEOPLE = {ACME: TECH, GLOBEX: GLOBEX_TECH}
_ENDS: dict[str, Mapping[str, object]] = {
    "active": {"ended_at": None},
    "resolved": {"resolution_notes": ""},
    "escalated": {"reason_category": "beyond_scope"},
    "abandoned": {},
}
_TARGETS: dict[str, Mapping[str, object]] = {
    "flow": {"flow_id": FLOW, "flow_version": 1, "current_node_id": "n1"},
    "proposal": {"flow_proposal_id": PROPOSAL, "current_node_id": "n1"},
    "adhoc": {},
    "ai_build": {"problem_text": "No mail."},
}
_NODES = '{"n1": {"type": "question"}, "done": {"type": "resolve"}}'
_CATALOGUE = f"""
    insert into accounts (id, name) values ('{ACME}', 'Acme MSP'), ('{GLOBEX}', 'Globex');
    insert into users (id, account_id, name, email, role) values
        ('{TECH}', '{ACME}', 'Terry', 't@acme.example', 'l1_tech'),
        ('{ENGINEER}', '{ACME}', 'Eve', 'e@acme.example', 'engineer'),
        ('{GLOBEX_TECH}', '{GLOBEX}', 'Gus', 'g@globex.example', 'l1_tech');
    insert into flows (id, account_id) values ('{FLOW}', '{ACME}');
    insert into flow_versions (account_id, flow_id, version, title, category, start, nodes)
        values ('{ACME}', '{FLOW}', 1, 'Mail does not arrive', 'email', 'n1', '{_NODES}');
    insert into flow_proposals (id, account_id, title, category, start, nodes)
        values ('{PROPOSAL}', '{ACME}', 'Printer', 'printing', 'n1', '{_NODES}');
"""


class Desk:
    """A database with two accounts, and sessions one after the other, each on its own ticket."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self._sessions = 0

    @classmethod
    async def furnished(cls, connection: asyncpg.Connection) -> "Desk":
        await connection.execute(_CATALOGUE)
        return cls(connection)

    async def session(
        self,
        status: str = "resolved",
        kind: str = "adhoc",
        *,
        account_id: str = ACME,
        ended_at: datetime = MONDAY,
        took: timedelta = timedelta(minutes=10),
        **more: object,
    ) -> str:
        """A session that ended so; returns its id. An active one would have ended then."""
        self._sessions += 1
        id_ = an_id(0x1000 + self._sessions)
        row = {
            "id": id_,
            "account_id": account_id,
            "created_by": _PEOPLE[account_id],
            "ticket_kind": "psa",
            "ticket_id": id_[-8:],
            "kind": kind,
            "started_at": ended_at - took,
            "status": status,
            "version": 50,
            "steps": 0,
            "last_activity_at": ended_at,
            "ended_at": ended_at,
            **_ENDS[status],
            **_TARGETS[kind],
            **more,
        }
        await self._insert("sessions", row)
        return id_

    async def hand_back(self, session_id: str, new_session_id: str) -> None:
        """The escalation of a session went on in another."""
        await self._insert(
            "escalations",
            {
                "session_id": session_id,
                "account_id": ACME,
                "status": "handed_back",
                "escalated_by": TECH,
                "last_activity_at": MONDAY,
                "claimed_by": ENGINEER,
                "claimed_at": MONDAY,
                "ended_at": MONDAY,
                "instructions": "Ask for the number.",
                "new_session_id": new_session_id,
                "moved_at": MONDAY,
            },
        )

    async def ticket(self, ticket_id: str, reopened_at: datetime) -> None:
        """A ticket of Acme's PSA that was reopened."""
        ticket = {"account_id": ACME, "kind": "psa", "id": ticket_id, "reopened_at": reopened_at}
        await self._insert("tickets", ticket)

    async def rows(self, view: str, account_id: str = ACME) -> list[tuple[object, ...]]:
        """What a view has of an account, in the order of its columns, without the account."""
        found = await self._connection.fetch(
            f"select * from {view} where account_id = $1 order by 2, 3", account_id
        )
        return [tuple(row.values())[1:] for row in found]

    async def values(self, sql: str) -> list[object]:
        """The first column of what a statement returns."""
        return [row[0] for row in await self._connection.fetch(sql)]

    async def _insert(self, table: str, row: Mapping[str, object]) -> None:
        names = ", ".join(row)
        places = ", ".join(f"${place}" for place in range(1, len(row) + 1))
        await self._connection.execute(
            f"insert into {table} ({names}) values ({places})", *row.values()
        )
