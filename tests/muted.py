"""A server that stands still, or is behind a network that drops everything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import make_url


@asynccontextmanager
async def muted(database_url: str) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """A way to the database on which nothing arrives while the event is set."""
    server, silent = make_url(database_url), asyncio.Event()
    ways: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                if not silent.is_set():
                    writer.write(data)
            if silent.is_set():
                await asyncio.Event().wait()  # that a side has closed does not arrive either
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(server.host, server.port)
        ways.add(asyncio.ensure_future(carry(reader, back)))
        ways.add(asyncio.ensure_future(carry(there, writer)))

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    try:
        yield server.set(host="127.0.0.1", port=port).render_as_string(hide_password=False), silent
    finally:
        proxy.close()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
