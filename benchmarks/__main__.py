"""``python -m benchmarks [--quick]``: all measures, as a table and in ``latest.json``."""

import argparse
import asyncio
import sys

import asyncpg

from benchmarks.installation import site
from benchmarks.measures import MEASURES, Results
from benchmarks.plots import draw
from benchmarks.report import line, write
from benchmarks.sizes import FULL, QUICK


async def main(*, quick: bool) -> int:
    """Measure, and show each figure as soon as it is there.

    Returns 1 where something could not be measured: the rest is written all the same.
    """
    results = Results()
    failed = []
    async with site() as where:
        server = await asyncpg.connect(where.servers.database_url)
        postgres = await server.fetchval("show server_version")
        await server.close()
        for measure in MEASURES:
            shown = set(results.figures)
            try:
                await measure(where, QUICK if quick else FULL, results)
            except Exception as error:  # noqa: BLE001 - whatever it is, the others are measured
                failed.append(measure.__name__)
                print(f"{measure.__name__}: NOT MEASURED: {error!r}", flush=True)
            for name in [name for name in results.figures if name not in shown]:
                print(line(name, results.figures[name], results.raw[name]), flush=True)
    write(results, quick=quick, postgres=postgres)
    if not quick:
        draw(results)
    return 1 if failed else 0


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="smaller, in under 3 minutes")
    sys.exit(asyncio.run(main(quick=arguments.parse_args().quick)))
