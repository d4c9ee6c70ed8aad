"""An installation that a test may spoil, and what is found wrong with it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from firstline.check import Level, check
from firstline.servers import Servers
from firstline.settings import Settings
from producers.kafka import Kafka
from tests.check.operator import Operator


@dataclass(frozen=True)
class Installation:
    servers: Servers
    settings: Settings

    @property
    def kafka(self) -> Kafka:
        return self.settings.kafka(self.servers.kafka_bootstrap)

    @property
    def operator(self) -> Operator:
        return Operator(self.servers.kafka_bootstrap)

    async def found(self, level: Level) -> str:
        """Every finding of that level, one a line."""
        findings = await check(self.servers, self.settings)
        return "\n".join(one.sentence() for one in findings if one.level is level)

    async def wrong(self) -> str:
        return await self.found(Level.WRONG)

    async def warnings(self) -> str:
        return await self.found(Level.WARNING)

    async def becomes_wrong(self, *parts: str) -> str:
        """What is wrong, once all of it is said: brokers hear of changes a moment later."""
        return await self._becomes(self.wrong, parts)

    async def becomes_worth_a_warning(self, *parts: str) -> None:
        await self._becomes(self.warnings, parts)

    async def _becomes(self, look: Callable[[], Awaitable[str]], parts: tuple[str, ...]) -> str:
        found = await look()
        try:
            async with asyncio.timeout(15):
                while not all(part in found for part in parts):
                    found = await look()
        except TimeoutError:
            pytest.fail(f"looked for {parts}, found {found}")
        return found

    def topic(self, name: str) -> str:
        return self.kafka.topic(name)

    def environ(self) -> dict[str, str]:
        return {
            "FIRSTLINE_KAFKA_BOOTSTRAP": self.servers.kafka_bootstrap,
            "FIRSTLINE_DATABASE_URL": self.servers.database_url,
            "FIRSTLINE_TOPIC_PREFIX": self.settings.topic_prefix,
        }
