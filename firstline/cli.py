"""The command line. Errors are one sentence on stderr and an exit code, never a traceback."""

import asyncio
import os
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console

from firstline import logs
from firstline.servers import Servers, shared
from firstline.settings import Settings

_T = TypeVar("_T")

app = typer.Typer(
    name="firstline",
    help="First-line support sessions over Kafka: one effect and one answer a command.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class CommandSource(StrEnum):
    """Which command topic to send to."""

    CHAT = "chat"
    PSA = "psa"
    INTERNAL = "internal"


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date.

    Example: firstline migrate
    """
    from firstline.migrate import migrate as run  # noqa: PLC0415 - Alembic, for this command alone

    with _servers() as (servers, _):
        applied = _run(run(servers.database_url))
    typer.echo(f"applied {', '.join(applied)}" if applied else "nothing to do")


@app.command()
def topics() -> None:
    """Create the topics that are missing.

    Example: FIRSTLINE_PARTITIONS=24 firstline topics
    """
    from firstline.topics import create_topics  # noqa: PLC0415

    with _servers() as (servers, settings):
        created = _run(
            create_topics(
                settings.kafka(servers.kafka_bootstrap),
                partitions=settings.partitions,
                replication=settings.replication,
                retention_days=settings.retention_days,
            )
        )
    for name in created:
        typer.echo(f"created {name}")
    if not created:
        typer.echo("nothing to do")


@app.command()
def load(
    file: Annotated[Path, typer.Argument(help="A catalogue file, .json, .yaml or .yml.")],
) -> None:
    """Load accounts, people, flows and tickets from a file, all or nothing.

    Example: firstline load catalogue.yaml
    """
    from firstline.load import load_file  # noqa: PLC0415

    with _servers() as (servers, _):
        loaded = _run(load_file(file, servers.database_url))
    for table, counts in loaded.tables.items():
        if counts.added or counts.changed or counts.unchanged:
            typer.echo(
                f"{table}: {counts.added} added, {counts.changed} changed,"
                f" {counts.unchanged} unchanged"
            )


@app.command()
def worker(
    *,
    with_relay: Annotated[
        bool, typer.Option("--relay/--no-relay", help="Relay what comes of the commands, too.")
    ] = True,
) -> None:
    """Consume commands and relay what comes of them, until SIGTERM; prints "ready".

    Example: firstline worker
    """
    from firstline.program import run_worker  # noqa: PLC0415

    with _servers() as (servers, settings):
        _run(run_worker(servers, settings, with_relay=with_relay))


@app.command()
def relay(
    *,
    accept_lost_progress: Annotated[
        bool,
        typer.Option(
            "--accept-lost-progress",
            help="The progress topic is gone for good: what is open may go out again.",
        ),
    ] = False,
) -> None:
    """Relay the outbox to Kafka, without consuming, until SIGTERM.

    Example: firstline relay
    """
    from firstline.program import run_relay  # noqa: PLC0415

    with _servers() as (servers, settings):
        _run(run_relay(servers, settings, accept_lost_progress=accept_lost_progress))


@app.command()
def send(
    file: Annotated[Path, typer.Argument(help="Commands, one JSON object a line.")],
    source: Annotated[CommandSource, typer.Option(help="Which command topic.")],
) -> None:
    """Append commands to a command topic; exit 0 once all of them are appended.

    Example: firstline send commands.jsonl --source chat
    """
    from firstline.traffic import send_file  # noqa: PLC0415

    with _servers() as (servers, settings):
        sent = _run(send_file(settings.kafka(servers.kafka_bootstrap), file, source.value))
    typer.echo(f"appended {sent} commands")


@app.command()
def tail(
    topic: Annotated[str, typer.Argument(help="A topic's name, without the prefix.")],
    *,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on as messages arrive, until interrupted.")
    ] = False,
    session: Annotated[
        str | None, typer.Option("--session", metavar="ID", help="Only what is about a session.")
    ] = None,
    account: Annotated[
        str | None, typer.Option("--account", metavar="ID", help="Only what is of an account.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--type", metavar="TYPE", help="Only of a type, as resolve or session.resolved."
        ),
    ] = None,
) -> None:
    """Print a topic from its beginning, one JSON a line, as read_committed readers see it.

    Example: firstline tail session-events --follow --type session.escalated
    """
    from firstline.looking.records import Wanted  # noqa: PLC0415
    from firstline.traffic import print_topic  # noqa: PLC0415

    wanted = Wanted(session, account, kind)
    with _servers() as (servers, settings):
        kafka = settings.kafka(servers.kafka_bootstrap)
        _run(print_topic(kafka, topic, follow=follow, wanted=wanted))


@app.command()
def session(
    session_id: Annotated[str, typer.Argument(metavar="ID", help="The session's id.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for programs.")] = False,
) -> None:
    """Show a session: its state, walk, notes, audit trail, escalation and parked commands.

    Example: firstline session 01890a5d-ac96-774b-bcce-b302099a8057
    """
    from firstline.looking import ask  # noqa: PLC0415
    from firstline.looking import session as shown  # noqa: PLC0415

    with _servers() as (servers, _):
        seen = _run(ask.session(servers.database_url, session_id))
    if as_json:
        typer.echo(shown.as_json(seen))
    else:
        Console(highlight=False).print(shown.tree(session_id, seen))


@app.command()
def queue(
    *,
    account: Annotated[
        str | None, typer.Option("--account", metavar="ID", help="Only those of an account.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Show the escalations that nobody has claimed, oldest first.

    Example: firstline queue --account 01890a5d-ac96-774b-bcce-b302099a8057
    """
    from firstline.looking import ask  # noqa: PLC0415
    from firstline.looking import queue as shown  # noqa: PLC0415

    with _servers() as (servers, _):
        rows = _run(ask.queue(servers.database_url, account))
    if as_json:
        for row in rows:
            typer.echo(shown.as_json(row))
    elif rows:
        Console(highlight=False).print(shown.table(rows))
    else:
        typer.echo("nobody waits")


@app.command()
def check(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for programs.")] = False,
) -> None:
    """Say what is wrong with this installation and what to do; exit 1 where something is.

    Example: firstline check --json
    """
    from firstline.check import check as look  # noqa: PLC0415
    from firstline.check import report  # noqa: PLC0415

    with _servers() as (servers, settings):
        findings = _run(look(servers, settings))
    if as_json:
        typer.echo(report.as_json(findings))
    else:
        report.print_lines(findings, Console())
    raise typer.Exit(report.any_wrong(findings))


@app.command()
def contracts(
    *,
    into: Annotated[Path, typer.Option(help="The repository to write into.")] = Path(),
) -> None:
    """Write docs/asyncapi.yaml and schemas/json/ anew from the message models.

    Example: firstline contracts
    """
    from firstline.contracts import write_contracts  # noqa: PLC0415

    written = write_contracts(into)
    for path in written:
        typer.echo(f"wrote {path}")
    if not written:
        typer.echo("nothing to do")


@app.command()
def demo(
    rate: Annotated[float, typer.Option(min=1, help="Commands a second.")] = 200.0,
    repeat: Annotated[int, typer.Option(min=1, help="The log, so many times side by side.")] = 1,
) -> None:
    """Replay a real service desk's log through Kafka and print what comes out.

    Example: firstline demo --rate 500
    """
    from firstline.demo import run  # noqa: PLC0415

    raise typer.Exit(run(rate=rate, repeat=repeat, console=Console()))


def main() -> None:
    """Run the command line."""
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


@contextmanager
def _servers() -> Iterator[tuple[Servers, Settings]]:
    """The servers by the environment, or this user's own, and the settings."""
    try:
        settings = Settings()
    except ValidationError as error:
        raise typer.BadParameter(_settings_fault(error)) from None
    logs.configure(settings.log_level)
    with shared(environ=os.environ) as servers:
        yield servers, settings


def _settings_fault(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    name = "_".join(("FIRSTLINE", *(str(part) for part in first["loc"]))).upper()
    return f"{name}: {first['msg']}"


def _run(work: Coroutine[Any, Any, _T]) -> _T:
    import uvloop  # noqa: PLC0415 - not there on Windows

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)
