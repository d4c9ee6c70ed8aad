"""Pauses between attempts while a server is away."""

from collections.abc import Iterator

SHORTEST_SECONDS = 0.05
LONGEST_SECONDS = 5.0


def growing_pauses() -> Iterator[float]:
    """Seconds to wait before each further attempt: each twice the last, within the two bounds."""
    seconds = SHORTEST_SECONDS
    while True:
        yield seconds
        seconds = min(seconds * 2, LONGEST_SECONDS)
