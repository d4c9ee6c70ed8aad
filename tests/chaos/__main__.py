"""`make chaos`: faults on real servers, and what became of what was sent meanwhile."""

import argparse
import re
import secrets
import sys
import time

from firstline.servers import NoServers
from tests.chaos import report
from tests.chaos.faults import FAULTS, LASTING
from tests.chaos.figures import totals
from tests.chaos.run import run


def main() -> int:
    """Return 1 where anything was lost, repeated, misordered or otherwise not as promised."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, help="begin no fault after so long")
    parser.add_argument("--seed", type=int, help="repeat the faults and commands of a run")
    parser.add_argument("--only", default="", help="faults whose name has this pattern in it")
    parser.add_argument("--long", action="store_true", help="the faults that last ten minutes")
    parser.add_argument(
        "--report", action="store_true", help=f"all of them, and write {report.PAGE.name}"
    )
    told = parser.parse_args()
    if told.report and (told.only or told.seconds is not None):
        parser.error("a report tells of every fault: neither --only nor --seconds goes with it")
    seed = secrets.randbelow(10**4) if told.seed is None else told.seed
    sys.stdout.write(f"SEED={seed}\n")
    begun = time.monotonic()
    faults = LASTING if told.long else FAULTS
    chosen = [fault for fault in faults if re.search(told.only, fault.name)]
    try:
        done = run(chosen, seed, told.seconds)
    except NoServers as missing:
        sys.exit(str(missing))
    if told.report:
        minutes = (time.monotonic() - begun) / 60
        part = report.LONG if told.long else report.FULL
        report.write(part, f"Seed {seed}, {minutes:.0f} minutes", done.lines, done.skipped)
    return 1 if not done.lines or totals(done.lines).harm else 0


if __name__ == "__main__":
    sys.exit(main())
