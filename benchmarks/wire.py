"""What goes between a client and Postgres: statements, round trips, bytes.

A proxy that reads the frames of PostgreSQL's protocol 3.0 (manual, chapter "Message Formats"). It
shares nothing with the client, so that whatever the client sends is counted.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_READ = 1 << 16
# The first message of a connection has no type; every other begins with one, and its length.
_HEAD = 5


@dataclass(slots=True)
class Wire:
    """What has gone over a wire so far. ``statements`` counts what was executed, COPY included.

    A round trip is a change from hearing the server to asking it.
    """

    statements: int = 0
    round_trips: int = 0
    sent: int = 0
    received: int = 0
    _asking: bool = field(default=False, repr=False)

    def ask(self, size: int) -> None:
        """Bytes go to the server."""
        self.sent += size
        if not self._asking:
            self.round_trips += 1
        self._asking = True

    def hear(self, size: int) -> None:
        """Bytes come from the server."""
        self.received += size
        self._asking = False

    def reset(self) -> None:
        """Count from here."""
        self.statements = self.round_trips = self.sent = self.received = 0


@asynccontextmanager
async def tapped(database_url: str) -> AsyncIterator[tuple[str, Wire]]:
    """A URL of the same database through a proxy, and what goes over it."""
    wire, parts = Wire(), urlsplit(database_url)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(parts.hostname, parts.port)
        with suppress(ConnectionError):
            await asyncio.gather(
                _pass_on_questions(wire, reader, to_server),
                _pass_on_answers(wire, from_server, writer),
            )
        to_server.close()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user = parts.netloc.rpartition("@")[0]
    address = f"{user}@127.0.0.1:{port}" if user else f"127.0.0.1:{port}"
    try:
        yield parts._replace(netloc=address).geturl(), wire
    finally:
        server.close()


async def _pass_on_questions(
    wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    unread = bytearray()
    started = False
    while data := await reader.read(_READ):
        wire.ask(len(data))
        unread += data
        if not started:
            started = _skip_start(unread)
        if started:
            wire.statements += _executed(unread)
        writer.write(data)
        await writer.drain()
    writer.close()


async def _pass_on_answers(
    wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while data := await reader.read(_READ):
        wire.hear(len(data))
        writer.write(data)
        await writer.drain()
    writer.close()


def _skip_start(unread: bytearray) -> bool:
    """Take the connection's first message off, once it is whole; asyncpg asks for TLS before."""
    while len(unread) >= 8:
        size = int.from_bytes(unread[:4], "big")
        if len(unread) < size:
            return False
        asks_for_tls = int.from_bytes(unread[4:8], "big") == 80877103
        del unread[:size]
        if not asks_for_tls:
            return True
    return False


def _executed(unread: bytearray) -> int:
    """Take whole messages off; return how many of them execute something."""
    executed = 0
    while len(unread) >= _HEAD:
        size = 1 + int.from_bytes(unread[1:_HEAD], "big")
        if len(unread) < size:
            break
        executed += unread[0] in b"QE"  # a simple query, or the execution of a prepared one
        del unread[:size]
    return executed
