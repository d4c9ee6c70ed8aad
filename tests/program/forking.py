"""Runs many commands for the price of one start: each in a process forked from one interpreter.

What a child prints, and the code with which it ends, are those of `python -m firstline`.
"""

import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypedDict

from tests.program.running import Ended


class Order(TypedDict):
    """A command to be run, and where its two outputs go."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    out: str
    err: str


def run_all(
    commands: Sequence[tuple[Sequence[str], Mapping[str, str]]], folder: Path
) -> list[Ended]:
    """Run commands, each with its environment, two at a time; return what they came to."""
    with tempfile.TemporaryDirectory() as outputs:
        orders = [
            Order(
                arguments=arguments,
                environment=environment,
                out=f"{outputs}/{number}.out",
                err=f"{outputs}/{number}.err",
            )
            for number, (arguments, environment) in enumerate(commands)
        ]
        done = subprocess.run(
            [sys.executable, "-m", "tests.program.forking"],
            input=json.dumps(orders),
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
            cwd=folder,
            check=True,
        )
        return [
            Ended(code, Path(order["out"]).read_text(), Path(order["err"]).read_text())
            for code, order in zip(json.loads(done.stdout), orders, strict=True)
        ]


def _serve(orders: Sequence[Order]) -> list[int]:
    # All that commands import when they need it, and whoever explains what went wrong.
    import firstline.cli  # noqa: PLC0415 - the parent of the children alone
    import firstline.errors  # noqa: PLC0415
    import firstline.load  # noqa: PLC0415
    import firstline.program  # noqa: PLC0415
    import firstline.traffic  # noqa: PLC0415

    codes: dict[int, int] = {}
    numbers: dict[int, int] = {}

    def collect() -> None:
        pid, status = os.wait()
        codes[numbers.pop(pid)] = os.waitstatus_to_exitcode(status)

    for number, order in enumerate(orders):
        if len(numbers) > 1:
            collect()
        pid = os.fork()
        if not pid:
            _become(order, firstline.cli.main)
        numbers[pid] = number
    while numbers:
        collect()
    return [codes[number] for number in range(len(orders))]


def _become(order: Order, main: Callable[[], object]) -> NoReturn:
    """Be the command, to the end of this process."""
    for path, place in ((order["out"], 1), (order["err"], 2)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), place)
    os.environ.clear()
    os.environ.update(order["environment"])
    sys.argv = ["firstline", *order["arguments"]]
    code: object = 1
    try:
        main()
        code = 0
    except SystemExit as leaving:
        code = leaving.code
    except BaseException:  # noqa: BLE001 - the interpreter prints it just so
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    print(json.dumps(_serve(json.load(sys.stdin))))  # noqa: T201 - that is its answer
