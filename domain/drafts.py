"""Proposal drafts: a helpful AI-built walk as a flow, and walks that begin alike as one flow.

A draft is a tree. Each walk is a path through it, from the first node to its good end; an answer
that nobody has walked yet leads to an escalation.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import count, islice

from domain.built_nodes import BuiltNode, NodeKind
from domain.events import StepRecorded
from domain.flows import (
    Action,
    Article,
    EscalateEnd,
    Flow,
    Node,
    Option,
    Question,
    ResolveEnd,
    after,
    is_end,
    leads_to,
)
from domain.sessions import Active
from domain.values import value

_DONE = ResolveEnd("done", "The problem is solved.")
_NOT_WALKED = EscalateEnd(
    "escalate", "Nobody has gone this way yet. Please escalate.", "not_walked_yet"
)
_TITLE_LIMIT = 100
_UNTITLED = "Untitled"
# Of the texts of a draft, in bytes. Nobody looks through more, and Postgres cannot search more than
# some multiple of it.
_TEXTS_LIMIT = 256 * 1024


@value
class Draft:
    """A proposal that nobody has validated, and the sessions that it was built from."""

    id: str
    account_id: str
    category: str | None
    title: str
    flow: Flow
    sessions: frozenset[str]


@value
class Taken:
    """A node that was walked, and the option that was chosen there."""

    node: BuiltNode
    option_id: str | None


def path(session: Active, steps: Iterable[StepRecorded]) -> list[Taken]:
    """The way through the walk that counts: who went back left what came after behind."""
    nodes = {node.id: node for node in session.nodes}
    taken: list[Taken] = []
    for step in steps:
        known = [one.node.id for one in taken]
        if step.node_id in known:
            taken = taken[: known.index(step.node_id)]
        taken.append(Taken(nodes[step.node_id], step.option_id))
    return taken


def drafted(draft_id: str, session: Active, taken: Sequence[Taken]) -> Draft | None:
    """The draft that a walk makes by itself; none of an empty one, or of one that is too large."""
    if not taken:
        return None
    origin = session.origin
    start, nodes = _chain(taken, {})
    if _is_too_large(flow := _flow(start, nodes)):
        return None
    title = " ".join((origin.problem_text or "").split()) or _UNTITLED
    return Draft(
        draft_id,
        origin.account_id,
        origin.category or None,
        title if len(title) <= _TITLE_LIMIT else title[: _TITLE_LIMIT - 1] + "…",
        flow,
        frozenset({origin.session_id}),
    )


def merged(draft: Draft, session_id: str, taken: Sequence[Taken]) -> Draft | None:
    """The draft with another walk in it, or None where that begins otherwise.

    Where the two part at the same answer, the draft goes on as it did; one that would be too large
    stays as it is.
    """
    flow = _grown(draft.flow, taken)
    if flow is None:
        return None
    if _is_too_large(flow):
        flow = draft.flow
    return replace(draft, flow=flow, sessions=draft.sessions | {session_id})


def _is_too_large(flow: Flow) -> bool:
    return sum(len(node.text.encode()) for node in flow.nodes.values()) > _TEXTS_LIMIT


def _grown(flow: Flow, taken: Sequence[Taken]) -> Flow | None:
    at = flow.start
    for place, one in enumerate(taken):
        node = flow.nodes[at]
        if not _alike(node, one.node):
            return flow if place else None
        following = after(node, one.option_id)
        if following is None:
            return flow
        rest = taken[place + 1 :]
        if is_end(flow.nodes[following]):
            if not rest and following == _DONE.id:
                return flow
            start, added = _chain(rest, flow.nodes)
            return _flow(flow.start, {**flow.nodes, **added, at: _led(node, one.option_id, start)})
        at = following
    return flow


def _chain(taken: Sequence[Taken], others: Mapping[str, Node]) -> tuple[str, dict[str, Node]]:
    """The nodes of a path, by ids that no others have, and what it begins with.

    That is its end where it is empty.
    """
    free = (name for name in map("n{}".format, count(len(others) + 1)) if name not in others)
    ids = [*islice(free, len(taken)), _DONE.id]
    nodes = {
        node_id: _node(node_id, one.node, one.option_id, following)
        for node_id, one, following in zip(ids, taken, ids[1:], strict=False)
    }
    return ids[0], nodes


def _node(node_id: str, node: BuiltNode, option_id: str | None, following: str) -> Node:
    match node.kind:
        case NodeKind.QUESTION:
            options = tuple(
                Option(
                    choice.id,
                    choice.label,
                    following if choice.id == option_id else _NOT_WALKED.id,
                )
                for choice in node.choices
            )
            return Question(node_id, node.text, options)
        case NodeKind.ARTICLE:
            return Article(node_id, node.text, following, node.article_id)
        case _:
            return Action(node_id, node.text, following)


def _led(node: Node, option_id: str | None, following: str) -> Node:
    """The node with another way on after the option."""
    match node:
        case Question(options=options):
            led = (replace(one, next=following) if one.id == option_id else one for one in options)
            return replace(node, options=tuple(led))
        case Action() | Article():
            return replace(node, next=following)
        case _:
            return node


def _alike(node: Node, built: BuiltNode) -> bool:
    """Whether the two say the same, wherever they lead."""
    match node:
        case Question(text=text, options=options):
            asked = tuple((one.id, one.label) for one in options)
            chosen = tuple((one.id, one.label) for one in built.choices)
            return (built.kind, built.text, chosen) == (NodeKind.QUESTION, text, asked)
        case Action(text=text):
            return (built.kind, built.text) == (NodeKind.ACTION, text)
        case Article(text=text, article_id=article_id):
            said = (built.kind, built.text, built.article_id)
            return said == (NodeKind.ARTICLE, text, article_id)
        case _:
            return False


def _flow(start: str, nodes: dict[str, Node]) -> Flow:
    """The flow with those ends that something leads to: its own, and ours where it has none."""
    inner = {name: node for name, node in nodes.items() if not is_end(node)}
    led_to = {following for node in inner.values() for following in leads_to(node)}
    ends = {_DONE.id: _DONE, _NOT_WALKED.id: _NOT_WALKED, **nodes}
    outer = {name: ends[name] for name in ends if name in led_to and name not in inner}
    return Flow(start, {**inner, **outer})
