"""A gate in front of saving, so that tests know who is at it."""

import asyncio
from typing import Any

import pytest

from consumers.save import save


class Gate:
    """Stops batches as they are about to save, so many at a time, until it is opened."""

    def __init__(self, batches: int = 1) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self._expected = batches
        self._waiting = 0

    async def wait(self) -> None:
        self._waiting += 1
        if self._waiting == self._expected:
            self.reached.set()
        await self.opened.wait()


def gate_before_saving(monkeypatch: pytest.MonkeyPatch, module: str, batches: int = 1) -> Gate:
    """Put a gate where this module saves."""
    gate = Gate(batches)

    async def gated(*arguments: Any) -> None:  # noqa: ANN401 - those of save
        await gate.wait()
        await save(*arguments)

    monkeypatch.setattr(f"{module}.save", gated)
    return gate
