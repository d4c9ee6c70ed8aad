"""Relays with one step in another place. Each loses messages, or sends them twice, when stopped."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from unittest import mock

from sqlalchemy.ext.asyncio import AsyncEngine

from producers import topics
from producers.kafka import Kafka
from producers.progress import read_progress
from producers.publish import transactional_producer
from producers.relay import Relay, RelaySettings
from storage import intents
from storage.database import begin
from storage.intents import Intent
from storage.outbox import Row
from tests.relay.house import Open


class SettlesFirst(Relay):
    """Settles its intent, and publishes it then."""

    async def relay_once(self) -> int:
        intent = await self.take()
        if intent is None:
            return 0
        self.published = intent
        await self.settle()
        await self.publish(intent)
        return len(intent.rows)


class PublishesFirst(Relay):
    """Publishes rows, and notes that they are its intent then."""

    async def relay_once(self) -> int:
        intent = await self.choose()
        if intent is None:
            return 0
        await self.publish(intent)
        self.progress -= 1  # so that the intent is noted under its number
        self.published = await self.take()
        await self.settle()
        self.progress += 1
        return len(intent.rows)

    async def choose(self) -> Intent | None:
        """What `take` would take."""
        async with begin(self.engine) as tx:
            intent, _ = await intents.take(
                tx, self.shard, self.progress, self.published, self.floor, self.settings.bounds
            )
            await tx.execute("update relay_shards set number = settled, row_ids = null")
        return intent


class CommitsTheNumberLater(Relay):
    """Commits the rows, and the intent's number in a transaction of its own then."""

    async def publish(self, intent: Intent, *, one_by_one: bool = False) -> None:
        assert not one_by_one
        await self.commit_rows(intent.rows)
        await self.commit_number(intent.number)
        self.progress = intent.number

    async def commit_rows(self, rows: Sequence[Row]) -> None:
        async with self.producer.transaction():
            for row in rows:
                message = row.message
                topic = self.kafka.topic(message.topic)
                await self.producer.send_and_wait(topic, message.value, message.key)

    async def commit_number(self, number: int) -> None:
        async with self.producer.transaction():
            topic = self.kafka.topic(topics.RELAY_PROGRESS)
            await self.producer.send_and_wait(
                topic, str(number).encode(), str(self.shard).encode(), self.shard
            )


class CommitsTheNumberFirst(CommitsTheNumberLater):
    """Commits the intent's number, and the rows in a transaction of their own then."""

    async def publish(self, intent: Intent, *, one_by_one: bool = False) -> None:
        assert not one_by_one
        await self.commit_number(intent.number)
        await self.commit_rows(intent.rows)
        self.progress = intent.number


class AlwaysSettles(Relay):
    """Takes what was left open for published, whatever Kafka says."""

    async def recover(self, *, careful: bool = False) -> None:
        self.progress = 10**9
        await _recover_and_count_on(self, careful=careful)


class AlwaysPublishes(Relay):
    """Publishes what was left open, whatever Kafka says."""

    async def recover(self, *, careful: bool = False) -> None:
        async with begin(self.engine) as tx:
            self.progress = (await intents.state(tx, self.shard)).settled
        await Relay.recover(self, careful=careful)


class ForgetsWhatWasSettled(Relay):
    """Takes rows that were settled for gone."""

    async def recover(self, *, careful: bool = False) -> None:
        async with begin(self.engine) as tx:
            await tx.execute("update relay_shards set settled_ids = null")
        await Relay.recover(self, careful=careful)


class CountsForItself(Relay):
    """Numbers its intents by what the database knows, whatever Kafka says."""

    async def recover(self, *, careful: bool = False) -> None:
        await _recover_and_count_on(self, careful=careful)


async def _recover_and_count_on(relay: Relay, *, careful: bool) -> None:
    """Recover, and count on from what the database knows, not from the progress."""
    with mock.patch.object(intents, "count_on", mock.AsyncMock()):
        await Relay.recover(relay, careful=careful)
    async with begin(relay.engine) as tx:
        relay.progress = (await intents.state(tx, relay.shard)).settled


def opening(kind: type[Relay]) -> Open:
    """Open a relay of this kind: fence, read, recover."""

    async def open_(
        stack: AsyncExitStack,
        engine: AsyncEngine,
        kafka: Kafka,
        shard: int,
        settings: RelaySettings,
    ) -> Relay:
        producer = await stack.enter_async_context(transactional_producer(kafka, shard))
        progress = await read_progress(kafka, shard)
        opened = kind(engine, kafka, shard, settings, producer, progress)
        await opened.recover()
        return opened

    return open_


async def read_before_fencing(
    stack: AsyncExitStack, engine: AsyncEngine, kafka: Kafka, shard: int, settings: RelaySettings
) -> Relay:
    """Open a relay that reads the progress, and fences its predecessor then."""
    progress = await read_progress(kafka, shard)
    producer = await stack.enter_async_context(transactional_producer(kafka, shard))
    opened = Relay(engine, kafka, shard, settings, producer, progress)
    await opened.recover()
    return opened
