"""The command line. Errors are one sentence on stderr and an exit code, never a traceback."""

import sys

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
from firstline.streams import mend_streams

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
    mend_streams()
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
