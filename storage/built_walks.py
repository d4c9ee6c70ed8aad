"""AI-built walks as rows: which request is open, and which nodes were served."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from domain.built_nodes import BuiltNode, Choice, NodeKind
from domain.events import NodeRequested
from storage import tables
from storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Built:
    """What an AI-built walk has beside its steps: its newest request, and its nodes in order."""

    newest_request: str | None
    nodes: tuple[BuiltNode, ...]


@dataclass(frozen=True, slots=True)
class Requested:
    """A request for a node, and whose it is."""

    event: NodeRequested
    account_id: str
    session_id: str
    version: int
    correlation: str | None


async def read(tx: Transaction, session_ids: Collection[str]) -> dict[str, Built]:
    """What belongs to the AI-built walks of these ids, each with an entry of its own."""
    if not session_ids:
        return {}
    rows = await tx.fetch(
        """
        select s.id::text,
            (
                select r.request_id::text from node_requests r
                where r.session_id = s.id order by r.version desc limit 1
            ),
            array(
                select n.node::text from served_nodes n
                where n.session_id = s.id order by n.version
            )
        from unnest($1::uuid[]) as s(id)
        """,
        list(session_ids),
    )
    return {
        session_id: Built(request_id, tuple(parse_node(node) for node in nodes))
        for session_id, request_id, nodes in rows
    }


async def add_requests(tx: Transaction, requested: Iterable[Requested]) -> None:
    """Write requests for nodes."""
    await tx.append(
        tables.node_requests,
        ("request_id", "account_id", "session_id", "version", "correlation", "requested_at"),
        [
            (
                one.event.request_id, one.account_id, one.session_id, one.version,
                one.correlation, one.event.at,
            )
            for one in requested
        ],
    )  # fmt: skip


async def add_nodes(tx: Transaction, served: Sequence[tuple[str, int, BuiltNode]]) -> None:
    """Write nodes that were served, each with its session and the session's version."""
    await tx.append(
        tables.served_nodes,
        ("session_id", "version", "node"),
        [(session_id, version, node_text(node)) for session_id, version, node in served],
    )


def node_text(node: BuiltNode) -> str:
    """A node as JSON text."""
    return json.dumps(
        {
            "id": node.id,
            "kind": node.kind,
            "text": node.text,
            "choices": [[choice.id, choice.label] for choice in node.choices],
            "article_id": node.article_id,
            "reason_category": node.reason_category,
        },
        ensure_ascii=False,
    )


@lru_cache(maxsize=4_096)
def parse_node(text: str) -> BuiltNode:
    """A node from its JSON text. A walk's nodes come with each of its commands, so it is kept."""
    parsed: dict[str, Any] = json.loads(text)
    return BuiltNode(
        parsed["id"],
        NodeKind(parsed["kind"]),
        parsed["text"],
        tuple(Choice(*choice) for choice in parsed["choices"]),
        parsed["article_id"],
        parsed["reason_category"],
    )
