"""A flow: nodes that lead a technician from a first question to an end."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import field

from domain.values import value


@value
class Option:
    """An answer to a question, and the node that it leads to."""

    id: str
    label: str
    next: str


@value
class Question:
    """Something to ask; the answer is one of the options.

    Those are left out of its hash: nodes are looked up often, and told apart well enough without.
    """

    id: str
    text: str
    options: tuple[Option, ...] = field(hash=False)


@value
class Action:
    """Something to do."""

    id: str
    text: str
    next: str


@value
class Article:
    """Something to read."""

    id: str
    text: str
    next: str
    article_id: str | None = None


@value
class ResolveEnd:
    """The walk ends with the problem solved: a resolve is due."""

    id: str
    text: str


@value
class EscalateEnd:
    """The walk ends beyond first line: an escalation is due."""

    id: str
    text: str
    reason_category: str


Node = Question | Action | Article | ResolveEnd | EscalateEnd


@value
class Flow:
    """Nodes by id, and the one to begin with. A session walks one version of it to its end."""

    start: str
    nodes: Mapping[str, Node]


def after(node: Node, option_id: str | None) -> str | None:
    """The node that an answer leads to; None where the node has no such option, or is an end."""
    match node:
        case Question(options=options):
            for option in options:
                if option.id == option_id:
                    return option.next
            return None
        case Action(next=following) | Article(next=following):
            return following if option_id is None else None
        case ResolveEnd() | EscalateEnd():
            return None


def is_end(node: Node) -> bool:
    """Whether the walk has nothing left to answer here."""
    return isinstance(node, (ResolveEnd, EscalateEnd))


def faults(flow: Flow) -> list[str]:
    """Everything that is wrong with a flow, as sentences; nothing where it is sound.

    That is `breaks`, and nodes that no walk comes to: they do no harm, and nobody meant them.
    """
    if flow.start not in flow.nodes:
        return breaks(flow)
    met = set(reachable(flow))
    unmet = [f"{name!r} is never reached" for name in flow.nodes if name not in met]
    return [*breaks(flow), *unmet]


def breaks(flow: Flow) -> list[str]:
    """Everything that keeps a walk from reaching an end, as sentences.

    Circles are allowed, as in "try again", as long as every node in them can leave.
    """
    if flow.start not in flow.nodes:
        return [f"the start {flow.start!r} is not one of the nodes"]
    found = [
        f"{node.id!r} leads to {following!r}, which is not one of the nodes"
        for node in flow.nodes.values()
        for following in leads_to(node)
        if following not in flow.nodes
    ]
    ending = _reaching_an_end(flow)
    return found + [f"{name!r} never reaches an end" for name in flow.nodes if name not in ending]


def reachable(flow: Flow) -> list[str]:
    """The nodes that a walk may come to, the nearest to the start first."""
    met = {flow.start: None}
    waiting = deque(met)
    while waiting:
        for following in leads_to(flow.nodes[waiting.popleft()]):
            if following in flow.nodes and following not in met:
                met[following] = None
                waiting.append(following)
    return list(met)


def leads_to(node: Node) -> Iterator[str]:
    """The nodes that may come after this one, in the order of its options."""
    match node:
        case Question(options=options):
            yield from (option.next for option in options)
        case Action(next=following) | Article(next=following):
            yield following
        case ResolveEnd() | EscalateEnd():
            return


def _reaching_an_end(flow: Flow) -> set[str]:
    before: dict[str, list[str]] = {}
    for node in flow.nodes.values():
        for following in leads_to(node):
            before.setdefault(following, []).append(node.id)
    ending = {node.id for node in flow.nodes.values() if is_end(node)}
    waiting = deque(ending)
    while waiting:
        for name in before.get(waiting.popleft(), ()):
            if name not in ending:
                ending.add(name)
                waiting.append(name)
    return ending
