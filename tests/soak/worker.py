"""A worker as `firstline worker` runs one, which keeps for seconds what that one keeps for days."""

import asyncio
import os
from datetime import timedelta

from consumers.upkeep import prune_forever
from firstline import logs
from firstline.commands.within import run_async
from firstline.program import run_worker
from firstline.servers import Servers, given
from firstline.settings import Settings
from storage.database import connect
from storage.retention import Retention

KEPT_SECONDS = 15
_PRUNE_SECONDS = 1.0


async def run(servers: Servers, settings: Settings) -> None:
    """Work until SIGTERM, and prune beside it."""
    time = timedelta(seconds=KEPT_SECONDS)
    kept = Retention(commands=time, walks=time, audit=time, dead_letters=time)
    engine = connect(servers.database_url, pool_size=1)
    stop = asyncio.Event()
    pruning = asyncio.ensure_future(prune_forever(engine, stop, _PRUNE_SECONDS, kept))
    try:
        await run_worker(servers, settings)
    finally:
        stop.set()
        await pruning
        await engine.dispose()


if __name__ == "__main__":
    settings = Settings(prune_seconds=0)
    logs.configure(settings.log_level)
    servers = given(os.environ)
    assert servers is not None
    run_async(run(servers, settings))
