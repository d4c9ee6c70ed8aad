"""A node as replies, events and commands show it: where answers lead is ours to know."""

from domain.built_nodes import BuiltNode
from domain.flows import Action, Article, EscalateEnd, Node, Question, ResolveEnd
from producers.json import without_absent


def drawn(node: Node | BuiltNode) -> dict[str, object]:
    """The node as a client draws it."""
    match node:
        case BuiltNode():
            return _built(node)
        case Question(id=node_id, text=text, options=options):
            labels = [{"id": option.id, "label": option.label} for option in options]
            return {"id": node_id, "type": "question", "text": text, "options": labels}
        case Action(id=node_id, text=text):
            return {"id": node_id, "type": "action", "text": text}
        case Article(id=node_id, text=text, article_id=article_id):
            read: dict[str, object] = {"id": node_id, "type": "article", "text": text}
            return read | without_absent({"article_id": article_id})
        case ResolveEnd(id=node_id, text=text):
            return {"id": node_id, "type": "resolve", "text": text}
        case EscalateEnd(id=node_id, text=text, reason_category=category):
            return {"id": node_id, "type": "escalate", "text": text, "reason_category": category}


def _built(node: BuiltNode) -> dict[str, object]:
    """A generated node; without ``article_id`` it rests on no article."""
    labels = [{"id": choice.id, "label": choice.label} for choice in node.choices]
    return {"id": node.id, "type": str(node.kind), "text": node.text} | without_absent(
        {
            "options": labels or None,
            "article_id": node.article_id,
            "reason_category": node.reason_category,
        }
    )
