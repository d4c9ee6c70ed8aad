"""Users, and who is told about escalations."""

import json
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from domain.people import Recipient, Role, User
from storage.database import Transaction

AccountCategory = tuple[str, str]


class Account(NamedTuple):
    """An account as a batch needs it. ``row`` tells it from one that was deleted before it."""

    intake_actor_id: str | None
    row: str


_USERS = """
    select id::text, account_id::text, name, role, l1_coverage, deleted_at is not null as deleted
    from users where id = any($1::uuid[])
"""


async def lock_accounts(
    tx: Transaction, account_ids: Collection[str], user_ids: Collection[str]
) -> tuple[dict[str, Account], dict[str, User]]:
    """Keep accounts from being deleted, shared with every other batch; read them and their users.

    An account that ended while it was waited for has none any more.
    """
    rows = await tx.fetch(
        f"""
        with locked as materialized (
            select id, policy->>'intake_actor_id' as intake_actor_id, xmin from accounts
            where id = any($2::uuid[]) and ended_at is null order by id for key share
        )
        select false as is_user, id::text, intake_actor_id, xmin::text, null, null, null from locked
        union all
        select true, users.* from ({_USERS}) users
        """,  # noqa: S608 - our own texts
        list(user_ids),
        list(account_ids),
    )
    accounts = {row[1]: Account(row[2], row[3]) for row in rows if not row["is_user"]}
    users = (_user(row[1:]) for row in rows if row["is_user"])
    return accounts, {user.id: user for user in users if user.account_id in accounts}


async def users(tx: Transaction, user_ids: Collection[str]) -> dict[str, User]:
    """The users that exist, deleted ones included, of whatever account."""
    return {row[0]: _user(row) for row in await tx.fetch(_USERS, list(user_ids))}


def _user(row: Sequence[Any]) -> User:
    user_id, account_id, name, role, coverage, deleted = row
    return User(user_id, account_id, name, Role(role), coverage, deleted)


async def recipients(
    tx: Transaction, categories: Collection[AccountCategory]
) -> dict[AccountCategory, list[Recipient]]:
    """Who is told for a reason category of an account, people who left taken out."""
    if not categories:
        return {}
    rows = await tx.fetch(
        """
        select r.account_id::text, r.reason_category, u.email, u.id::text
        from recipients r
        join unnest($1::uuid[], $2::text[]) as s(account_id, category)
            on r.account_id = s.account_id and r.reason_category = s.category
        join users u on u.account_id = r.account_id and u.id = r.user_id
        where u.deleted_at is null
        order by u.email, u.id
        """,
        [account_id for account_id, _ in categories],
        [category for _, category in categories],
    )
    found: dict[AccountCategory, list[Recipient]] = {}
    for account_id, category, email, user_id in rows:
        found.setdefault((account_id, category), []).append(Recipient(email, user_id))
    return found


async def default_recipients(
    tx: Transaction, account_ids: Collection[str]
) -> dict[str, list[Recipient]]:
    """Who is told where the category has nobody."""
    if not account_ids:
        return {}
    rows = await tx.fetch(
        "select id::text, default_recipients from accounts where id = any($1::uuid[])",
        list(account_ids),
    )
    return {account_id: [Recipient(email) for email in emails] for account_id, emails in rows}


async def escalation_steps(
    tx: Transaction, account_ids: Collection[str]
) -> dict[str, list[list[Recipient]]]:
    """Who is told at each step of the account's escalation policy, in order."""
    if not account_ids:
        return {}
    rows = await tx.fetch(
        """
        select id::text, (policy->'escalation')::text from accounts
        where id = any($1::uuid[]) and policy ? 'escalation'
        """,
        list(account_ids),
    )
    return {
        account_id: [
            [Recipient(email) for email in step["recipients"]] for step in json.loads(steps)
        ]
        for account_id, steps in rows
    }
