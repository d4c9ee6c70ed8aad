"""Commands that show what the database has."""

from typing import Annotated

import typer
from rich.console import Console, RenderableType

from firstline.commands.within import run_async, servers_and_settings


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

    with servers_and_settings() as (servers, _):
        seen = run_async(ask.session(servers.database_url, session_id))
    if as_json:
        typer.echo(shown.as_json(seen))
    else:
        _print_whole(shown.tree(session_id, seen))


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

    with servers_and_settings() as (servers, _):
        rows = run_async(ask.queue(servers.database_url, account))
    if as_json:
        for row in rows:
            typer.echo(shown.as_json(row))
    elif rows:
        _print_whole(shown.table(rows))
    else:
        typer.echo("nobody waits")


def _print_whole(shown: RenderableType) -> None:
    from firstline.looking.wide import whole  # noqa: PLC0415

    whole(shown, Console(highlight=False)).print(shown)
