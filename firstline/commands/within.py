"""What a command runs within: the servers, the settings, an event loop."""

import asyncio
import os
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import typer

if TYPE_CHECKING:
    from pydantic import ValidationError

    from firstline.servers import Servers
    from firstline.settings import Settings

_T = TypeVar("_T")


@contextmanager
def servers_and_settings() -> Iterator[tuple["Servers", "Settings"]]:
    """The servers by the environment, or this user's own, and the settings; logs are set up.

    Raises `typer.BadParameter` where a setting is no good.
    """
    # Here, so that help and a wrong argument do not wait for the clients of both servers.
    from pydantic import ValidationError  # noqa: PLC0415

    from firstline import logs  # noqa: PLC0415
    from firstline.servers import shared  # noqa: PLC0415
    from firstline.settings import Settings  # noqa: PLC0415
    from storage import failpoints  # noqa: PLC0415

    try:
        settings = Settings()
    except ValidationError as error:
        raise typer.BadParameter(_settings_fault(error)) from None
    logs.configure(settings.log_level)
    try:
        failpoints.arm(os.environ.get(failpoints.VARIABLE, ""))
    except ValueError as error:
        msg = f"{failpoints.VARIABLE}: {error}"
        raise typer.BadParameter(msg) from None
    with shared(environ=os.environ) as servers:
        yield servers, settings


def run_async(work: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end, on a loop of its own."""
    import uvloop  # noqa: PLC0415 - not there on Windows

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _settings_fault(error: "ValidationError") -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    said = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:  # of several settings, which it names
        return said
    name = "_".join(("FIRSTLINE", *(str(part) for part in first["loc"]))).upper()
    return f"{name}: {said}"
