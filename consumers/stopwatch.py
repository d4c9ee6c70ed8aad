"""How long the steps of something take."""

import time


class Stopwatch:
    """Runs from when it is made; ``seconds`` are those of the steps that have ended."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def step(self, name: str) -> None:
        """Say that this step has ended, and that the next begins."""
        now = time.perf_counter()
        self.seconds[name] = now - self._since
        self._since = now
