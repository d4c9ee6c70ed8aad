"""The generator that needs no network: it walks the account's own articles, step by step.

It pays nothing and makes nothing up: what it says stands in an article, or is one of a handful of
sentences below. The same case always gives the same node, since a position is found by walking
the recorded answers again from the start.
"""

from collections.abc import Generator as Walk
from collections.abc import Iterator, Sequence
from dataclasses import replace

from integrations.answers import Verdict, read_answer
from integrations.article_steps import shortened, steps
from integrations.generator import (
    Case,
    Generated,
    GroundingArticle,
    NodeDraft,
    NodeOption,
    Usage,
)
from integrations.relevance import Fitting, ranked, terms

NO_ARTICLE = "no_article"
"""Why a walk escalates: nothing that the account knows fits the problem."""

ARTICLES_USED_UP = "articles_used_up"
"""Why a walk escalates: what fits was tried."""

WALK_TOO_LONG = "walk_too_long"
"""Why a walk escalates: it has all the nodes that it may have."""

ASKED_FOR = "asked_for"
"""Why a walk escalates: the technician said so."""

_FREE = Usage("embedded", 0, 0, 0)

# How many steps are taken before somebody asks whether they helped.
_STEPS_BETWEEN_CHECKS = 3
# Articles that fit nearly as well as the best: which of them is meant is worth a question.
_AS_GOOD = 0.75
_MOST_CHOICES = 4
# A question, a step, a check and an end.
_ROOM_TO_ASK = 4
_LONGEST_LABEL = 200
_LONGEST_READING = 2_000
# Of an article, in code points: reading on holds everybody else up, and no walk gets so far.
_LONGEST_BODY = 20_000

_SOLVED = "Is the problem solved?"
_SOLVED_OPTIONS = (NodeOption("Yes, it is solved"), NodeOption("No, it is still there"))
_YES_NO = (NodeOption("Yes"), NodeOption("No"))
_WHICH = "Which of these fits the problem best?"
_NONE_OF_THESE = "None of these"


class Embedded:
    """`integrations.generator.Generator` without a model; it is never unavailable."""

    async def generate(self, case: Case, *, idempotency_key: str) -> Generated:  # noqa: ARG002 - the port's
        """The next node, from the case alone."""
        return Generated(next_node(case), _FREE)

    async def aclose(self) -> None:
        """There is nothing to let go of."""


def next_node(case: Case) -> NodeDraft:
    """The node at the end of the case's path; an end, where no more may follow."""
    walk = _walk(case)
    node = next(walk)
    for step in case.path:
        if _ends(node):
            break
        node = walk.send(step.answer)
    if case.nodes_left <= 1 and not _ends(node):
        return _escalate("The walk has reached its length without an end.", WALK_TOO_LONG)
    return node


def _ends(node: NodeDraft) -> bool:
    return node.kind in {"resolve", "escalate"}


def _walk(case: Case) -> Walk[NodeDraft, str, None]:
    """The whole walk: gives a node, takes its answer; an end is the last that it gives."""
    read = [replace(one, body=one.body[:_LONGEST_BODY]) for one in case.articles]
    found = ranked(case.problem_text, case.category, read)
    if not found:
        yield _escalate("No article of the account fits the problem.", NO_ARTICLE)
        return
    articles = [one.article for one in found]
    if len(offered := _as_good_as_the_best(found)) > 1 and _room(case) >= _ROOM_TO_ASK:
        articles = _in_the_order_of((yield _which(offered)), offered, articles)
    for article in articles:
        match (yield from _through(article)):
            case Verdict.SOLVED:
                yield NodeDraft("resolve", "The problem is solved.", article_id=article.id)
                return
            case Verdict.HAND_OVER:
                yield _escalate("An engineer was asked for.", ASKED_FOR, article)
                return
            case _:
                pass
    yield _escalate("Every article that fits was tried.", ARTICLES_USED_UP)


def _room(case: Case) -> int:
    """How many nodes the walk may have from its start."""
    return len(case.path) + case.nodes_left


def _through(article: GroundingArticle) -> Walk[NodeDraft, str, Verdict]:
    """The steps of one article, with checks between, until an answer settles it."""
    for node in _nodes(article):
        answer = yield node
        verdict = read_answer(answer, asked_whether_solved=node.text == _SOLVED)
        if verdict in {Verdict.SOLVED, Verdict.HAND_OVER}:
            return verdict
    return Verdict.UNSOLVED


def _nodes(article: GroundingArticle) -> Iterator[NodeDraft]:
    check = NodeDraft("question", _SOLVED, _SOLVED_OPTIONS, article_id=article.id)
    found = steps(article.body)
    if not found:
        reading = shortened(f"{article.title}: {article.body}", _LONGEST_READING)
        yield NodeDraft("article", reading, article_id=article.id)
        yield check
    for number, step in enumerate(found, 1):
        if step.endswith("?"):
            yield NodeDraft("question", step, _YES_NO, article_id=article.id)
        else:
            yield NodeDraft("action", step, article_id=article.id)
        if number % _STEPS_BETWEEN_CHECKS == 0 or number == len(found):
            yield check


def _as_good_as_the_best(found: Sequence[Fitting]) -> dict[str, GroundingArticle]:
    """The articles between which the problem does not decide, by their labels."""
    best = found[0].score
    offered: dict[str, GroundingArticle] = {}
    for one in found:
        if one.score >= _AS_GOOD * best and len(offered) < _MOST_CHOICES:
            title = shortened(one.article.title, _LONGEST_LABEL)
            label = one.article.id if title in {"", _NONE_OF_THESE} else title
            offered.setdefault(label, one.article)
    return offered


def _which(offered: dict[str, GroundingArticle]) -> NodeDraft:
    labels = (*offered, _NONE_OF_THESE)
    return NodeDraft("question", _WHICH, tuple(NodeOption(label) for label in labels))


def _in_the_order_of(
    answer: str, offered: dict[str, GroundingArticle], articles: list[GroundingArticle]
) -> list[GroundingArticle]:
    """The article that was chosen first; where none of the offered fits, only the others."""
    if answer not in offered and answer.casefold().startswith("none"):
        return [article for article in articles if article not in offered.values()]
    said = set(terms(answer))
    shared = {label: len(said.intersection(terms(label))) for label in offered}
    chosen = offered.get(answer) or offered[max(shared, key=lambda label: shared[label])]
    return [chosen, *(article for article in articles if article is not chosen)]


def _escalate(text: str, reason: str, article: GroundingArticle | None = None) -> NodeDraft:
    return NodeDraft(
        "escalate", text, reason_category=reason, article_id=article.id if article else None
    )
