"""A Kafka proxy that knows frames: it can hold back, or lose, a single request or answer.

A frame is a length in four bytes and that many bytes. A request begins with its api key, version
and correlation id, an answer with the correlation id of its request
(https://kafka.apache.org/protocol#protocol_messages). Clients stay on the proxy because it puts
its own address where the broker names its own.
"""

import asyncio
import contextlib
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import Any, Self, TypeVar

T = TypeVar("T")
Match = Callable[[bytes], bool]

_LENGTH = struct.Struct(">i")
_REQUEST = struct.Struct(">hhi")
_ANSWER_SECONDS = 10


class Api(IntEnum):
    """The requests that tests get at, by their keys."""

    PRODUCE = 0
    FETCH = 1
    METADATA = 3
    OFFSET_COMMIT = 8
    FIND_COORDINATOR = 10
    JOIN_GROUP = 11
    HEARTBEAT = 12
    SYNC_GROUP = 14
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    END_TXN = 26


class Way(Enum):
    """Where a frame goes."""

    REQUEST = "request"
    ANSWER = "answer"


def anything(_: bytes) -> bool:
    """Say yes to every frame."""
    return True


@dataclass(slots=True)
class Caught:
    """One frame that is held or lost: the next of its kind, once it comes.

    ``reached`` is set when it came; ``arrived`` when, let go, it was delivered, and a request also
    answered.
    """

    api: Api
    way: Way
    matching: Match
    lost: bool
    reached: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)
    free: threading.Event = field(default_factory=threading.Event)

    def let_go(self) -> None:
        """Deliver it, however late that is."""
        self.free.set()


@dataclass(slots=True, eq=False)
class _Line:
    """One connection through the proxy, and what was asked on it and is not answered yet."""

    client: asyncio.StreamWriter
    broker: asyncio.StreamWriter
    asked: dict[int, int] = field(default_factory=dict)
    over: bool = False
    answered: asyncio.Condition = field(default_factory=asyncio.Condition)


class Proxy:
    """Stands between clients and the one broker at ``upstream``, on a thread of its own."""

    def __init__(self, upstream: str) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = host, int(port)
        self._all: list[Caught] = []
        self._wanted: list[Caught] = []
        self._lines: set[_Line] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._unplugged = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self._port = int(self._server.sockets[0].getsockname()[1])

    @property
    def bootstrap(self) -> str:
        """Where clients connect: `host:port`."""
        return f"127.0.0.1:{self._port}"

    def hold(self, api: Api, way: Way = Way.REQUEST, matching: Match = anything) -> Caught:
        """Hold the next frame of this kind, and what follows on its connection, until let go."""
        return self._want(Caught(api, way, matching, lost=False))

    def lose(self, api: Api, way: Way = Way.REQUEST, matching: Match = anything) -> Caught:
        """Lose the next frame of this kind; its connection stays."""
        return self._want(Caught(api, way, matching, lost=True))

    @contextmanager
    def unplugged(self) -> Iterator[None]:
        """End every connection, and take none while the block runs."""
        self._unplugged = True
        self._run(self._hang_up())
        try:
            yield
        finally:
            self._unplugged = False

    def let_everything_go(self) -> None:
        """Deliver what is held, and hold or lose nothing more."""
        self._wanted.clear()
        while self._all:
            self._all.pop().let_go()

    def close(self) -> None:
        """Let everything go, and everybody."""
        self.let_everything_go()
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def _want(self, caught: Caught) -> Caught:
        self._all.append(caught)
        self._wanted.append(caught)
        return caught

    async def _hang_up(self) -> None:
        for line in self._lines:
            line.client.transport.abort()
            line.broker.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        await self._hang_up()
        await asyncio.gather(*self._serving)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            if not self._unplugged:
                broker_reader, broker = await asyncio.open_connection(*self._upstream)
                await self._connect(reader, broker_reader, _Line(client, broker))
        except OSError:
            pass  # the broker is away: so is the proxy
        finally:
            client.close()
            self._serving.discard(task)

    async def _connect(
        self, client: asyncio.StreamReader, broker: asyncio.StreamReader, line: _Line
    ) -> None:
        self._lines.add(line)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._requests(client, line))
                both.create_task(self._answers(broker, line))
        finally:
            self._lines.discard(line)
            line.broker.close()

    async def _requests(self, reader: asyncio.StreamReader, line: _Line) -> None:
        """Pass on what the client asks; what was held arrives although the client has gone."""
        while (frame := await _frame(reader)) is not None:
            api, _, correlation = _REQUEST.unpack_from(frame)
            caught = await self._catch(api, Way.REQUEST, frame)
            if caught is not None and caught.lost:
                continue
            line.asked[correlation] = api
            _write(line.broker, frame)
            if caught is not None and await _is_answered(line, correlation):
                caught.arrived.set()
        line.broker.close()

    async def _answers(self, reader: asyncio.StreamReader, line: _Line) -> None:
        while (frame := await _frame(reader)) is not None:
            (correlation,) = _LENGTH.unpack_from(frame)
            api = line.asked.pop(correlation)
            async with line.answered:
                line.answered.notify_all()
            if api in {Api.METADATA, Api.FIND_COORDINATOR}:
                frame = self._readdressed(frame)
            caught = await self._catch(api, Way.ANSWER, frame)
            if caught is not None and caught.lost:
                continue
            _write(line.client, frame)
            if caught is not None:
                caught.arrived.set()
        async with line.answered:
            line.over = True
            line.answered.notify_all()
        line.client.close()

    async def _catch(self, api: int, way: Way, frame: bytes) -> Caught | None:
        """The order that a frame is for; one that is to be held has been let go by then."""
        for caught in self._wanted:
            if caught.api == api and caught.way is way and caught.matching(frame):
                self._wanted.remove(caught)
                caught.reached.set()
                if not caught.lost:
                    await asyncio.to_thread(caught.free.wait)
                return caught
        return None

    def _readdressed(self, frame: bytes) -> bytes:
        """The answer, with this proxy's address wherever the broker's stands."""
        _, port = self._upstream
        for host in {self._upstream[0], "localhost", "127.0.0.1"}:
            frame = frame.replace(_address(host, port), _address("127.0.0.1", self._port))
        return frame


def _address(host: str, port: int) -> bytes:
    """Host and port as an answer of a version before the compact ones holds them."""
    return struct.pack(f">h{len(host)}si", len(host), host.encode(), port)


async def _frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame, without its length; None where there is no more."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return await reader.readexactly(length)
    except (OSError, asyncio.IncompleteReadError):
        return None


def _write(writer: asyncio.StreamWriter, frame: bytes) -> None:
    """Send a frame; whoever has gone does without."""
    if not writer.is_closing():
        writer.write(_LENGTH.pack(len(frame)) + frame)


async def _is_answered(line: _Line, correlation: int) -> bool:
    """Wait until the broker has answered, or has hung up; say whether it has answered."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_ANSWER_SECONDS), line.answered:
            await line.answered.wait_for(lambda: line.over or correlation not in line.asked)
    return correlation not in line.asked
