"""Proposal drafts as rows: proposals that were built from walks, and from whose."""

import json
from collections.abc import Collection, Sequence

from domain.drafts import Draft
from domain.flows import Action, Article, EscalateEnd, Flow, Node, Question, ResolveEnd
from storage.database import Transaction
from storage.walkables import parse_flow

AccountTopic = tuple[str, str | None]
"""An account, and a category of problems or none."""


async def lock(tx: Transaction, topics: Collection[AccountTopic]) -> dict[str, Draft]:
    """Lock the drafts of these accounts and categories that nobody walks, and read them.

    Whoever drafts for an account waits here for whoever does already: two equal walks would
    otherwise become two drafts. That comes after sessions and tickets, and nobody who holds it
    waits for those.
    """
    if not topics:
        return {}
    await tx.execute(
        "select 1 from accounts where id = any($1::uuid[]) order by id for no key update",
        sorted({account_id for account_id, _ in topics}),
    )
    locked = await tx.fetch(
        """
        select p.id::text from flow_proposals p
        join unnest($1::uuid[], $2::text[]) as t(account_id, category)
            on t.account_id = p.account_id and t.category is not distinct from p.category
        where not p.validated_by_outcome
            and exists (select from proposal_drafts d where d.flow_proposal_id = p.id)
            and not exists (select from sessions s where s.flow_proposal_id = p.id)
        order by p.id for no key update of p
        """,
        [account_id for account_id, _ in topics],
        [category for _, category in topics],
    )
    # Where one was waited for, a walk may have begun on it meanwhile.
    rows = await tx.fetch(
        """
        select p.id::text, p.account_id::text, p.category, p.title, p.start, p.nodes::text,
            array(
                select d.session_id::text from proposal_drafts d where d.flow_proposal_id = p.id
            )
        from flow_proposals p
        where p.id = any($1::uuid[])
            and not exists (select from sessions s where s.flow_proposal_id = p.id)
        order by p.id
        """,
        [draft_id for (draft_id,) in locked],
    )
    return {
        draft_id: Draft(
            draft_id, account_id, category, title, parse_flow(start, nodes), frozenset(sessions)
        )
        for draft_id, account_id, category, title, start, nodes, sessions in rows
    }


async def save(tx: Transaction, drafts: Sequence[Draft]) -> None:
    """Write drafts, new ones included, and which sessions they were built from."""
    if not drafts:
        return
    await tx.execute(
        """
        insert into flow_proposals (id, account_id, title, category, start, nodes)
        select * from unnest(
            $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[]::jsonb[]
        ) as d(id, account_id, title, category, start, nodes)
        order by d.id
        on conflict (id) do update set nodes = excluded.nodes
        """,
        [draft.id for draft in drafts],
        [draft.account_id for draft in drafts],
        [draft.title for draft in drafts],
        [draft.category for draft in drafts],
        [draft.flow.start for draft in drafts],
        [_nodes(draft.flow) for draft in drafts],
    )
    built_from = [(draft.id, session) for draft in drafts for session in draft.sessions]
    await tx.execute(
        """
        insert into proposal_drafts (flow_proposal_id, session_id)
        select * from unnest($1::uuid[], $2::uuid[]) as d(flow_proposal_id, session_id)
        order by d.session_id
        on conflict (session_id) do nothing
        """,
        [draft_id for draft_id, _ in built_from],
        [session_id for _, session_id in built_from],
    )


def _nodes(flow: Flow) -> str:
    """The nodes as the catalogue file has them."""
    return json.dumps(
        {node_id: _node(node) for node_id, node in flow.nodes.items()}, ensure_ascii=False
    )


def _node(node: Node) -> dict[str, object]:
    match node:
        case Question(text=text, options=options):
            led = [{"id": one.id, "label": one.label, "next": one.next} for one in options]
            return {"type": "question", "text": text, "options": led}
        case Action(text=text, next=following):
            return {"type": "action", "text": text, "next": following}
        case Article(text=text, next=following, article_id=article_id):
            read: dict[str, object] = {"type": "article", "text": text, "next": following}
            return read if article_id is None else read | {"article_id": article_id}
        case ResolveEnd(text=text):
            return {"type": "resolve", "text": text}
        case EscalateEnd(text=text, reason_category=category):
            return {"type": "escalate", "text": text, "reason_category": category}
