"""The command line. Errors are one sentence on stderr and an exit code, never a traceback."""

import codecs
import io
import json
import os
import sys
from pathlib import Path

import typer

from firstline.commands import (
    accounts,
    dead_letters,
    flows,
    looking,
    reporting,
    setting_up,
    traffic,
    working,
)

app = typer.Typer(
    name="firstline",
    help="First-line support sessions over Kafka: one effect and one answer a command.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

# In the order in which somebody new needs them: that is the order of the help.
for command in (
    working.demo,
    setting_up.migrate,
    setting_up.topics,
    setting_up.prepare,
    setting_up.load,
    setting_up.check,
    working.worker,
    working.relay,
    working.nodes,
    working.up,
    working.down,
    traffic.send,
    traffic.tail,
    looking.session,
    looking.queue,
    reporting.report,
    setting_up.prune,
    setting_up.contracts,
):
    app.command()(command)
for group in (flows.app, accounts.categories, accounts.account, dead_letters.app):
    app.add_typer(group)


def main() -> None:
    """Run the command line."""
    _mend_streams()
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        from firstline.errors import explain  # noqa: PLC0415 - it knows every part of the program

        sentence = explain(error)
        if sentence is None:
            raise
        typer.echo(f"firstline: {sentence}", err=True)
        sys.exit(1)


def _mend_streams() -> None:
    """Have stdin, stdout and stderr be there, and take any text.

    Where one is closed, the next socket would get its number: libuv aborts when it is to close it,
    and what a library prints would go to a server. A locale without the letter gets its escape, as
    JSON has it, so that what is JSON stays it.
    """
    codecs.register_error("firstline.escaped", _escaped)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
            nowhere = Path(os.devnull).open("w" if number else "r", encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, nowhere)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="firstline.escaped")


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
