"""Catalogue files to load, what is in them, and the database that they are loaded into."""

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from firstline.load import CatalogueError, load_file
from storage.catalogue import Counts
from tests.storage.rows import ACME, ENGINEER, FLOW, GLOBEX, GLOBEX_TECH, PROPOSAL, TECH, TICKET

Json = dict[str, Any]

NOBODY = "00000000-0000-4000-8000-00000000000c"
ARTICLE = "00000000-0000-4000-8000-000000000022"

NODES: Json = {
    "n1": {
        "type": "question",
        "text": "Does the mailbox open?",
        "options": [
            {"id": "y", "label": "Yes", "next": "n2"},
            {"id": "n", "label": "No", "next": "esc"},
        ],
    },
    "n2": {"type": "action", "text": "Restart the client.", "next": "n3"},
    "n3": {"type": "article", "text": "Read this.", "article_id": ARTICLE, "next": "done"},
    "done": {"type": "resolve", "text": "Solved."},
    "esc": {"type": "escalate", "reason_category": "beyond_scope", "text": "Hand over."},
}
NOTHING = Counts(0, 0, 0)


class Desk:
    """A folder for catalogue files, and the database that they are loaded into."""

    def __init__(self, folder: Path, url: str, connection: asyncpg.Connection) -> None:
        self.url = url
        self.connection = connection
        self._folder = folder

    def file(self, content: Json) -> Path:
        path = self._folder / f"{len(list(self._folder.iterdir()))}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    async def load(self, **sections: list[Json]) -> dict[str, Counts]:
        """Load a file; return the tables for which it had anything."""
        loaded = await load_file(self.file(sections), self.url)
        return {table: counts for table, counts in loaded.tables.items() if counts != NOTHING}

    async def refuse(self, **sections: list[Json]) -> list[str]:
        """Load a file that is refused; return the problems, once nothing is seen to be written."""
        before = await self._everything()
        with pytest.raises(CatalogueError) as refused:
            await self.load(**sections)
        assert await self._everything() == before
        assert str(refused.value) == "\n".join(refused.value.problems)
        return list(refused.value.problems)

    async def row(self, table: str) -> Json:
        """The only row of a table."""
        (row,) = await self.connection.fetch(f'select * from "{table}"')
        return dict(row)

    async def _everything(self) -> list[Any]:
        names = [row["name"] for row in await self.connection.fetch(_TABLES)]
        return [
            await self.connection.fetch(f'select * from "{name}" as t order by t::text')
            for name in names
        ]


_TABLES = "select tablename as name from pg_tables where schemaname = 'public' order by 1"


def everything() -> dict[str, list[Json]]:
    return {
        "accounts": [account(), account(id=GLOBEX, name="Globex")],
        "users": [
            user(),
            user(id=ENGINEER, name="Erin", role="engineer"),
            user(id=GLOBEX_TECH, account_id=GLOBEX, name="Gus"),
        ],
        "recipients": [recipient(user_id=ENGINEER)],
        "flows": [flow(), flow(version=2, title="Mail, again", category=None)],
        "flow_proposals": [proposal()],
        "tickets": [ticket()],
        "articles": [article()],
    }


def account(**more: object) -> Json:
    return {"id": ACME, "name": "Acme MSP", "categories": ["email"]} | more


def user(**more: object) -> Json:
    person = {"id": TECH, "account_id": ACME, "name": "Terry", "email": "terry@acme.example"}
    return person | {"role": "l1_tech"} | more


def recipient(**more: object) -> Json:
    return {"account_id": ACME, "reason_category": "network", "user_id": TECH} | more


def flow(**more: object) -> Json:
    walk = {"id": FLOW, "account_id": ACME, "version": 1, "title": "Mail", "category": "email"}
    return walk | {"archived": False, "start": "n1", "nodes": NODES} | more


def proposal(**more: object) -> Json:
    walk = {"id": PROPOSAL, "account_id": ACME, "title": "Printer offline"}
    return walk | {"start": "d", "nodes": {"d": {"type": "resolve", "text": "Plug it in."}}} | more


def ticket(**more: object) -> Json:
    return {"id": TICKET, "account_id": ACME, "title": "Mail is gone"} | more


def article(**more: object) -> Json:
    return {"id": ARTICLE, "account_id": ACME, "title": "Mail rules", "body": "Rules."} | more
