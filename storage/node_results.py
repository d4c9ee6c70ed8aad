"""Who generates the node of which request, what came of it, and what was paid.

A claim is one attempt. It is written before anybody is called and runs out, so that whoever finds
a request anew, after a crash or a rebalance, neither calls a second time nor waits for ever. Time
is the database's own here: consumers' clocks may differ.
"""

import json
from dataclasses import dataclass

from domain.built_nodes import BuiltNode, stands_in
from storage.built_walks import node_text, parse_node
from storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Budget:
    """What an account may use a day (UTC): calls, and millionths of a dollar."""

    nodes: int
    microdollars: int


@dataclass(frozen=True, slots=True)
class Claimant:
    """Who wants to generate a node: a consumer, the id of this attempt, and for how long."""

    holder: str
    claim_id: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Granted:
    """The request is ours to answer. ``generated`` counts the nodes that its walk has had."""

    claim_id: str
    account_id: str
    session_id: str
    correlation: str | None
    category: str | None
    problem_text: str
    generated: int
    within_budget: bool


@dataclass(frozen=True, slots=True)
class Held:
    """Another attempt is under way; it has these seconds left."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Spent:
    """What a call used, whatever came of it."""

    model: str
    input_tokens: int
    output_tokens: int
    cost_microdollars: int


async def claim(
    tx: Transaction, request_id: str, claimant: Claimant, default: Budget
) -> Granted | Held | None:
    """Claim a request; None where nobody waits for its node, or it has one.

    Claims of an account take turns, so that its budget of calls is kept exactly. What calls under
    way will cost is not known before: the other budget may be exceeded by those.
    """
    rows = await tx.fetch(_OPEN, request_id)
    if not rows:
        return None
    (row,) = rows
    account_id, session_id, correlation, category, problem_text, policy = row
    if not await tx.fetch(
        "select 1 from accounts where id = $1 and ended_at is null for no key update", account_id
    ):
        return None
    taken = await tx.fetch(
        _CLAIM, request_id, account_id, claimant.claim_id, claimant.holder, claimant.seconds
    )
    if not taken:
        return await _standing(tx, request_id)
    budget = _budget(policy, default)
    ((nodes, microdollars),) = await tx.fetch(_USED_TODAY, account_id, claimant.claim_id)
    served = await tx.fetch("select node::text from served_nodes where session_id = $1", session_id)
    return Granted(
        claimant.claim_id,
        account_id,
        session_id,
        correlation,
        category,
        problem_text,
        sum(not stands_in(parse_node(node)) for (node,) in served),
        nodes < budget.nodes and microdollars < budget.microdollars,
    )


async def hold_account(tx: Transaction, account_id: str) -> None:
    """Keep the account, where it is there, from being deleted, before its results are locked.

    Whoever deletes it has its row first: in the other order the two would wait for each other.
    """
    await tx.fetch("select 1 from accounts where id = $1 for key share", account_id)


async def store(tx: Transaction, request_id: str, claim_id: str, node: BuiltNode) -> bool:
    """Write what came of a claim; False where it ran out and was taken over, or nobody waits."""
    rows = await tx.fetch(
        """
        update node_results set node = $3::text::json, stored_at = now()
        where request_id = $1 and claim_id = $2 and node is null
        returning 1
        """,
        request_id,
        claim_id,
        node_text(node),
    )
    return bool(rows)


async def add_usage(tx: Transaction, request_id: str, granted: Granted, spent: Spent) -> None:
    """Write what a claim's call used, once, where the account still exists."""
    await tx.execute(
        """
        insert into node_usage (
            claim_id, request_id, account_id, model, input_tokens, output_tokens,
            cost_microdollars, used_at
        )
        select $1, $2, id, $4, $5, $6, $7, now() from accounts where id = $3
        on conflict (claim_id) do nothing
        """,
        granted.claim_id,
        request_id,
        granted.account_id,
        spent.model,
        spent.input_tokens,
        spent.output_tokens,
        spent.cost_microdollars,
    )


async def let_go(tx: Transaction, holder: str) -> None:
    """End the claims of who generates nothing any more: a life of a consumer, or all of its lives.

    The lives of a consumer are named after it: its name, a slash, and what tells them apart.
    """
    await tx.execute(
        """
        update node_results set claimed_until = greatest(claimed_at, now())
        where (holder = $1 or starts_with(holder, $1 || '/'))
            and node is null and claimed_until > now()
        """,
        holder,
    )


async def _standing(tx: Transaction, request_id: str) -> Held | None:
    rows = await tx.fetch(
        """
        select extract(epoch from claimed_until - clock_timestamp())::float8
        from node_results where request_id = $1 and node is null
        """,
        request_id,
    )
    return Held(max(0.0, rows[0][0])) if rows else None


def _budget(policy: str, default: Budget) -> Budget:
    """What the account's policy says, else the default."""
    own = json.loads(policy)
    nodes, microdollars = own.get("ai_nodes_per_day"), own.get("ai_microdollars_per_day")
    return Budget(
        default.nodes if nodes is None else nodes,
        default.microdollars if microdollars is None else microdollars,
    )


# The request, where its session still waits for it: no later one was made, and no node came.
_OPEN = """
    select r.account_id::text, r.session_id::text, r.correlation, s.category, s.problem_text,
        a.policy::text
    from node_requests r
    join sessions s on s.id = r.session_id
    join accounts a on a.id = r.account_id and a.ended_at is null
    where r.request_id = $1 and s.status = 'active' and s.node_requested
        and not exists (
            select from node_requests later
            where later.session_id = r.session_id and later.version > r.version
        )
"""
_CLAIM = """
    insert into node_results as n (
        request_id, account_id, claim_id, holder, claimed_at, claimed_until
    )
    select $1, $2, $3, $4, t, t + make_interval(secs => $5) from clock_timestamp() t
    on conflict (request_id) do update set
        claim_id = excluded.claim_id, holder = excluded.holder,
        claimed_at = excluded.claimed_at, claimed_until = excluded.claimed_until
    where n.node is null and n.claimed_until <= excluded.claimed_at
    returning 1
"""
# Calls under way count as calls; those that ran out were paid or not, and are in doubt.
_USED_TODAY = """
    select
        (
            select count(*) from node_usage
            where account_id = $1 and used_at >= date_trunc('day', now(), 'UTC')
        ) + (
            select count(*) from node_results
            where account_id = $1 and node is null and claim_id <> $2 and claimed_until > now()
        ),
        (
            select coalesce(sum(cost_microdollars), 0)::bigint from node_usage
            where account_id = $1 and used_at >= date_trunc('day', now(), 'UTC')
        )
"""
