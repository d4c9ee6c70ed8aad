"""A gate in front of saving, so that tests know who is at it."""

import asyncio
from typing import Any

import pytest

from consumers.apply import Batch
from consumers.save import save
from storage.database import APPLICATION_NAME
from tests.builders import NOW
from tests.consumers.desk import Desk
from tests.waiting import waiting


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


async def at_once(desk: Desk, gate: Gate, first: Batch, second: Batch) -> None:
    """Apply both, the second once the first is about to save, until the second waits for it."""
    applying = [asyncio.ensure_future(desk.applier.apply(first, NOW))]
    await gate.reached.wait()
    applying.append(asyncio.ensure_future(desk.applier.apply(second, NOW)))
    while not applying[1].done() and not await waiting(desk.connection, APPLICATION_NAME):
        pass
    assert not applying[1].done(), "nobody waits for anybody"
    gate.opened.set()
    await asyncio.gather(*applying)
