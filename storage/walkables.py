"""Flows and proposals as something to walk."""

import json
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import asyncpg

from domain.context import Walkable
from domain.flows import Action, Article, EscalateEnd, Flow, Node, Option, Question, ResolveEnd
from storage import tables
from storage.database import Transaction
from storage.people import Account

AccountFlow = tuple[str, str]
AccountFlowVersion = tuple[str, str, int]


async def newest(tx: Transaction, flow_ids: Collection[str]) -> dict[AccountFlow, Walkable]:
    """The newest version of each flow that is not archived, by its account and id."""
    if not flow_ids:
        return {}
    rows = await tx.fetch(
        """
        select distinct on (f.id)
            f.account_id::text, f.id::text, v.version, v.start, v.nodes::text
        from flows f join flow_versions v on v.account_id = f.account_id and v.flow_id = f.id
        where f.id = any($1::uuid[]) and not f.archived
        order by f.id, v.version desc
        """,
        list(flow_ids),
    )
    return {(row[0], row[1]): Walkable(parse_flow(row[3], row[4]), row[2]) for row in rows}


_Remembered = dict[tuple[str, AccountFlowVersion], Walkable]
# By connection: one that was lost may have been to a server that went back in time.
_remembered: WeakKeyDictionary[asyncpg.Connection, _Remembered] = WeakKeyDictionary()
_MOST_REMEMBERED = 1_000


async def pinned(
    tx: Transaction, versions: AbstractSet[AccountFlowVersion], accounts: Mapping[str, Account]
) -> dict[AccountFlowVersion, Walkable]:
    """The versions that sessions walk, archived or not.

    A version never changes, so that a connection remembers those that it read. It lasts as long as
    its account does, whose row tells it from another that had the same id.
    """
    remembered = _remembered.setdefault(tx.driver, {})
    names = {one: (accounts[one[0]].row, one) for one in versions if one[0] in accounts}
    found = {one: remembered[name] for one, name in names.items() if name in remembered}
    if missing := versions - found.keys():
        read = await _read_versions(tx, missing)
        while remembered and len(remembered) + len(read) > _MOST_REMEMBERED:
            del remembered[next(iter(remembered))]
        remembered |= {names[one]: walkable for one, walkable in read.items() if one in names}
        found |= read
    return found


async def _read_versions(
    tx: Transaction, versions: Collection[AccountFlowVersion]
) -> dict[AccountFlowVersion, Walkable]:
    rows = await tx.fetch(
        """
        select v.account_id::text, v.flow_id::text, v.version, v.start, v.nodes::text
        from flow_versions v
        join unnest($1::uuid[], $2::uuid[], $3::int[]) as s(account_id, flow_id, version)
            on v.account_id = s.account_id and v.flow_id = s.flow_id and v.version = s.version
        """,
        [account_id for account_id, _, _ in versions],
        [flow_id for _, flow_id, _ in versions],
        [version for _, _, version in versions],
    )
    return {(row[0], row[1], row[2]): Walkable(parse_flow(row[3], row[4]), row[2]) for row in rows}


async def lock_proposals(
    tx: Transaction, proposal_ids: Collection[str]
) -> dict[AccountFlow, Walkable]:
    """Lock proposals, by id, and read them."""
    if not proposal_ids:
        return {}
    rows = await tx.fetch(
        """
        select account_id::text, id::text, start, nodes::text from flow_proposals
        where id = any($1::uuid[]) order by id for no key update
        """,
        list(proposal_ids),
    )
    return {(row[0], row[1]): Walkable(parse_flow(row[2], row[3])) for row in rows}


async def validate_proposals(tx: Transaction, proposal_ids: Collection[str]) -> None:
    """Mark proposals as validated by the outcome of a session that walked them."""
    if not proposal_ids:
        return
    await tx.execute_later(
        tables.flow_proposals,
        """
        update flow_proposals set validated_by_outcome = true
        where id = any($1::uuid[]) and not validated_by_outcome
        """,
        sorted(proposal_ids),
    )


@lru_cache(maxsize=1_000)
def parse_flow(start: str, nodes: str) -> Flow:
    """A flow from its nodes' JSON text. The same texts come with many batches, so they are kept."""
    parsed: dict[str, dict[str, Any]] = json.loads(nodes)
    return Flow(start, {node_id: _node(node_id, node) for node_id, node in parsed.items()})


def _node(node_id: str, node: Mapping[str, Any]) -> Node:
    text = node["text"]
    match node["type"]:
        case "question":
            options = (Option(one["id"], one["label"], one["next"]) for one in node["options"])
            return Question(node_id, text, tuple(options))
        case "action":
            return Action(node_id, text, node["next"])
        case "article":
            return Article(node_id, text, node["next"], node.get("article_id"))
        case "resolve":
            return ResolveEnd(node_id, text)
        case "escalate":
            return EscalateEnd(node_id, text, node["reason_category"])
        case kind:
            msg = f"a stored node has the type {kind!r}"
            raise ValueError(msg)
