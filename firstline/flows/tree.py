"""A flow as a tree for people: questions branch, what follows an action stands below it."""

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from domain.flows import Action, Article, EscalateEnd, Flow, Node, Question, ResolveEnd
from firstline.looking.inert import inert
from firstline.looking.wide import measured, whole
from storage.looking import FlowSeen
from storage.walkables import parse_flow

_READABLE = 40
"""How many columns the deepest text gets beyond its longest word."""


def tree(seen: FlowSeen) -> Tree:
    """What the flow is, then its nodes, each told once; all text is inert."""
    root = Tree(Text.assemble(("flow ", "bold"), inert(seen.title)))
    for label, text in (
        ("id", seen.id),
        ("account", f"{inert(seen.account)} {seen.account_id}"),
        ("version", f"{seen.version} of {', '.join(map(str, seen.versions))}"),
        ("category", inert(seen.category or "")),
        ("archived", "yes: no session starts on it" if seen.archived else ""),
    ):
        if text:
            root.add(Text.assemble((f"{label}: ", "dim"), text))
    _add_nodes(root, parse_flow(seen.start, seen.nodes))
    return root


def wide_enough(shown: Tree, console: Console) -> Console:
    """A console on which nothing is cut off, however deep the questions nest."""
    if not console.is_terminal:
        return whole(shown, console)
    needed = measured(shown, console)
    least = min(needed.minimum + _READABLE, needed.maximum)
    return Console(file=console.file, width=max(console.width, least), highlight=False)


def _add_nodes(root: Tree, flow: Flow) -> None:
    """The nodes in the order of walking; one that is met again only says that it stands above."""
    told: set[str] = set()
    waiting = [(root, flow.start)]
    while waiting:
        branch, name = waiting.pop()
        if name in told:
            branch.add(Text.assemble(("→ ", "bold"), (inert(name), "cyan"), (", above", "dim")))
            continue
        told.add(name)
        node = flow.nodes[name]
        here = branch.add(_told(node))
        match node:
            case Question(options=options):
                ways = [(here.add(Text(inert(one.label), "bold")), one.next) for one in options]
                waiting += reversed(ways)
            case Action(next=following) | Article(next=following):
                waiting.append((branch, following))
            case ResolveEnd() | EscalateEnd():
                pass
    for name in flow.nodes:
        if name not in told:
            root.add(Text.assemble(_told(flow.nodes[name]), (", never reached", "red")))


def _told(node: Node) -> Text:
    return Text.assemble((inert(node.id), "cyan"), (f" {_kind(node)}: ", "dim"), inert(node.text))


def _kind(node: Node) -> str:
    match node:
        case Question():
            return "question"
        case Action():
            return "action"
        case Article(article_id=None):
            return "article"
        case Article(article_id=article_id):
            return f"article {article_id}"
        case ResolveEnd():
            return "resolve"
        case EscalateEnd(reason_category=reason):
            return f"escalate as {inert(reason)}"
