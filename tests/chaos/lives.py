"""One worker after another, each armed with the next failpoint, for the price of one start.

    python -m tests.chaos.lives PLAN...

Each is forked from one interpreter and prints, when it has ended, its plan and its exit code.
"""

import os
import sys

from storage.failpoints import VARIABLE


def main(plans: list[str]) -> None:
    """Live once a plan."""
    # All that a worker imports when it needs it.
    import firstline.cli  # noqa: PLC0415 - the parent of the children alone
    import firstline.program  # noqa: PLC0415

    for plan in plans:
        pid = os.fork()
        if not pid:
            os.environ[VARIABLE] = plan
            sys.argv = ["firstline", "worker", "--no-nodes"]
            try:
                firstline.cli.main()
            finally:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        print(f"{plan} {os.waitstatus_to_exitcode(status)}", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
