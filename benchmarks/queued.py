"""The same decisions as jobs of procrastinate, a task queue on Postgres.

The commands are queued already, locked by their session so that its jobs run in order; a worker
runs them. ``python -m benchmarks.queued`` works until it is told to stop.
"""

import asyncio
from datetime import UTC, datetime

from procrastinate import App, PsycopgConnector
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from benchmarks import one_by_one
from benchmarks.batches import Record
from benchmarks.installation import Installation
from benchmarks.rate import later_rate
from benchmarks.workload import commands
from consumers.decode import decode
from consumers.records import Delivery, Source
from firstline.settings import Settings
from storage.database import DIALECT, dialling

_CONCURRENCY = 5


async def applied_per_second(installed: Installation, count: int) -> float:
    """Commands a second of one worker that runs so many jobs at once."""
    app = _app(installed.database_url)
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await app.job_manager.batch_defer_jobs_async(
            [
                app.configure_task("apply", lock=sent.key.decode()).make_new_job(
                    value=sent.value.decode(), session_id=sent.key.decode()
                )
                for sent in commands(count)
            ]
        )
    async with installed.connected() as connection:
        with installed.process("-m", "benchmarks.queued"):
            return await later_rate(
                lambda: connection.fetchval("select count(*) from inbox"), count
            )


async def work() -> None:
    """Run jobs."""
    database_url = Settings().database_url
    assert database_url is not None
    app = _app(database_url)
    async with app.open_async():
        await app.run_worker_async(concurrency=_CONCURRENCY)


def _app(database_url: str) -> App:
    app = App(connector=PsycopgConnector(conninfo=database_url, max_size=_CONCURRENCY + 2))
    engine = create_async_engine(
        DIALECT, async_creator=dialling(database_url), pool_size=_CONCURRENCY
    )
    sessions: async_sessionmaker[AsyncSession] = async_sessionmaker(engine, expire_on_commit=False)

    @app.task(name="apply")
    async def apply(value: str, session_id: str) -> None:
        delivery = decode(Record(session_id.encode(), value.encode()), Source.CHAT)
        assert isinstance(delivery, Delivery)
        async with sessions() as db:
            await one_by_one.apply(db, delivery, datetime.now(UTC))

    return app


if __name__ == "__main__":
    asyncio.run(work())
