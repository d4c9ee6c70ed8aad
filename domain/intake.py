"""What an intake found in the account's knowledge, and what it picks."""

from enum import StrEnum

from domain.flows import Flow
from domain.values import value


class FoundKind(StrEnum):
    """Where a candidate comes from, in the order in which they are preferred."""

    FLOW = "flow"
    PROPOSAL = "proposal"
    ARTICLE = "article"


@value
class Candidate:
    """Something that matches a problem. ``score`` is at least 0, and higher is better.

    Flows and proposals come with what would be walked.
    """

    kind: FoundKind
    id: str
    title: str
    score: float
    flow: Flow | None = None
    version: int | None = None


def pick(candidates: tuple[Candidate, ...]) -> Candidate | None:
    """The best flow, else the best proposal, else the best article; None where nothing matches."""
    for kind in FoundKind:
        of_kind = [candidate for candidate in candidates if candidate.kind is kind]
        if of_kind:
            return min(of_kind, key=lambda candidate: (-candidate.score, candidate.id))
    return None
