"""Where a relay can be stopped: between each two of its steps."""

import asyncio
import gc
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from aiokafka.protocol.transaction import EndTxnRequest

from producers import relay
from producers.relay import Relay
from storage import intents

Stop = Callable[[Relay], AbstractContextManager[Any]]


class Stopped(BaseException):
    """The relay ends here, as if its process did."""


def before(owner: object, step: str) -> AbstractContextManager[Any]:
    """Stop before this step."""
    return _stopping(owner, step, done=False)


def after(owner: object, step: str) -> AbstractContextManager[Any]:
    """Stop after this step."""
    return _stopping(owner, step, done=True)


def _stopping(owner: object, step: str, *, done: bool) -> AbstractContextManager[Any]:
    take, stopped = getattr(owner, step), False

    async def stopping(*arguments: object, **named: object) -> object:
        nonlocal stopped
        if stopped:  # somebody else takes the step at the same time, and is not heard any more
            return await take(*arguments, **named)
        stopped = True
        if done:
            await take(*arguments, **named)
        raise Stopped

    return mock.patch.object(owner, step, stopping)


RELAYING: Mapping[str, Stop] = {
    "before it takes rows": lambda _: before(intents, "take"),
    "before it publishes": lambda _: before(relay, "publish"),
    "before it sends": lambda old: after(old.producer, "begin_transaction"),
    "when it sent the number": lambda old: after(old.producer, "send"),
    "when it sent a part": lambda old: after(old.producer, "send_batch"),
    "before it commits": lambda old: before(old.producer, "commit_transaction"),
    "when it committed": lambda old: after(old.producer, "commit_transaction"),
    "before it settles": lambda _: after(relay, "publish"),
    "before it deletes what it settled": lambda _: before(intents, "delete_settled"),
}
"""One pass of a relay."""

OPENING: Mapping[str, Callable[[], AbstractContextManager[Any]]] = {
    "before it reads the progress": lambda: before(relay, "read_progress"),
    "before it recovers": lambda: before(Relay, "recover"),
    "before it publishes again": lambda: before(relay, "publish"),
    "when it published again": lambda: after(relay, "publish"),
    "before what it settles is committed": lambda: after(intents, "settle"),
}
"""What a new relay does before its first pass, where the last one was stopped in the middle."""


@dataclass(slots=True)
class Held:
    """A request to end a transaction that is held back on its way to Kafka."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)
    hand_over: asyncio.Event = field(default_factory=asyncio.Event)


@contextmanager
def end_held(relay: Relay) -> Iterator[Held]:
    """Hold the relay's requests to end a transaction, and Kafka's answers, until they are let go.

    They go by ``go_on`` and ``hand_over``; that they came this far is ``reached`` and ``answered``.
    """
    held = Held()
    client = relay.producer.client
    send = client.send

    async def sent(node: object, request: object, **how: object) -> object:
        if not isinstance(request, EndTxnRequest):
            return await send(node, request, **how)
        held.reached.set()
        await held.go_on.wait()
        answer = await send(node, request, **how)
        held.answered.set()
        await held.hand_over.wait()
        return answer

    with mock.patch.object(client, "send", sent):
        yield held
        held.go_on.set()
        held.hand_over.set()


@contextmanager
def unmourned() -> Iterator[None]:
    """Keep asyncio from telling of what stopped relays left behind.

    It would do so when that is collected, which may be while somebody parses: formatting the
    traceback parses as well, and Python before 3.11.8 cannot do one within the other.
    """
    logger = logging.getLogger("asyncio")
    logger.disabled = True
    yield
    gc.collect()
    logger.disabled = False
