"""How well an article fits a problem: the words that they share, the rare ones counting most.

Okapi BM25 (Robertson and Zaragoza, 2009) over the articles given, with the title's words counted
several times and no correction for length: what help desks write is short. Words are compared by
their stems, as far as cutting off common English endings finds them.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from integrations.generator import GroundingArticle

_SATURATION = 1.2
_TITLE_COUNTS = 3
# What a category in common is worth, in rare words.
_CATEGORY = 1.0
# An article that fits so much worse than the best one was found by words in passing.
_WORTH_TRYING = 0.3
# One word of a body in common says nothing; one of a title does.
_LEAST_SHARED = 2


@dataclass(frozen=True, slots=True)
class Fitting:
    """An article with its score, which is above 0 and comparable within one ranking only."""

    article: GroundingArticle
    score: float


def ranked(
    problem_text: str, category: str | None, articles: Sequence[GroundingArticle]
) -> list[Fitting]:
    """The articles worth trying, best first; of equal ones, in the order they were given in."""
    asked = dict.fromkeys(terms(problem_text))
    texts = [Counter(terms(one.title) * _TITLE_COUNTS + terms(one.body)) for one in articles]
    weights = {term: _rarity(term, texts) for term in asked}
    scores = [
        _score(text, weights) + (_CATEGORY if _same(category, article.category) else 0)
        for article, text in zip(articles, texts, strict=True)
    ]
    least = _WORTH_TRYING * max(scores, default=0.0)
    fitting = [
        Fitting(article, score)
        for article, score in zip(articles, scores, strict=True)
        if score > 0 and score >= least
    ]
    return sorted(fitting, key=lambda one: -one.score)


def terms(text: str) -> list[str]:
    """The stems of the words that mean something, in order."""
    words = re.findall(r"[^\W_]+", text.casefold())
    return [_stem(word) for word in words if word not in _MEANINGLESS and len(word) > 1]


def _score(text: Counter[str], weights: Mapping[str, float]) -> float:
    """0 where the article shares too little with the problem to be about it."""
    if sum(text[term] for term in weights) < _LEAST_SHARED:
        return 0.0
    return sum(weight * _saturated(text[term]) for term, weight in weights.items())


def _same(category: str | None, other: str | None) -> bool:
    return category is not None and category == other


def _rarity(term: str, texts: Sequence[Counter[str]]) -> float:
    having = sum(term in text for text in texts)
    return math.log(1 + (len(texts) - having + 0.5) / (having + 0.5))


def _saturated(count: int) -> float:
    return count * (_SATURATION + 1) / (count + _SATURATION)


def _stem(word: str) -> str:
    for ending in ("ings", "ing", "ies", "ied", "es", "ed", "s", "e", "y"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:  # noqa: PLR2004 - a stem's least
            return word.removesuffix(ending)
    return word


_MEANINGLESS = frozenset({
    "a", "about", "after", "again", "all", "also", "am", "an", "and", "any", "are", "as", "at",
    "be", "because", "been", "before", "but", "by", "can", "cannot", "could", "did", "do",
    "does", "doesn", "don", "down", "each", "few", "for", "from", "had", "has", "have", "he",
    "her", "here", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "just",
    "me", "more", "most", "my", "no", "not", "now", "of", "off", "on", "once", "only", "or",
    "other", "our", "out", "over", "own", "please", "she", "should", "since", "so", "some",
    "still", "such", "than", "that", "the", "their", "them", "then", "there", "these", "they",
    "this", "those", "through", "to", "too", "under", "until", "up", "very", "was", "we",
    "were", "what", "when", "where", "which", "while", "who", "why", "will", "with", "won",
    "would", "you", "your", "hello", "hi", "thanks", "help", "problem", "issue", "user",
    "caller", "customer", "today", "yesterday", "get", "gets", "getting", "got", "work",
    "works", "working", "try", "tried",
})  # fmt: skip
