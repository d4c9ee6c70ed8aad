"""Generators that say what they are told to, and count how often they are asked."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from integrations.generator import (
    Case,
    Generated,
    NodeDraft,
    NodeOption,
    Usage,
)

DRAFT = NodeDraft("question", "Is it on?", (NodeOption("Yes"), NodeOption("No")))
USAGE = Usage("stub", 100, 20, 7)


def always(draft: NodeDraft) -> Callable[[Case], NodeDraft]:
    return lambda _: draft


_A_QUESTION = always(DRAFT)


@dataclass
class Counting:
    """Answers as ``says`` says, once ``gate`` is open, and keeps what it was asked."""

    says: Callable[[Case], NodeDraft] = _A_QUESTION
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[Case] = field(default_factory=list)
    usage: Usage = USAGE
    keys: list[str] = field(default_factory=list)
    busy: int = 0
    busiest: int = 0
    begun: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.gate.set()

    async def generate(self, case: Case, *, idempotency_key: str) -> Generated:
        self.asked.append(case)
        self.keys.append(idempotency_key)
        self.busy += 1
        self.busiest = max(self.busy, self.busiest)
        async with self.begun:
            self.begun.notify_all()
        try:
            await self.gate.wait()
            return Generated(self.says(case), self.usage)
        finally:
            self.busy -= 1

    async def aclose(self) -> None:
        """Nothing is open between two answers."""

    async def until_asked(self, times: int) -> None:
        """Wait until it was asked so often."""
        async with asyncio.timeout(20), self.begun:
            await self.begun.wait_for(lambda: len(self.asked) >= times)
