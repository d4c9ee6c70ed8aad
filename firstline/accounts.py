"""What people who run accounts do with them: read and change categories, end an account."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from consumers.dead_letter_desk import Operator, give_up_some
from domain.people import Actor, administrator
from firstline.looking.ask import check_id
from producers import states
from producers.topics import MESSAGE_LIMIT
from schemas.fields import Categories
from storage import accounts, outbox, people
from storage.again import again
from storage.database import Transaction, begin, connect

_ITS_END = Operator("firstline account delete", "the account has ended")
_CATEGORIES: TypeAdapter[list[str]] = TypeAdapter(Categories)


class AccountError(Exception):
    """What is asked of an account cannot be done, and nothing was; the message says why."""


async def categories(database_url: str, account_id: str, actor_id: str) -> list[str]:
    """The categories of an account, for its owners and admins.

    Raises `AccountError`, and `NothingToShow` for what is no id, as all of these do.
    """
    async with _on_account(database_url, account_id) as tx:
        found = await accounts.categories(tx, account_id)
        await _administrator(tx, account_id, actor_id)
        return found


async def set_categories(
    database_url: str, account_id: str, actor_id: str, names: Sequence[str]
) -> bool:
    """Replace the categories, as one of the account's owners or admins; False where they are so.

    Raises `AccountError`.
    """
    try:
        _CATEGORIES.validate_python(list(names), strict=True)
    except ValidationError as error:
        raise AccountError(_sentence(error)) from None
    async with _on_account(database_url, account_id) as tx:
        await accounts.lock(tx, account_id)
        before = await accounts.categories(tx, account_id)
        actor = await _administrator(tx, account_id, actor_id)
        if before == list(names):
            return False
        await accounts.set_categories(tx, account_id, names)
        change = {"before": before, "after": list(names)}
        await accounts.add_audit(tx, account_id, actor, "categories.set", change, datetime.now(UTC))
        return True


async def look(database_url: str, account_id: str) -> tuple[str, Mapping[str, int]]:
    """The account's name, and how much it has of what. Raises `AccountError`."""
    async with _on_account(database_url, account_id) as tx:
        return await accounts.name(tx, account_id), await accounts.count(tx, account_id)


async def delete(database_url: str, account_id: str) -> int:
    """End an account, then delete all that it has, step by step; return how many sessions went.

    From its end on it is nobody's, so that no batch waits for the rest; one that dies on the way
    goes on where it is asked for again. Commands that were parked are answered before they go. What
    its sessions have in the outbox goes out before their tombstones: it was staged under a share of
    the account's lock, so its ids are lower. Raises `AccountError`.
    """
    await again(lambda: _end(database_url, account_id))
    while await again(lambda: _give_up_some(database_url, account_id)):
        pass
    gone = 0
    while some := await again(lambda: _delete_some(database_url, account_id)):
        gone += some
    return gone


async def _end(database_url: str, account_id: str) -> None:
    async with _on_account(database_url, account_id) as tx:
        await accounts.end(tx, account_id)


async def _give_up_some(database_url: str, account_id: str) -> int:
    """Give up some of the commands that were parked; return how many are left."""
    async with _on_account(database_url, account_id) as tx:
        return await give_up_some(tx, account_id, _ITS_END, datetime.now(UTC))


async def _delete_some(database_url: str, account_id: str) -> int:
    """Delete some sessions, or else the account itself; return how many sessions that were."""
    async with _on_account(database_url, account_id) as tx:
        await accounts.lock_for_deletion(tx, account_id)
        sessions = await accounts.sessions(tx, account_id)
        if sessions:
            await outbox.stage(tx, [states.tombstone(one) for one in sessions], MESSAGE_LIMIT)
            await accounts.delete_sessions(tx, sessions)
        else:
            await accounts.delete(tx, account_id)
        return len(sessions)


@asynccontextmanager
async def _on_account(database_url: str, account_id: str) -> AsyncIterator[Transaction]:
    """A transaction about an account that exists."""
    check_id(account_id)
    # Under a name of its own: a worker that waits for it must not take it for a stopped one.
    engine = connect(
        database_url,
        pool_size=1,
        application_name="firstline-accounts",
        answer_seconds=None,  # to delete a large account takes as long as it takes
    )
    try:
        async with begin(engine) as tx:
            yield tx
    except accounts.NoAccount as error:
        raise AccountError(str(error)) from None
    finally:
        await engine.dispose()


async def _administrator(tx: Transaction, account_id: str, actor_id: str) -> Actor:
    check_id(actor_id)
    user = (await people.users(tx, [actor_id])).get(actor_id)
    actor = administrator(user, account_id)
    if actor is None:
        msg = f"{actor_id} is no owner or admin of account {account_id}, and nobody else may"
        raise AccountError(msg)
    return actor


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    where = "".join(f"category {int(place) + 1}: " for place in first["loc"])
    return where + first["msg"].removeprefix("Value error, ")
