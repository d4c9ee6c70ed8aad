"""Asking the database what to show."""

import re
from datetime import UTC, datetime

from storage import looking
from storage.database import begin, connect
from storage.looking import Row, SessionSeen

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class NothingToShow(Exception):
    """What is asked for is not there, or cannot be; the message says so."""


async def session(database_url: str, session_id: str) -> SessionSeen:
    """Everything about one session. Raises `NothingToShow`."""
    check_id(session_id)
    engine = connect(database_url, pool_size=1)
    try:
        async with begin(engine) as tx:
            seen = await looking.session(tx, session_id)
    finally:
        await engine.dispose()
    if seen is None:
        msg = f"there is no session {session_id}"
        raise NothingToShow(msg)
    return seen


async def queue(database_url: str, account_id: str | None) -> list[Row]:
    """Who waits, of one account or of all. Raises `NothingToShow`."""
    if account_id is not None:
        check_id(account_id)
    engine = connect(database_url, pool_size=1)
    try:
        async with begin(engine) as tx:
            return await looking.queue(tx, account_id, datetime.now(UTC))
    finally:
        await engine.dispose()


def check_id(text: str) -> None:
    """Raise `NothingToShow` where the text is no id."""
    if not _ID.fullmatch(text):
        msg = f"{text!r} is no id: ids are lower-case, 8-4-4-4-12"
        raise NothingToShow(msg)
