"""Loading a catalogue file: accounts, people, flows, proposals, tickets and articles."""

from datetime import UTC, datetime
from pathlib import Path

from firstline.catalogue_file import read_file
from schemas.catalogue import RECIPIENT_LIMIT, Catalogue, User
from schemas.fields import Time
from storage.again import again
from storage.catalogue import CatalogueError, Loaded, load
from storage.catalogue_rules import Row, Rows
from storage.database import connect

__all__ = ["CatalogueError", "Loaded", "load_file", "read_file"]


async def load_file(path: Path, database_url: str) -> Loaded:
    """Load the file in one transaction, all or nothing; return what that changed.

    Raises `CatalogueError`, with everything that is wrong, where the file does not hold together
    or contradicts what the database has.
    """
    rows = _rows(read_file(path))
    # Under a name of its own: a worker that waits for it must not take it for a stopped one.
    engine = connect(database_url, pool_size=1, application_name="firstline-load")

    async def loading() -> Loaded:
        async with engine.begin() as connection:
            return await load(connection, rows, RECIPIENT_LIMIT)

    try:
        return await again(loading)
    finally:
        await engine.dispose()


def _rows(catalogue: Catalogue) -> Rows:
    """The file's entries as rows, by table; an entry of ``flows`` fills two."""
    return {
        "accounts": [account.model_dump() for account in catalogue.accounts],
        "users": [_user(user) for user in catalogue.users],
        "recipients": [recipient.model_dump() for recipient in catalogue.recipients],
        "articles": [article.model_dump() for article in catalogue.articles],
        "flows": [
            {"id": flow.id, "account_id": flow.account_id, "archived": flow.archived}
            for flow in {flow.id: flow for flow in catalogue.flows}.values()
        ],
        "flow_versions": [
            {**flow.model_dump(exclude={"id", "archived"}), "flow_id": flow.id}
            for flow in catalogue.flows
        ],
        "tickets": [{**ticket.model_dump(), "kind": "internal"} for ticket in catalogue.tickets],
        "flow_proposals": [proposal.model_dump() for proposal in catalogue.flow_proposals],
    }


def _user(user: User) -> Row:
    return {**user.model_dump(), "deleted_at": user.deleted_at and _moment(user.deleted_at)}


def _moment(time: Time) -> datetime:
    """The moment that an RFC 3339 time names; a leap second is the second before it."""
    text = time.upper()
    if text[17:19] == "60":
        text = f"{text[:17]}59{text[19:]}"
    return datetime.fromisoformat(text).astimezone(UTC)
