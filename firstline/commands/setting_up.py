"""Commands that set an installation up, and say what is wrong with it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firstline.commands.within import run_async, servers_and_settings


def migrate() -> None:
    """Bring the database's schema up to date.

    Example: firstline migrate
    """
    from firstline.migrate import migrate as run  # noqa: PLC0415 - Alembic, for this command alone

    with servers_and_settings() as (servers, _):
        applied = run_async(run(servers.database_url))
    typer.echo(f"applied {', '.join(applied)}" if applied else "nothing to do")


def topics() -> None:
    """Create the topics that are missing.

    Example: FIRSTLINE_PARTITIONS=24 firstline topics
    """
    from firstline.topics import create_topics  # noqa: PLC0415

    with servers_and_settings() as (servers, settings):
        created = run_async(
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


def prepare() -> None:
    """Bring the schema up to date and create the topics that are missing: migrate, then topics.

    Example: firstline prepare
    """
    migrate()
    topics()


def load(
    file: Annotated[Path, typer.Argument(help="A catalogue file, .json, .yaml or .yml.")],
) -> None:
    """Load accounts, people, flows and tickets from a file, all or nothing.

    Example: firstline load catalogue.yaml
    """
    from firstline.load import load_file  # noqa: PLC0415

    with servers_and_settings() as (servers, _):
        loaded = run_async(load_file(file, servers.database_url))
    for table, counts in loaded.tables.items():
        if counts.added or counts.changed or counts.unchanged:
            typer.echo(
                f"{table}: {counts.added} added, {counts.changed} changed,"
                f" {counts.unchanged} unchanged"
            )


def prune() -> None:
    """Delete what was kept for long enough, and say what went; workers do so by themselves.

    Example: firstline prune
    """
    from firstline.prune import prune_all  # noqa: PLC0415 - asyncpg and all that

    with servers_and_settings() as (servers, settings):
        pruned = run_async(prune_all(servers.database_url, settings.retention()))
    for store, count in pruned.went.items():
        typer.echo(f"{store}: {count:,} deleted")
    for store in pruned.forbidden:
        typer.echo(f"{store}: left alone, for this database role may not delete there")
    if not pruned.went:
        typer.echo("nothing to do")


def check(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for programs.")] = False,
) -> None:
    """Say what is wrong with this installation and what to do; exit 1 where something is.

    Example: firstline check --json
    """
    from firstline.check import check as look  # noqa: PLC0415
    from firstline.check import report  # noqa: PLC0415

    with servers_and_settings() as (servers, settings):
        findings = run_async(look(servers, settings))
    if as_json:
        typer.echo(report.as_json(findings))
    else:
        report.print_lines(findings, Console())
    raise typer.Exit(int(report.any_wrong(findings)))


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
