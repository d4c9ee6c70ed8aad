"""Relays that take the same steps in another order, each of which loses messages or doubles them."""

from contextlib import AsyncExitStack, suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from producers import topics
from producers.kafka import Kafka
from producers.progress import read_progress
from producers.publish import transactional_producer
from producers.relay import Relay, RelaySettings
from storage import outbox
from storage.database import begin
from storage.outbox import Intent


class Swapped(Relay):
    """A relay with one step elsewhere."""

    def step(self) -> None:
        """What stands between the steps that are swapped: nothing, but a test may stop here."""


class SettlesFirst(Relay):
    """Settles what it has not published yet."""

    async def relay_once(self) -> int:
        intent = await self.take()
        if intent is None:
            return 0
        self.settled = intent
        await self.settle()
        await self.publish(intent)
        return len(intent.rows)


class PublishesFirst(Relay):
    """Publishes what it has not noted as its intent yet."""

    async def relay_once(self) -> int:
        async with begin(self.engine) as tx:
            intent = await outbox.take(tx, self.shard, self.progress, most_rows=8, most_bytes=1_000)
            raise_after = tx
        return 0
