"""Asking the database what to show."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

from schemas.fields import moment
from storage import dead_letter_desk, looking
from storage.database import Transaction, begin, connect
from storage.dead_letter_desk import LetterFilter, Seen
from storage.looking import FlowSeen, Row, SessionSeen

_AGO = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class NothingToShow(Exception):
    """What is asked for is not there, or cannot be; the message says so."""


@asynccontextmanager
async def asking(database_url: str) -> AsyncIterator[Transaction]:
    """A transaction on a connection that is closed afterwards: people ask once."""
    engine = connect(database_url, pool_size=1)
    try:
        async with begin(engine) as tx:
            yield tx
    finally:
        await engine.dispose()


async def session(database_url: str, session_id: str) -> SessionSeen:
    """Everything about one session. Raises `NothingToShow`."""
    check_id(session_id)
    async with asking(database_url) as tx:
        seen = await looking.session(tx, session_id)
    if seen is None:
        msg = f"there is no session {session_id}"
        raise NothingToShow(msg)
    return seen


async def flow(database_url: str, flow_id: str, version: int | None) -> FlowSeen:
    """One version of a flow, the newest where none is named. Raises `NothingToShow`."""
    check_id(flow_id)
    async with asking(database_url) as tx:
        seen = await looking.flow(tx, flow_id, version)
    if seen is None:
        what = "flow" if version is None else f"version {version} of a flow"
        msg = f"there is no {what} {flow_id}"
        raise NothingToShow(msg)
    return seen


async def queue(database_url: str, account_id: str | None) -> list[Row]:
    """Who waits, of one account or of all. Raises `NothingToShow`."""
    if account_id is not None:
        check_id(account_id)
    async with asking(database_url) as tx:
        return await looking.queue(tx, account_id, datetime.now(UTC))


async def dead_letters(database_url: str, wanted: LetterFilter, most: int) -> list[Row]:
    """The newest dead letters that are wanted, newest first. Raises `NothingToShow`."""
    check_wanted(wanted)
    async with asking(database_url) as tx:
        return await dead_letter_desk.find(tx, wanted, most)


async def dead_letter(database_url: str, letter_id: str) -> Seen:
    """Everything about one dead letter. Raises `NothingToShow`."""
    check_id(letter_id)
    async with asking(database_url) as tx:
        seen = await dead_letter_desk.see(tx, letter_id)
    if seen is None:
        msg = f"there is no dead letter {letter_id}"
        raise NothingToShow(msg)
    return seen


def since(text: str | None, now: datetime) -> datetime | None:
    """The moment of ``2h`` ago, or of a time as RFC 3339 has it. Raises `NothingToShow`."""
    if text is None:
        return None
    with suppress(ValueError, IndexError, OverflowError):
        if matched := _AGO.fullmatch(text):
            return now - timedelta(**{_UNITS[matched[2]]: int(matched[1])})
        if (found := moment(text)).tzinfo is not None:
            return found
    msg = f"{text!r} is neither a time with an offset, as RFC 3339 has it, nor as 2h is"
    raise NothingToShow(msg)


def check_wanted(wanted: LetterFilter) -> None:
    """Raise `NothingToShow` for what names no account or session."""
    for named in (wanted.account_id, wanted.session_id):
        if named is not None:
            check_id(named)


def check_id(text: str) -> None:
    """Raise `NothingToShow` where the text is no canonical id."""
    if not _ID.fullmatch(text):
        msg = f"{text!r} is no id: ids are lower-case, 8-4-4-4-12"
        raise NothingToShow(msg)
