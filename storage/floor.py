"""How far the relay need not look at the outbox again."""

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Floor:
    """An id at or below which no row waits, nor can one appear any more, as one relay knows it.

    Deleted rows lie in the index until nobody's snapshot needs them; whoever begins to read above
    the floor does not step over them. It is never stored: a new relay begins at 0.

    Ids are drawn in order, and appear when their transactions commit, in any order: below the
    highest id taken, one may appear that was drawn by a transaction which was open then. Whoever
    stages has a transaction id by then, so theirs are below that of the relay's next transaction,
    ``since``. The floor rises to ``ceiling`` once all of those have ended.
    """

    id: int = 0
    taken: int = 0
    ceiling: int = 0
    since: int | None = None

    def risen(self, oldest: int, next_id: int | None) -> "Floor":
        """The floor where no transaction below ``oldest`` is open, and ``next_id`` waits first."""
        if self.since is None or oldest < self.since:
            return self
        at = self.ceiling if next_id is None else min(self.ceiling, next_id - 1)
        return replace(self, id=at, since=None)

    def aimed(self, transaction: int) -> "Floor":
        """The floor with a new ceiling, where it waits for none.

        The transaction has to be later than the one that took what was taken last.
        """
        if self.since is not None or self.taken <= self.id:
            return self
        return replace(self, ceiling=self.taken, since=transaction)
