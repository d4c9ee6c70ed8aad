"""A flow as a Mermaid flowchart (https://mermaid.js.org/syntax/flowchart.html)."""

import re
from collections.abc import Iterator

from domain.flows import Action, Article, EscalateEnd, Flow, Node, Question, ResolveEnd, reachable

# What Mermaid, Markdown or HTML would act on goes as an entity code. A number at the beginning
# would make a list of the label, which Mermaid refuses to draw.
_SPECIAL = re.compile(r"^\s*\d+[.)]|[^\w ,.?!']|_")


def flowchart(flow: Flow) -> str:
    """The chart, from the start on; a node's shape tells its type."""
    order = [*reachable(flow)]
    order += [name for name in flow.nodes if name not in set(order)]
    # A node's own id may be a word of Mermaid's, as "end" is.
    names = {name: f"n{number}" for number, name in enumerate(order)}
    lines = [f"    {names[name]}{_shape(flow.nodes[name])}" for name in order]
    lines += [
        f"    {names[name]} -->{label} {names[following]}"
        for name in order
        for label, following in _ways(flow.nodes[name])
    ]
    return "\n".join(["flowchart TD", *lines])


def _shape(node: Node) -> str:
    text = _label(node.text)
    match node:
        case Question():
            return f'{{"{text}"}}'
        case Action():
            return f'["{text}"]'
        case Article():
            return f'[/"{text}"/]'
        case ResolveEnd():
            return f'(["{text}"])'
        case EscalateEnd(reason_category=reason):
            return f'{{{{"{text}<br/>{_label(reason)}"}}}}'


def _ways(node: Node) -> Iterator[tuple[str, str]]:
    match node:
        case Question(options=options):
            yield from ((f'|"{_label(one.label)}"|', one.next) for one in options)
        case Action(next=following) | Article(next=following):
            yield "", following
        case ResolveEnd() | EscalateEnd():
            return


def _label(text: str) -> str:
    return "<br/>".join(_SPECIAL.sub(_entity, line) for line in text.split("\n"))


def _entity(found: re.Match[str]) -> str:
    """The last of what was found as a code; digits before it stay."""
    text = found[0]
    return f"{text[:-1]}#{ord(text[-1])};"
