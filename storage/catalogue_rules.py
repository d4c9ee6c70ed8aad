"""What a catalogue may and may not change: the rules of loading, without a database."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table

from storage import tables

Row = Mapping[str, Any]
Rows = Mapping[str, Sequence[Row]]
"""Rows by the name of their table."""

Key = tuple[Any, ...]
Known = Mapping[str, Mapping[Key, Row]]
"""The rows that exist, by the name of their table and their section's key."""


@dataclass(frozen=True, slots=True)
class Section:
    """A table and the rules for its rows.

    ``key`` tells which row is meant, and its first column finds the rows that exist. A load may
    alter ``changeable``; columns in ``sticky`` stay true once they are. A difference in ``fixed``
    is an error. Other columns, a ticket's status for one, count only where the row is new.
    ``noun`` and the column ``naming`` make up what a problem calls the row.
    """

    table: Table
    noun: str
    naming: str = "id"
    key: tuple[str, ...] = ("id",)
    changeable: tuple[str, ...] = ()
    sticky: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ("account_id",)

    @property
    def name(self) -> str:
        return self.table.name

    def key_of(self, row: Row) -> Key:
        return tuple(row[column] for column in self.key)

    def label(self, row: Row) -> str:
        return f"{self.noun} {row[self.naming]}"


_WALK = ("title", "category", "start", "nodes")

# In the order of the locks that everybody takes: tickets before proposals.
SECTIONS = (
    Section(
        tables.accounts,
        "account",
        changeable=("name", "default_recipients", "categories", "policy"),
        fixed=(),
    ),
    Section(
        tables.users,
        "user",
        changeable=("name", "email", "role", "l1_coverage", "deleted_at"),
    ),
    Section(
        tables.recipients,
        "recipient",
        naming="user_id",
        key=("account_id", "reason_category", "user_id"),
        fixed=(),
    ),
    Section(tables.articles, "article", changeable=("title", "category", "body")),
    Section(tables.flows, "flow", changeable=("archived",)),
    Section(
        tables.flow_versions,
        "flow",
        naming="flow_id",
        key=("flow_id", "version"),
        fixed=_WALK,
    ),
    # A PSA's ticket may have the same id; the kind tells them apart.
    Section(tables.tickets, "ticket", key=("id", "kind"), changeable=("title",)),
    Section(
        tables.flow_proposals,
        "proposal",
        changeable=(*_WALK, "validated_by_outcome"),
        sticky=("validated_by_outcome",),
    ),
)


def mentioned(catalogue: Rows) -> dict[str, set[Any]]:
    """By table, the values of the first key column that have to be looked up."""
    values = {
        section.name: {row[section.key[0]] for row in catalogue.get(section.name, ())}
        for section in SECTIONS
    }
    values["accounts"].update(
        row["account_id"] for rows in catalogue.values() for row in rows if "account_id" in row
    )
    values["users"].update(row["user_id"] for row in catalogue.get("recipients", ()))
    values["users"].update(user for _, user in _acting_in_intakes(catalogue))
    values["articles"].update(article for _, _, article in _articles_shown(catalogue))
    return values


def going(known: Known) -> Iterator[str]:
    """Which accounts are being deleted: what is loaded for them would go, too."""
    for row in known["accounts"].values():
        if row["ended_at"] is not None:
            yield (
                f"account {row['id']}: its deletion was broken off: run `firstline account delete`"
                " again first"
            )


def contradictions(catalogue: Rows, known: Known) -> Iterator[str]:
    """What the catalogue would alter although it never changes."""
    for section in SECTIONS:
        for row in catalogue.get(section.name, ()):
            before = known[section.name].get(section.key_of(row))
            if before is None or all(before[name] == row[name] for name in section.fixed):
                continue
            if section.table is tables.flow_versions:
                yield (
                    f"flow {row['flow_id']}: version {row['version']} was loaded with other "
                    "content, and a version never changes: a new one needs a new number"
                )
            else:
                yield (
                    f"{section.noun} {row['id']}: belongs to account {before['account_id']}, "
                    "and an account_id never changes"
                )


def broken_references(catalogue: Rows, known: Known) -> Iterator[str]:
    """What the catalogue names that does not exist, or that another account has."""
    accounts = _owners("accounts", "id", catalogue, known)
    for section in SECTIONS:
        for row in catalogue.get(section.name, ()):
            if "account_id" in row and row["account_id"] not in accounts:
                yield f"{section.label(row)}: there is no account {row['account_id']}"
    users = _owners("users", "account_id", catalogue, known)
    for row in catalogue.get("recipients", ()):
        if users.get(row["user_id"]) != row["account_id"]:
            yield (
                f"recipient for {row['reason_category']}: account {row['account_id']} "
                f"has no user {row['user_id']}"
            )
    for account_id, user in _acting_in_intakes(catalogue):
        if users.get(user) != account_id:
            yield f"account {account_id}: intake_actor_id: the account has no user {user}"
    articles = _owners("articles", "account_id", catalogue, known)
    for label, account_id, article in _articles_shown(catalogue):
        if articles.get(article) != account_id:
            yield f"{label}: account {account_id} has no article {article}"


def _owners(name: str, column: str, catalogue: Rows, known: Known) -> dict[str, str]:
    rows = [*catalogue.get(name, ()), *known[name].values()]
    return {row["id"]: row[column] for row in rows}


def _acting_in_intakes(catalogue: Rows) -> Iterator[tuple[str, str]]:
    """Who acts in the intakes that tickets start: an account, a user's id."""
    for row in catalogue.get("accounts", ()):
        if user := row["policy"].get("intake_actor_id"):
            yield row["id"], user


def _articles_shown(catalogue: Rows) -> Iterator[tuple[str, str, str]]:
    """Who shows an article: a label, the account, the article's id."""
    for section in SECTIONS:
        if "nodes" in section.table.c:
            for row in catalogue.get(section.name, ()):
                for node in row["nodes"].values():
                    if node["type"] == "article" and "article_id" in node:
                        yield section.label(row), row["account_id"], node["article_id"]
