"""Commands that do the work, and the one that shows it."""

import os
from typing import Annotated

import typer
from rich.console import Console

from firstline.commands.within import run_async, servers_and_settings

_Leaves = Annotated[
    bool,
    typer.Option(
        "--leave", help="When told to stop, keep no place in the group for who comes next."
    ),
]


def worker(
    *,
    with_relay: Annotated[
        bool, typer.Option("--relay/--no-relay", help="Relay what comes of the commands, too.")
    ] = True,
    with_nodes: Annotated[
        bool, typer.Option("--nodes/--no-nodes", help="Generate nodes of AI-built walks, too.")
    ] = True,
    leaves: _Leaves = False,
) -> None:
    """Consume commands and relay what comes of them, until SIGTERM; prints "ready".

    Example: firstline worker
    """
    from firstline.program import run_worker  # noqa: PLC0415

    with servers_and_settings() as (servers, settings):
        run_async(
            run_worker(
                servers, settings, with_relay=with_relay, with_nodes=with_nodes, leaves=leaves
            )
        )


def up(
    *,
    detach: Annotated[
        bool, typer.Option("--detach", help="In the background; return once it consumes.")
    ] = False,
) -> None:
    """Prepare everything and run a worker, on servers of your own where none are named.

    Example: firstline up --detach
    """
    from firstline import background  # noqa: PLC0415
    from firstline.commands.setting_up import prepare  # noqa: PLC0415

    if detach:
        typer.echo(f"a worker runs as process {background.start(os.environ)}")
        return
    with servers_and_settings():  # kept from one step to the next
        prepare()
        worker(with_relay=True, with_nodes=True)


def down() -> None:
    """End what `firstline up --detach` started; the data stay.

    Example: firstline down
    """
    from firstline import background  # noqa: PLC0415

    typer.echo("ended" if background.stop(os.environ) else "nothing was running")


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

    with servers_and_settings() as (servers, settings):
        run_async(run_relay(servers, settings, accept_lost_progress=accept_lost_progress))


def nodes(*, leaves: _Leaves = False) -> None:
    """Generate the nodes of AI-built walks, without consuming commands, until SIGTERM.

    Example: firstline nodes
    """
    from firstline.program import run_nodes  # noqa: PLC0415

    with servers_and_settings() as (servers, settings):
        run_async(run_nodes(servers, settings, leaves=leaves))


def demo(
    rate: Annotated[float, typer.Option(min=1, help="Commands a second.")] = 300.0,
    repeat: Annotated[int, typer.Option(min=1, help="The log, so many times side by side.")] = 1,
) -> None:
    """Replay a real service desk's log through Kafka and print what comes out.

    Example: firstline demo --rate 500
    """
    from firstline.demo import run  # noqa: PLC0415

    raise typer.Exit(run(rate=rate, repeat=repeat, console=Console()))
