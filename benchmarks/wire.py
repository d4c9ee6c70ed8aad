"""What goes between a client and Postgres: statements, round trips, bytes.

A proxy that reads the frames of PostgreSQL's protocol 3.0 (manual, chapter "Message Formats"). It
shares nothing with the client, so that whatever the client sends is counted.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

_READ = 1 << 16
# The first message of a connection has no type; every other begins with one, and its length.
_HEAD = 5
_ASKS_FOR_TLS = 80877103
_NO_TLS = b"N"
# A simple query, and the execution of a prepared one.
_EXECUTES = b"QE"
# The server is ready for the next query, or for the rows of a COPY.
_IS_WAITED_FOR = b"ZG"


@dataclass(slots=True)
class Wire:
    """What has gone over a wire so far. ``statements`` counts what was executed, COPY included.

    ``round_trips`` counts what the client has to wait for: the end of a statement, and the leave
    to send the rows of a COPY.
    """

    statements: int = 0
    round_trips: int = 0
    sent: int = 0
    received: int = 0

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
        wire.sent += len(data)
        unread += data
        started = started or _skip_start(unread)
        if started:
            wire.statements += _take_off(unread, _EXECUTES)
        writer.write(data)
        await writer.drain()
    writer.close()


async def _pass_on_answers(
    wire: Wire, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    unread = bytearray()
    while data := await reader.read(_READ):
        if not wire.received and data.startswith(_NO_TLS):
            unread += data[len(_NO_TLS) :]
        else:
            unread += data
        wire.received += len(data)
        wire.round_trips += _take_off(unread, _IS_WAITED_FOR)
        writer.write(data)
        await writer.drain()
    writer.close()


def _skip_start(unread: bytearray) -> bool:
    """Take the connection's first message off, once it is whole; asyncpg asks for TLS before."""
    while len(unread) >= 8:
        size = int.from_bytes(unread[:4], "big")
        if len(unread) < size:
            return False
        asks_for_tls = int.from_bytes(unread[4:8], "big") == _ASKS_FOR_TLS
        del unread[:size]
        if not asks_for_tls:
            return True
    return False


def _take_off(unread: bytearray, kinds: bytes) -> int:
    """Take whole messages off; return how many of them are of these kinds."""
    found = 0
    while len(unread) >= _HEAD:
        size = 1 + int.from_bytes(unread[1:_HEAD], "big")
        if len(unread) < size:
            break
        found += unread[0] in kinds
        del unread[:size]
    return found
