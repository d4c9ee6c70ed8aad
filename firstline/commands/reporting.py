"""The command that tells how first line does."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firstline.commands.within import run_async, servers_and_settings


def report(
    *,
    account: Annotated[
        str | None, typer.Option("--account", metavar="ID", help="Only this account.")
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="From this date's week on."),
    ] = None,
    png: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", file_okay=False, help="Draw pictures into this folder."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object an account.")] = False,
) -> None:
    """Tell how sessions end: resolved, escalated, reopened, how fast, along flows or not.

    Example: firstline report --since 2026-01-01 --png pictures
    """
    from firstline.reporting import tables  # noqa: PLC0415
    from firstline.reporting.figures import figures  # noqa: PLC0415

    with servers_and_settings() as (servers, _):
        found = run_async(figures(servers.database_url, account, since.date() if since else None))
    today = datetime.now(UTC).date()
    console = Console(highlight=False)
    for one in found:
        if as_json:
            typer.echo(tables.as_json(one))
        else:
            tables.show(console, one, today)
    if png is not None:
        from firstline.reporting.plots import draw  # noqa: PLC0415 - half a second of imports

        for one in found:
            for picture in draw(one, png, today):
                typer.echo(f"wrote {picture}", err=True)
