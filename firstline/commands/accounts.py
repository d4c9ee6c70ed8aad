"""Commands about accounts: the categories of their first line, and their end."""

from typing import Annotated

import typer

from firstline.commands.within import run_async, servers_and_settings

categories = typer.Typer(
    name="categories",
    help="Read and change an account's first-line categories.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
account = typer.Typer(
    name="account", help="End an account.", no_args_is_help=True, rich_markup_mode=None
)

_AccountId = Annotated[str, typer.Argument(metavar="ACCOUNT_ID", help="The account's id.")]
_Actor = Annotated[
    str,
    typer.Option("--actor", metavar="USER_ID", help="Who asks: an owner or admin of the account."),
]


@categories.command("get")
def get_categories(account_id: _AccountId, *, actor: _Actor) -> None:
    """Print the categories that first line takes, one a line.

    Example: firstline categories get 01890a5d-ac96-774b-bcce-b302099a8057 \
--actor 01890a5d-ac96-774b-bcce-b302099a8058
    """
    from firstline import accounts  # noqa: PLC0415
    from firstline.looking.inert import inert  # noqa: PLC0415

    with servers_and_settings() as (servers, _):
        found = run_async(accounts.categories(servers.database_url, account_id, actor))
    for category in found:
        typer.echo(inert(category))


@categories.command("set")
def set_categories(
    account_id: _AccountId,
    names: Annotated[
        list[str], typer.Argument(metavar="CATEGORY...", help="All of them, in their order.")
    ],
    *,
    actor: _Actor,
) -> None:
    """Replace the categories that first line takes; the audit trail keeps who did it.

    Example: firstline categories set 01890a5d-ac96-774b-bcce-b302099a8057 email network \
--actor 01890a5d-ac96-774b-bcce-b302099a8058
    """
    from firstline import accounts  # noqa: PLC0415

    with servers_and_settings() as (servers, _):
        changed = run_async(accounts.set_categories(servers.database_url, account_id, actor, names))
    typer.echo("changed" if changed else "nothing to do")


@account.command("delete")
def delete_account(
    account_id: _AccountId,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete an account with everything it has, for good; its later commands are forbidden.

    Stop what sends its commands first. Where this is broken off, run it again: it goes on.

    Example: firstline account delete 01890a5d-ac96-774b-bcce-b302099a8057
    """
    from firstline import accounts  # noqa: PLC0415
    from firstline.looking.inert import inert  # noqa: PLC0415

    with servers_and_settings() as (servers, _):
        if not yes:
            name, counts = run_async(accounts.look(servers.database_url, account_id))
            told = ", ".join(f"{what}: {count}" for what, count in counts.items())
            typer.confirm(f"Delete {inert(name)} ({told})?", abort=True)
        gone = run_async(accounts.delete(servers.database_url, account_id))
    typer.echo(f"deleted (sessions: {gone})")
