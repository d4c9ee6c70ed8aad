"""What a generator returned, made into a node that may be shown, whoever the generator is."""

from collections.abc import Collection, Iterator

from domain.built_nodes import AI_UNAVAILABLE, BuiltNode, Choice, NodeKind
from integrations.generator import NodeDraft
from integrations.safety import harmless

_TEXT_LIMIT = 20_000
_LABEL_LIMIT = 4_000
_REASON_LIMIT = 30
_OPTIONS = range(2, 9)


class Unusable(Exception):
    """The draft is no node: it says what is wrong, and quotes none of its text."""


def made(draft: NodeDraft, node_id: str, articles: Collection[str]) -> BuiltNode:
    """The node that the draft describes; one that asks for harm becomes an escalation.

    ``articles`` are the ids of those that the generator was given: it may cite no other. Raises
    `Unusable`.
    """
    if fault := next(_faults(draft, articles), None):
        raise Unusable(fault)
    safe = harmless(draft)
    return BuiltNode(
        node_id,
        NodeKind(safe.kind),
        safe.text,
        tuple(Choice(str(number), one.label) for number, one in enumerate(safe.options, 1)),
        safe.article_id,
        safe.reason_category,
    )


def stand_in(node_id: str) -> BuiltNode:
    """What is shown in the place of a node that could not be generated."""
    return BuiltNode(
        node_id,
        NodeKind.ESCALATE,
        "The next question could not be worked out just now. Try again, or escalate.",
        reason_category=AI_UNAVAILABLE,
    )


def _faults(  # noqa: C901 - one line a rule
    draft: NodeDraft, articles: Collection[str]
) -> Iterator[str]:
    if draft.kind not in {*NodeKind}:
        yield "the node is of no known kind"
    if not _fits(draft.text, _TEXT_LIMIT):
        yield "the text is empty, too long, or no text"
    if draft.kind == "question":
        if len(draft.options) not in _OPTIONS:
            yield f"a question has {len(draft.options)} options"
        if not all(_fits(option.label, _LABEL_LIMIT) for option in draft.options):
            yield "a label is empty, too long, or no text"
        if len({option.label for option in draft.options}) < len(draft.options):
            yield "two options have the same label"
    elif draft.options:
        yield "only a question has options"
    if (draft.kind == "escalate") != (draft.reason_category is not None):
        yield "escalations have a reason category, and nothing else has"
    if draft.reason_category is not None and not _fits(draft.reason_category, _REASON_LIMIT):
        yield "the reason category is empty, too long, or no text"
    if draft.reason_category == AI_UNAVAILABLE:
        yield "the reason category says that there is no node"
    if draft.article_id is not None and draft.article_id not in articles:
        yield "the article cited is none of those given"


def _fits(text: object, most: int) -> bool:
    """Whether Postgres and every parser of JSON can hold the text."""
    if not isinstance(text, str) or not text.strip() or len(text) > most or "\0" in text:
        return False
    return not any("\ud800" <= character <= "\udfff" for character in text)
