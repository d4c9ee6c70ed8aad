"""A real database with two tenants, and batches of commands that are applied to it."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from consumers.apply import Applied, Batch
from consumers.decode import decode
from consumers.decode_news import decode_news
from consumers.isolate import Applier
from consumers.records import Item, Source
from domain.context import Limits
from firstline.load import load_file
from storage.database import connect_by_key
from storage.headers import unpack
from storage.positions import Partition
from tests.builders import ACME, ENGINEER, FLOW, GLOBEX, GLOBEX_TECH, NOW, TECH
from tests.consumers.wire import (
    ABSENT,
    CHAT_TOPIC,
    INTERNAL_TOPIC,
    QUESTION,
    TICKET_TOPIC,
    ARecord,
    Json,
    command,
    encode,
    new_id,
)

CATALOGUE: Json = {
    "accounts": [{"id": ACME, "name": "Acme"}, {"id": GLOBEX, "name": "Globex"}],
    "users": [
        {"id": TECH, "account_id": ACME, "name": "Terry", "email": "t@acme", "role": "l1_tech"},
        {
            "id": ENGINEER,
            "account_id": ACME,
            "name": "Erin",
            "email": "e@acme",
            "role": "engineer",
        },
        {
            "id": GLOBEX_TECH,
            "account_id": GLOBEX,
            "name": "Gus",
            "email": "g@globex",
            "role": "l1_tech",
        },
    ],
    "flows": [
        {
            "id": FLOW,
            "account_id": ACME,
            "version": 1,
            "title": "Mail",
            "start": "done",
            "nodes": {"done": {"type": "resolve", "text": "Solved."}},
        }
    ],
}


async def load_catalogue(folder: Path, database_url: str) -> None:
    file = folder / "catalogue.json"
    file.write_text(json.dumps(CATALOGUE))
    await load_file(file, database_url)


@dataclass
class Desk:
    """Applies what is sent, partition by partition, and looks at what came of it."""

    engine: AsyncEngine
    connection: asyncpg.Connection
    ends: dict[Partition, int] = field(default_factory=lambda: defaultdict(int))
    clock: Iterator[int] = field(default_factory=count)

    @property
    def applier(self) -> Applier:
        return Applier(self.engine, Limits())

    def batch(self, *sent: Json | bytes | None, partition: int = 0) -> Batch:
        """What is sent next to a partition of the chat topic."""
        chat = Partition(CHAT_TOPIC, partition)
        start = self.ends[chat]
        records = [
            ARecord(
                encode(one) if isinstance(one, dict) else one,
                one["session_id"].encode() if isinstance(one, dict) else None,
                partition=partition,
                offset=offset,
                timestamp=next(self.clock),
                headers=[("trace", b"\xff"), ("fl_mine", None)],
            )
            for offset, one in enumerate(sent, start)
        ]
        self.ends[chat] += len(records)
        span = range(start, self.ends[chat])
        items = [decode(record, Source.CHAT) for record in records]
        return Batch(items, {chat: span})

    def mixed(self, *sent: Json, partition: int = 0) -> Batch:
        """What is sent next to several topics: news of tickets, the system's commands, chat's."""
        items: list[Item] = []
        spans: dict[Partition, range] = {}
        for one in sent:
            topic = _topic(one)
            place = Partition(topic, partition)
            offset, self.ends[place] = self.ends[place], self.ends[place] + 1
            spans[place] = range(spans[place].start if place in spans else offset, offset + 1)
            key = one.get("session_id", "any").encode()
            record = ARecord(encode(one), key, topic, partition, offset)
            if topic == TICKET_TOPIC:
                items.append(decode_news(record))
            else:
                items.append(decode(record, _SOURCES[topic]))
        return Batch(items, spans)

    async def hear(self, *sent: Json, partition: int = 0, now: datetime = NOW) -> Applied:
        """Apply what is sent to several topics, in one batch."""
        return await self.applier.apply(self.mixed(*sent, partition=partition), now)

    async def asked(self) -> list[Json]:
        """Every command that goes out on the internal topic, in order."""
        rows = await self.connection.fetch(
            "select value from outbox where topic = 'commands.internal' order by id"
        )
        return [json.loads(row["value"]) for row in rows]

    async def serve(self, session: str, now: datetime = NOW, **node: object) -> Json:
        """Have the node that a walk waits for served; return the reply."""
        *_, request = await self.messages("node-requests", session)
        sent = command(
            "serve_node",
            command_id=new_id(),
            session_id=session,
            actor_id=ABSENT,
            request_id=request["request_id"],
            node=QUESTION | {"id": new_id()} | node,
        )
        await self.hear(sent, now=now)
        return await self.answer(sent["command_id"])

    async def set_policy(self, account_id: str, **policy: object) -> None:
        await self.connection.execute(
            "update accounts set policy = $2 where id = $1", account_id, json.dumps(policy)
        )

    async def answer(self, command_id: str) -> Json:
        """The one reply to a command."""
        (reply,) = [one for one in await self.replies() if one["command_id"] == command_id]
        return reply

    async def apply(self, *sent: Json | bytes | None, partition: int = 0) -> Applied:
        return await self.applier.apply(self.batch(*sent, partition=partition), NOW)

    async def park(self, now: datetime = NOW) -> str:
        """Park a new session behind a command that Postgres refuses, until `cure`; two more wait.

        It is refused for the answer that it would get: accepted, with its correlation.
        """
        await self.connection.execute(
            "alter table inbox add constraint odd_check check ("
            "reply is null or convert_from(reply, 'utf-8') not like '%\"accepted\"%\"odd\"%')"
        )
        begun = start()
        session: str = begun["session_id"]
        odd = notes(session, correlation="odd")
        for batch in (self.batch(begun, odd), self.batch(notes(session), notes(session))):
            await self.applier.apply(batch, now)
        return session

    async def cure(self) -> None:
        await self.connection.execute("alter table inbox drop constraint odd_check")

    async def replies(self) -> list[Json]:
        """Every reply, in order."""
        rows = await self.connection.fetch(
            "select value from outbox where topic = 'replies' order by id"
        )
        return [json.loads(row["value"]) for row in rows]

    async def answers(self) -> list[tuple[str, str]]:
        """Every reply as command id and outcome, or what the refusal was for."""
        return [
            (one["command_id"], str(one.get("code") or one["outcome"]))
            for one in await self.replies()
        ]

    async def letters(self) -> list[Mapping[str, Any]]:
        """The rows of dead letters, in order, with ids as text."""
        rows = await self.connection.fetch(
            """
            select reason, detail, topic, partition, "offset", key, headers, value,
                account_id::text, session_id::text, command_id::text, status
            from dead_letters order by number
            """
        )
        return [dict(row) for row in rows]

    async def letter_messages(self) -> list[dict[str, bytes | None]]:
        """The headers of the dead letters that go out, in order."""
        rows = await self.connection.fetch(
            "select headers from outbox where topic = 'dead-letters' order by id"
        )
        return [{name.decode(): value for name, value in unpack(row["headers"])} for row in rows]

    async def parked(self) -> set[tuple[str, str]]:
        rows = await self.connection.fetch(
            "select account_id::text, session_id::text from parked_sessions"
        )
        return {(account, session) for account, session in rows}

    async def inbox(self) -> dict[str, str | None]:
        """The outcome that is remembered for each command id; none where it is parked."""
        rows = await self.connection.fetch("select command_id::text, reply from inbox")
        return {
            command_id: None if reply is None else json.loads(reply)["outcome"]
            for command_id, reply in rows
        }

    async def messages(self, topic: str, session_id: str) -> list[Json]:
        """What goes out about a session on a topic, in order."""
        rows = await self.connection.fetch(
            "select value from outbox where topic = $1 and key = $2 order by id",
            topic,
            session_id.encode(),
        )
        return [json.loads(row["value"]) for row in rows]

    async def events(self, session_id: str) -> list[str]:
        """The types of a session's events, in order."""
        events = await self.messages("session-events", session_id)
        return [event["type"].split(".")[2] for event in events]

    async def position(self, partition: int = 0) -> int:
        found: int = await self.connection.fetchval(
            "select next_offset from positions where topic = $1 and partition = $2",
            CHAT_TOPIC,
            partition,
        )
        return found

    async def counts(self) -> dict[str, int]:
        """How many rows each table has that a batch writes."""
        tables = (
            *("sessions", "session_notes", "walk_steps", "inbox", "outbox"),
            *("dead_letters", "parked_sessions"),
        )
        return {
            table: await self.connection.fetchval(f"select count(*) from {table}")
            for table in tables
        }


@asynccontextmanager
async def a_desk(database_url: str, folder: Path) -> AsyncIterator[Desk]:
    """A migrated database with the catalogue, and an engine to it."""
    await load_catalogue(folder, database_url)
    engine = connect_by_key(database_url)
    connection = await asyncpg.connect(database_url, server_settings={"application_name": "test"})
    try:
        yield Desk(engine, connection)
    finally:
        await connection.close()
        await engine.dispose()


def _topic(sent: Json) -> str:
    if "event_id" in sent:
        return TICKET_TOPIC
    return CHAT_TOPIC if "actor_id" in sent else INTERNAL_TOPIC


_SOURCES = {CHAT_TOPIC: Source.CHAT, INTERNAL_TOPIC: Source.INTERNAL}


def start(session_id: str | None = None, **fields: object) -> Json:
    """An adhoc session on a ticket of its own."""
    session_id = session_id or new_id()
    mine = {"command_id": new_id(), "session_id": session_id, "ticket_id": f"T-{session_id}"}
    return command("start_adhoc", **(mine | fields))


def notes(session_id: str, **fields: object) -> Json:
    """Notes for a session."""
    return command("update_notes", **({"command_id": new_id(), "session_id": session_id} | fields))


def resolve(session_id: str, **fields: object) -> Json:
    """The end of a session."""
    return command("resolve", **({"command_id": new_id(), "session_id": session_id} | fields))


def outcomes(sent: Sequence[Json], outcome: str = "accepted") -> list[tuple[str, str]]:
    """The answers when all of these have the same."""
    return [(one["command_id"], outcome) for one in sent]
