"""Who may act on sessions, and as what."""

from enum import StrEnum

from domain.values import value


class Role(StrEnum):
    """What a user is in their account."""

    L1_TECH = "l1_tech"
    ENGINEER = "engineer"
    ADMIN = "admin"
    OWNER = "owner"


L1_COVERAGE = "l1_coverage"
"""What an engineer acts as while covering the first line."""


@value
class User:
    """A person of one account."""

    id: str
    account_id: str
    name: str
    role: Role
    l1_coverage: bool
    deleted: bool


@value
class Actor:
    """Who did something, and as what: ``acting_as`` is None for native first-line technicians."""

    id: str
    name: str
    acting_as: str | None = None


@value
class Recipient:
    """Somebody to be told about an escalation; defaults of an account have no user."""

    email: str
    user_id: str | None = None


SYSTEM = Actor("system", "system")
"""Who acts where nobody does: sweeps, what follows from a ticket's own events, served nodes."""


def walker(user: User | None, account_id: str) -> Actor | None:
    """The user as somebody who may walk sessions of the account, or None where they may not."""
    if user is None or user.deleted or user.account_id != account_id:
        return None
    if user.role is Role.L1_TECH:
        return Actor(user.id, user.name)
    covers = user.role is Role.ENGINEER and user.l1_coverage
    return Actor(user.id, user.name, L1_COVERAGE) if covers else None


def engineer(user: User | None, account_id: str) -> Actor | None:
    """The user as an engineer of the account, coverage or not, or None."""
    if user is None or user.deleted or user.account_id != account_id:
        return None
    return Actor(user.id, user.name) if user.role is Role.ENGINEER else None


def administrator(user: User | None, account_id: str) -> Actor | None:
    """The user as an owner or admin of the account, or None."""
    if user is None or user.deleted or user.account_id != account_id:
        return None
    return Actor(user.id, user.name) if user.role in {Role.ADMIN, Role.OWNER} else None
