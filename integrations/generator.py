"""What generates the next node of an AI-built walk: the port, and what goes through it."""

from dataclasses import dataclass
from typing import Literal, Protocol

Kind = Literal["question", "action", "article", "resolve", "escalate"]


@dataclass(frozen=True, slots=True)
class GroundingArticle:
    """An article of the account, as the search found it."""

    id: str
    title: str
    category: str | None
    body: str


@dataclass(frozen=True, slots=True)
class PathStep:
    """A node that was walked: what it said, and what the technician answered."""

    question: str
    answer: str
    note: str | None


@dataclass(frozen=True, slots=True)
class Case:
    """What a node is generated from, and nothing else.

    ``articles`` come best first. ``nodes_left`` counts the node that is asked for: at 1 it has to
    be an end.
    """

    request_id: str
    account_id: str
    category: str | None
    problem_text: str
    path: tuple[PathStep, ...]
    articles: tuple[GroundingArticle, ...]
    nodes_left: int


@dataclass(frozen=True, slots=True)
class NodeOption:
    """An answer to choose."""

    label: str


@dataclass(frozen=True, slots=True)
class NodeDraft:
    """A node without an id: the one who serves it gives it one.

    A question has options, an escalation has a reason category, and nothing else has them.
    ``article_id`` is the article that it rests on, None where it says that there is none.
    """

    kind: Kind
    text: str
    options: tuple[NodeOption, ...] = ()
    reason_category: str | None = None
    article_id: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What was paid for, over every attempt."""

    model: str
    input_tokens: int
    output_tokens: int
    cost_microdollars: int


@dataclass(frozen=True, slots=True)
class Generated:
    """A node, and what it cost."""

    draft: NodeDraft
    usage: Usage


class Unavailable(Exception):
    """No usable answer in time: the provider is away, slow, over its limits, or answers nonsense.

    ``usage`` is what was paid nevertheless, None where nothing was. The message holds no text of
    a payload.
    """

    def __init__(self, message: str, usage: Usage | None = None) -> None:
        super().__init__(message)
        self.usage = usage


class Generator(Protocol):
    """Something that writes the next node."""

    async def generate(self, case: Case, *, idempotency_key: str) -> Generated:
        """The next node. Raises `Unavailable`."""
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...
