"""Commands about flows: what is wrong with them, how they look, and how they leave."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firstline.commands.within import run_async, servers_and_settings

app = typer.Typer(
    name="flows", help="Check, show and export flows.", no_args_is_help=True, rich_markup_mode=None
)

_FlowId = Annotated[str, typer.Argument(metavar="FLOW_ID", help="The flow's id.")]
_Version = Annotated[
    int | None,
    typer.Option("--version", min=1, max=2**31 - 1, help="Which version; the newest by default."),
]


@app.command()
def lint(
    file: Annotated[Path, typer.Argument(help="A catalogue file, .json, .yaml or .yml.")],
) -> None:
    """Say everything that is wrong with a file's flows and proposals; exit 1 where something is.

    Needs no servers.

    Example: firstline flows lint catalogue.yaml
    """
    from firstline.catalogue_file import lint_file  # noqa: PLC0415
    from firstline.looking.inert import inert  # noqa: PLC0415

    count, problems = lint_file(file)
    for problem in problems:
        typer.echo(inert(problem))
    if problems:
        raise typer.Exit(1)
    typer.echo(f"flows and proposals that are fine: {count}")


@app.command()
def show(flow_id: _FlowId, *, version: _Version = None) -> None:
    """Show a flow as a tree.

    Example: firstline flows show 01890a5d-ac96-774b-bcce-b302099a8057 --version 2
    """
    from firstline.flows.tree import tree, wide_enough  # noqa: PLC0415
    from firstline.looking import ask  # noqa: PLC0415

    with servers_and_settings() as (servers, _):
        seen = run_async(ask.flow(servers.database_url, flow_id, version))
    shown = tree(seen)
    wide_enough(shown, Console(highlight=False)).print(shown)


@app.command()
def export(
    flow_id: _FlowId,
    *,
    version: _Version = None,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="A Mermaid flowchart, not the catalogue's JSON.")
    ] = False,
) -> None:
    """Print a flow as a catalogue file that `firstline load` takes, or as a Mermaid flowchart.

    Example: firstline flows export 01890a5d-ac96-774b-bcce-b302099a8057 --mermaid
    """
    from firstline.flows.export import as_catalogue  # noqa: PLC0415
    from firstline.flows.mermaid import flowchart  # noqa: PLC0415
    from firstline.looking import ask  # noqa: PLC0415
    from storage.walkables import parse_flow  # noqa: PLC0415

    with servers_and_settings() as (servers, _):
        seen = run_async(ask.flow(servers.database_url, flow_id, version))
    typer.echo(flowchart(parse_flow(seen.start, seen.nodes)) if mermaid else as_catalogue(seen))
