"""The commands below `firstline dead-letters`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from consumers.reasons import Reason
from firstline.commands.within import run_async, servers_and_settings

app = typer.Typer(
    name="dead-letters",
    help="What could not be read or applied: look at it, and replay, edit or discard it.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


_Id = Annotated[str, typer.Argument(metavar="ID", help="The dead letter's id.")]
_Reason = Annotated[Reason | None, typer.Option(help="Only those of a reason.")]
_Account = Annotated[str | None, typer.Option(metavar="ID", help="Only those of an account.")]
_Session = Annotated[str | None, typer.Option(metavar="ID", help="Only those of a session.")]
_Topic = Annotated[
    str | None, typer.Option(metavar="NAME", help="Only those of a topic, with or without prefix.")
]
_Since = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="Only those since a time (RFC 3339) or for 90s, 2h, 7d."),
]
_By = Annotated[
    str | None, typer.Option(metavar="NAME", help="Who does it; else who is logged in.")
]
_Because = Annotated[str, typer.Option(metavar="WHY", help="Why; kept for whoever looks later.")]


@app.command("list")
def list_(  # noqa: PLR0913 - its options
    *,
    reason: _Reason = None,
    account: _Account = None,
    session: _Session = None,
    topic: _Topic = None,
    since: _Since = None,
    settled: Annotated[
        bool, typer.Option("--all", help="Those that were replayed or discarded, too.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="The most to list.")] = 100,
) -> None:
    """List dead letters, newest first: a table on a terminal, else one JSON object a line.

    Example: firstline dead-letters list --reason poison --since 2h
    """
    from firstline.looking import ask  # noqa: PLC0415
    from firstline.looking import dead_letters as shown  # noqa: PLC0415
    from storage.dead_letter_desk import LetterFilter  # noqa: PLC0415

    begin = ask.since(since, datetime.now(UTC))
    wanted = LetterFilter(reason, account, session, topic, begin, open=not settled)
    with servers_and_settings() as (servers, _):
        rows = run_async(ask.dead_letters(servers.database_url, wanted, limit + 1))
    console = Console(highlight=False)
    if not console.is_terminal:
        for row in rows[:limit]:
            typer.echo(shown.as_line(row))
    elif rows:
        console.print(shown.table(rows[:limit]))
    else:
        console.print("there is none")
    if len(rows) > limit:
        typer.echo(f"there are more than these {limit}; --limit lists more", err=True)


@app.command()
def show(letter: _Id) -> None:
    """Show a dead letter as it came: why it is one, what waits behind it, what was done about it.

    One JSON object where the output is no terminal.

    Example: firstline dead-letters show 01890a5d-ac96-574b-bcce-b302099a8057
    """
    from firstline.looking import ask  # noqa: PLC0415
    from firstline.looking import dead_letters as shown  # noqa: PLC0415

    with servers_and_settings() as (servers, _):
        seen = run_async(ask.dead_letter(servers.database_url, letter))
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(shown.tree(seen))
    else:
        typer.echo(shown.as_json(seen))


@app.command()
def replay(  # noqa: PLR0913 - its options
    letters: Annotated[
        list[str] | None, typer.Argument(metavar="ID...", help="Dead letters, by their ids.")
    ] = None,
    *,
    reason: _Reason = None,
    account: _Account = None,
    session: _Session = None,
    topic: _Topic = None,
    since: _Since = None,
    rate: Annotated[
        str | None, typer.Option(metavar="N/s", help="Commands a second, on average, as 50/s.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would come of it, and roll it back.")
    ] = False,
    by: _By = None,
    because: _Because = "",
) -> None:
    """Apply dead letters after all, and what waits behind them, in order; exit 1 where any stays.

    Example: firstline dead-letters replay --reason poison --since 2h --rate 50/s --dry-run
    """
    from firstline import dead_letters as desk  # noqa: PLC0415
    from firstline.looking import ask  # noqa: PLC0415
    from storage.dead_letter_desk import LetterFilter  # noqa: PLC0415

    some = (reason, account, session, topic, since)
    if bool(letters) == any(one is not None for one in some):
        msg = "name dead letters by id, or choose them by --reason, --account and so on"
        raise typer.BadParameter(msg)
    begin = ask.since(since, datetime.now(UTC))
    which = letters or LetterFilter(reason, account, session, topic, begin)
    with servers_and_settings() as (servers, settings):
        stays = run_async(
            desk.replay(
                servers.database_url,
                settings,
                which,
                None if dry_run else desk.operator(by, because),
                desk.per_second(rate),
            )
        )
    raise typer.Exit(int(stays))


@app.command()
def discard(
    letter: _Id,
    *,
    because: _Because,
    by: _By = None,
) -> None:
    """Give a dead letter up: its sender is told so, and what waits behind it is applied.

    Example: firstline dead-letters discard 01890a5d-ac96-574b-bcce-b302099a8057 --because stale
    """
    from firstline import dead_letters as desk  # noqa: PLC0415

    with servers_and_settings() as (servers, settings):
        run_async(desk.discard(servers.database_url, settings, letter, desk.operator(by, because)))


@app.command()
def edit(
    letter: _Id,
    *,
    because: _Because,
    file: Annotated[
        Path | None, typer.Option(help="The new value; else $EDITOR is opened on the present one.")
    ] = None,
    by: _By = None,
) -> None:
    """Change what a replay is to apply; the command keeps its id, and the original is kept.

    Example: firstline dead-letters edit 01890a5d-ac96-574b-bcce-b302099a8057 --because typo
    """
    from firstline import dead_letters as desk  # noqa: PLC0415

    with servers_and_settings() as (servers, settings):
        run_async(
            desk.edit(servers.database_url, settings, letter, file, desk.operator(by, because))
        )
