"""What the figures look like, as pictures for the docs."""

from benchmarks.measures import Results


def draw(results: Results) -> None:
    """Draw throughput by batch size and by stored rows."""
