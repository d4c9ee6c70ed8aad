"""Commands that put records into Kafka and read them back."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from firstline.commands.within import run_async, servers_and_settings
from producers.topics import ALL


class CommandSource(StrEnum):
    """Which command topic to send to."""

    CHAT = "chat"
    PSA = "psa"
    INTERNAL = "internal"


def send(
    file: Annotated[Path, typer.Argument(help="Commands, one JSON object a line.")],
    source: Annotated[CommandSource, typer.Option(help="Which command topic.")],
) -> None:
    """Append commands to a command topic; exit 0 once all of them are appended.

    Example: firstline send commands.jsonl --source chat
    """
    from firstline.traffic import send_file  # noqa: PLC0415

    with servers_and_settings() as (servers, settings):
        sent = run_async(send_file(settings.kafka(servers.kafka_bootstrap), file, source.value))
    typer.echo(f"appended {sent} commands")


def tail(
    topic: Annotated[
        str,
        typer.Argument(
            help="A topic's name, without the prefix.",
            autocompletion=lambda: [one.name for one in ALL],
        ),
    ],
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
    from firstline.looking.records import RecordFilter  # noqa: PLC0415
    from firstline.traffic import print_topic  # noqa: PLC0415

    wanted = RecordFilter(session, account, kind)
    with servers_and_settings() as (servers, settings):
        kafka = settings.kafka(servers.kafka_bootstrap)
        run_async(print_topic(kafka, topic, follow=follow, wanted=wanted))
