"""Replaying, discarding and editing dead letters from the command line, told line by line."""

import asyncio
import getpass
import os
import re
import shlex
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import typer
from rich.console import Console

from consumers.dead_letter_desk import Came, Desk, Operator
from consumers.dead_letter_rules import LetterStays, check_edit
from domain.context import Limits
from firstline.looking import ask
from firstline.looking import dead_letters as shown
from firstline.settings import Settings
from storage import dead_letter_desk as letters
from storage.database import begin, connect
from storage.dead_letter_desk import LetterFilter

_RATE = re.compile(r"([0-9]{1,6}(?:\.[0-9]+)?)(?:/s)?")
_NAME_LIMIT = 200
_WHY_LIMIT = 2_000


def operator(name: str | None, because: str) -> Operator:
    """Who acts: as they say, or as they are logged in."""
    return Operator(
        _writable(name or _login())[:_NAME_LIMIT] or "nobody", _writable(because)[:_WHY_LIMIT]
    )


def per_second(rate: str | None) -> float | None:
    """How many commands a second ``50/s`` or ``50`` are. Raises typer.BadParameter."""
    if rate is None:
        return None
    matched = _RATE.fullmatch(rate)
    if matched is None or not float(matched[1]):
        msg = f"{rate!r} is no rate, as 50/s is"
        raise typer.BadParameter(msg)
    return float(matched[1])


async def replay(
    database_url: str,
    settings: Settings,
    which: Sequence[str] | LetterFilter,
    who: Operator | None,
    per_second: float | None,
) -> bool:
    """Replay letters one after the other; return whether any of them stays.

    Where nobody does it, it is a rehearsal: shown, and rolled back. Raises `NothingToShow`, before
    any is replayed, for what is no id.
    """
    console = Console(highlight=False)
    stays, done = False, set[str]()
    async with _desk(database_url, settings) as desk:
        chosen = await _found(desk, which) if isinstance(which, LetterFilter) else which
        for letter_id in chosen:
            ask.check_id(letter_id)
        for letter_id in chosen:
            if letter_id in done:  # it waited behind one before it
                continue
            now = datetime.now(UTC)
            try:
                if who is None:
                    came = await desk.rehearse(letter_id, now)
                    shown.print_rehearsal(console, came)
                else:
                    came = await desk.replay(letter_id, who, now)
            except LetterStays as error:
                stays = True
                typer.echo(f"stays: {error}")
                continue
            done.update(came.answered)
            stays = stays or bool(came.waiting) or came.failed is not None
            typer.echo(f"{letter_id}: {_told(came)}{'' if who else ' (rolled back)'}")
            if per_second is not None:
                await asyncio.sleep(len(came.answered) / per_second)
    return stays


async def discard(database_url: str, settings: Settings, letter_id: str, who: Operator) -> None:
    """Discard a letter, and say what became of those behind it.

    Raises `LetterStays`, and `NothingToShow` for what is no id.
    """
    ask.check_id(letter_id)
    async with _desk(database_url, settings) as desk:
        came = await desk.discard(letter_id, who, datetime.now(UTC))
    behind = came.answered or came.failed or came.waiting
    typer.echo(f"{letter_id}: discarded{f'; behind it: {_told(came)}' if behind else ''}")


async def edit(
    database_url: str, settings: Settings, letter_id: str, file: Path | None, who: Operator
) -> None:
    """Take an edit from a file, or from the operator's editor, and show what it changes.

    Raises `LetterStays`, and `NothingToShow` for what is no letter's id.
    """
    seen = await ask.dead_letter(database_url, letter_id)
    letter = seen.letter
    before = letter.edited if letter.edited is not None else letter.value or b""
    after = _read(file) if file is not None else _edited(before)
    if after == before:
        typer.echo("nothing changed")
        return
    check_edit(letter, after)
    shown.print_diff(Console(highlight=False), shown.text(before), shown.text(after))
    async with _desk(database_url, settings) as desk:
        await desk.edit(letter_id, after, who, datetime.now(UTC))
    typer.echo(f"{letter_id}: edited; `firstline dead-letters replay` applies it")


@asynccontextmanager
async def _desk(database_url: str, settings: Settings) -> AsyncIterator[Desk]:
    engine = connect(database_url, pool_size=1)
    limits = Limits(settings.walk_steps, settings.ai_nodes)
    try:
        yield Desk(engine, limits, timedelta(days=settings.inbox_days))
    finally:
        await engine.dispose()


async def _found(desk: Desk, wanted: LetterFilter) -> list[str]:
    ask.check_wanted(wanted)
    async with begin(desk.engine) as tx:
        found = await letters.find_ids(tx, wanted)
    if not found:
        typer.echo("there is none")
    return found


def _told(came: Came) -> str:
    parts = [f"{len(came.answered)} answered"]
    if came.failed is not None:
        letter_id, detail = came.failed
        parts.append(f"{letter_id} still fails ({detail})")
    if came.left is not None:
        parts.append(came.left)
    if came.waiting:
        parts.append(f"{came.waiting} wait")
    elif came.queue is not None:
        parts.append(f"session {came.queue[1]} goes on")
    return ", ".join(parts)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror}"
        raise LetterStays(msg) from error


def _edited(before: bytes) -> bytes:
    """What the operator's editor leaves of it."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    text = shown.text(before).encode()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "command.json"
        file.write_bytes(text)
        try:
            subprocess.run([*shlex.split(editor), str(file)], check=True)
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            msg = f"the editor {editor!r} did not edit it ({error}); set EDITOR, or use --file"
            raise LetterStays(msg) from error
        after = file.read_bytes()
    return before if after == text else after


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has no name
        return str(os.getuid())


def _writable(text: str) -> str:
    """Text of the command line as Postgres takes it, whatever bytes were typed."""
    return text.encode(errors="replace").decode()
