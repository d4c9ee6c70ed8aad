"""A client for those who send commands: typed, and with the answer at hand.

It needs Kafka alone, no database of ours: it appends to one command topic and reads the replies.
"""

import asyncio
import secrets
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any, Literal, Self, overload
from uuid import UUID

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError

from producers import topics
from producers.awaited import AwaitedReplies, ClientStopped
from producers.disconnect import disconnect
from producers.kafka import Kafka, partition_of
from schemas.commands import VALUE_LIMIT, CommandModel
from schemas.replies import Reply

__all__ = ["Client", "ClientStopped", "NoReply", "new_id"]

_POLL_MS = 1_000
_LOOKS = (0, 0.1, 0.4, 1)


class NoReply(Exception):
    """No answer came in time: the command took effect, will, or never arrived.

    Send ``command`` again as it is: under the same ``command_id`` it cannot take effect twice, and
    what was answered the first time is answered again. Under a new id it is another command.
    """

    def __init__(self, command: CommandModel, seconds: float) -> None:
        super().__init__(
            f"no reply to command {command.command_id} within {seconds} s; it is safe to send it"
            " again with the same command_id"
        )
        self.command = command
        self.command_id = command.command_id


class Client:
    """Sends commands to one of the command topics, and hands back their replies.

    Serves any number of concurrent senders of one event loop. Replies are read by one task from
    where their topic ended when the client connected, every partition of it and outside any
    consumer group. Restarts of the broker are waited out.
    """

    def __init__(self, kafka: Kafka, source: Literal["chat", "psa", "internal"]) -> None:
        self._kafka = kafka
        self._commands = kafka.topic(f"commands.{source}")
        self._replies = kafka.topic(topics.REPLIES)
        self._waiting = AwaitedReplies()
        self._connections = AsyncExitStack()
        self._producer: AIOKafkaProducer
        self._reader: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        """Connect. Raises KafkaError where Kafka cannot be reached, or lacks our topics."""
        async with AsyncExitStack() as connections:
            await self._find_topics()
            self._producer = AIOKafkaProducer(
                **self._kafka.connection(), acks="all", enable_idempotence=True
            )
            connections.push_async_callback(disconnect, self._producer)
            await self._producer.start()
            consumer = AIOKafkaConsumer(
                **self._kafka.connection(),
                group_id=None,
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="earliest",
            )
            connections.push_async_callback(disconnect, consumer)
            await consumer.start()
            await self._seek_to_the_end(consumer)
            self._reader = asyncio.create_task(self._read(consumer))
            self._connections = connections.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect. Who still waits gets `ClientStopped`; the commands are out all the same."""
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._connections.aclose()

    @overload
    def send(
        self, command: CommandModel, *, timeout: float = 30, wait: Literal[True] = True
    ) -> Coroutine[Any, Any, Reply]: ...

    @overload
    def send(
        self, command: CommandModel, *, timeout: float = 30, wait: Literal[False]
    ) -> Coroutine[Any, Any, None]: ...

    async def send(
        self,
        command: CommandModel,
        *,
        timeout: float = 30,  # noqa: ASYNC109 - what it bounds has an outcome of its own: NoReply
        wait: bool = True,
    ) -> Reply | None:
        """Append a command, and wait for its answer: accepted, rejected, or aborted.

        Without ``wait``, return None once Kafka keeps the command. Raises `NoReply` after
        ``timeout`` seconds: ``await client.send(command)`` again is safe, from here or from another
        process, and gets the late reply or the first one marked ``duplicate``. Raises ValueError
        for a command that is too large to be answered, for one under whose id another waits here,
        and for an answer of a version to come. Commands of one session that must keep their order
        are awaited one after the other.
        """
        value = _encode(command)
        try:
            async with asyncio.timeout(timeout):
                if not wait:
                    await self._append(command, value)
                    return None
                with self._waiting.answer(command, value) as answer:
                    await self._append(command, value)
                    return await answer
        except (TimeoutError, KafkaTimeoutError) as error:
            raise NoReply(command, timeout) from error

    async def insist(
        self,
        command: CommandModel,
        *,
        attempts: int = 3,
        timeout: float = 10,  # noqa: ASYNC109 - of each attempt
    ) -> Reply:
        """Send a command, the same one each time, until it is answered.

        Raises `NoReply` once ``attempts`` of ``timeout`` seconds each have passed; as `send` else.
        """
        for _ in range(attempts - 1):
            try:
                return await self.send(command, timeout=timeout)
            except NoReply:
                continue
        return await self.send(command, timeout=timeout)

    async def _append(self, command: CommandModel, value: bytes) -> None:
        key = command.session_id.encode()
        partitions = len(await self._producer.partitions_for(self._commands))
        await self._producer.send_and_wait(
            self._commands, value, key, partition_of(key, partitions)
        )

    async def _find_topics(self) -> None:
        """Raise for missing topics, by a list: to ask for one by name may create it.

        A topic that was made a moment ago need not be on it at once.
        """
        missing = {self._commands, self._replies}
        admin = AIOKafkaAdminClient(**self._kafka.connection())
        try:
            await admin.start()
            for pause in _LOOKS:
                await asyncio.sleep(pause)
                missing -= set(await admin.list_topics())
                if not missing:
                    break
        finally:
            await admin.close()
        if missing:
            msg = f"there is no {' and no '.join(sorted(missing))}; is the prefix right?"
            raise UnknownTopicOrPartitionError(msg)

    async def _seek_to_the_end(self, consumer: AIOKafkaConsumer) -> None:
        numbers = sorted(await self._producer.partitions_for(self._replies))
        partitions = [TopicPartition(self._replies, number) for number in numbers]
        consumer.assign(partitions)
        for partition, end in (await consumer.end_offsets(partitions)).items():
            consumer.seek(partition, end)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        """Hand out replies until cancelled; whatever ends the reading ends the waiting, too."""
        cause: Exception | None = None
        try:
            while True:
                fetched = await consumer.getmany(timeout_ms=_POLL_MS)
                for records in fetched.values():
                    for record in records:
                        self._waiting.take(record.key, record.value)
        except Exception as error:
            cause = error
            raise
        finally:
            self._waiting.stop(cause)


def new_id() -> str:
    """A new UUID of version 7 (RFC 9562, section 5.7): its first 48 bits are the time in ms."""
    fields = (time.time_ns() // 1_000_000, 7, secrets.randbits(12), 2, secrets.randbits(62))
    number = 0
    for value, bits in zip(fields, (48, 4, 12, 2, 62), strict=True):
        number = number << bits | value
    return str(UUID(int=number))


def _encode(command: CommandModel) -> bytes:
    """The command as compact JSON, the same bytes each time, without the fields that are absent."""
    absent = {
        name
        for name, described in type(command).model_fields.items()
        if not described.is_required() and getattr(command, name) is None
    }
    value = command.model_dump_json(exclude=absent).encode()
    if len(value) > VALUE_LIMIT:
        msg = f"the command has {len(value)} bytes, and {VALUE_LIMIT} are the most"
        raise ValueError(msg)
    return value
