"""Writing a catalogue: who works, along which flows, on which tickets.

Loading reads what is there, decides, and writes only what differs. Two loads take turns, so that
what was read still holds when it is written.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import any_, func, literal, select, text
from sqlalchemy.dialects.postgresql import ARRAY, Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from storage import tables
from storage.catalogue_rules import (
    SECTIONS,
    Key,
    Known,
    Row,
    Rows,
    Section,
    broken_references,
    contradictions,
    going,
    mentioned,
)


class CatalogueError(Exception):
    """The catalogue cannot be loaded, and nothing of it was. ``problems`` are sentences."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many rows of a table were new, were changed, and were so already."""

    added: int
    changed: int
    unchanged: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did, by table, in the order of loading."""

    tables: Mapping[str, Counts]


async def load(connection: AsyncConnection, catalogue: Rows, most_recipients: int) -> Loaded:
    """Insert the rows that are new, and bring those that exist to what ``catalogue`` says.

    In the transaction of ``connection``, which is the caller's to commit.

    Rows go by table name and have every column that loading sets, ``kind`` of a ticket included;
    they are valid one by one, and no key comes twice. Nothing is deleted.

    Raises `CatalogueError` with all that speaks against it, before anything is written. Only that
    a category would have more recipients than ``most_recipients`` shows once it has them: the
    transaction is to be given up in either case.
    """
    # Loads wait for each other here, and so does whoever would delete an account meanwhile;
    # who merely refers to accounts, as every start of a session does, is not held up.
    await connection.execute(text("lock table accounts in share row exclusive mode"))
    values = mentioned(catalogue)
    known = {
        section.name: await _read(connection, section, values[section.name]) for section in SECTIONS
    }
    problems = [
        *going(known),
        *contradictions(catalogue, known),
        *broken_references(catalogue, known),
    ]
    if problems:
        raise CatalogueError(list(dict.fromkeys(problems)))
    counts = {}
    for section in SECTIONS:
        rows = [_kept_true(section, row, known) for row in catalogue.get(section.name, ())]
        added = [row for row in rows if section.key_of(row) not in known[section.name]]
        changed = [row for row in rows if _changes(section, row, known)]
        await _write(connection, section, [*added, *changed])
        unchanged = len(rows) - len(added) - len(changed)
        counts[section.name] = Counts(len(added), len(changed), unchanged)
    if problems := await _too_many_told(connection, values["accounts"], most_recipients):
        raise CatalogueError(problems)
    return Loaded(counts)


async def _read(connection: AsyncConnection, section: Section, values: set[Any]) -> dict[Key, Row]:
    column = section.table.c[section.key[0]]
    statement = select(section.table).where(column == any_(literal([*values], ARRAY(column.type))))
    rows = (await connection.execute(statement)).mappings() if values else ()
    return {section.key_of(row): row for row in map(dict, rows)}


async def _too_many_told(
    connection: AsyncConnection, account_ids: set[Any], most: int
) -> list[str]:
    """Which categories of the accounts have too many recipients; who left is not told."""
    told, users = tables.recipients, tables.users
    rows = await connection.execute(
        select(told.c.account_id, told.c.reason_category, func.count())
        .join(users, (users.c.account_id == told.c.account_id) & (users.c.id == told.c.user_id))
        .where(
            told.c.account_id == any_(literal([*account_ids], ARRAY(told.c.account_id.type))),
            users.c.deleted_at.is_(None),
        )
        .group_by(told.c.account_id, told.c.reason_category)
        .having(func.count() > most)
        .order_by(told.c.account_id, told.c.reason_category)
    )
    return [
        f"recipients for {category}: account {account_id} would have {count}, at most {most} may be"
        for account_id, category, count in rows
    ]


def _changes(section: Section, row: Row, known: Known) -> bool:
    """Whether the row exists, and a load would alter it."""
    before = known[section.name].get(section.key_of(row))
    return before is not None and any(before[name] != row[name] for name in section.changeable)


def _kept_true(section: Section, row: Row, known: Known) -> Row:
    before = known[section.name].get(section.key_of(row))
    if before is None:
        return row
    return {**row, **{name: row[name] or before[name] for name in section.sticky}}


async def _write(connection: AsyncConnection, section: Section, rows: Sequence[Row]) -> None:
    """Write the rows in the order of their keys, as everybody locks them."""
    if rows:
        await connection.execute(_upsert(section), sorted(rows, key=section.key_of))


def _upsert(section: Section) -> Insert:
    statement = insert(section.table)
    if not section.changeable:
        return statement
    new = statement.excluded
    return statement.on_conflict_do_update(
        index_elements=section.table.primary_key.columns.keys(),
        set_={
            # what became true since it was read stays true as well
            name: new[name] | section.table.c[name] if name in section.sticky else new[name]
            for name in section.changeable
        },
    )
