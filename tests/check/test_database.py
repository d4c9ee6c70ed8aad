"""A Postgres, a schema and a role that are not as they should be."""

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from firstline.check import Level, NotReady, preconditions
from firstline.check.database import judged, revisions, version
from firstline.check.role import NEEDED
from storage.tables import metadata
from tests.check.installations import Installation
from tests.check.roles import as_owner, as_role


def test_a_postgres_before_15_is_too_old() -> None:
    assert version(14).level is Level.WRONG
    assert version(15).level is Level.OK


def test_a_database_that_lacks_revisions_is_behind() -> None:
    behind = judged("0001", ["0001", "0002", "0003"])
    assert behind.level is Level.WRONG
    assert behind.sentence() == (
        "the schema: the database is at revision 0001, and lacks 0002, 0003;"
        " run `firstline migrate`"
    )


def test_the_revisions_are_those_that_alembic_knows() -> None:
    config = Config()
    config.set_main_option("script_location", "migrations")
    known = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions() == list(reversed(known))


async def test_a_database_that_was_never_migrated_keeps_a_worker_from_starting(
    installation: Installation,
) -> None:
    await as_owner(installation, "drop table alembic_version")
    assert "run `firstline migrate`" in await installation.wrong()
    with pytest.raises(NotReady, match="run `firstline migrate`"):
        await preconditions(installation.servers, installation.settings)


async def test_a_database_of_a_newer_program_keeps_a_worker_from_starting(
    installation: Installation,
) -> None:
    await as_owner(installation, "update alembic_version set version_num = '9999'")
    assert "at revision 9999, which this program does not have" in await installation.wrong()
    with pytest.raises(NotReady, match="9999"):
        await preconditions(installation.servers, installation.settings)


def test_every_table_is_thought_of() -> None:
    views = {"proposal_outcomes"}
    assert set(NEEDED) == {*metadata.tables, "alembic_version"} | views


async def test_a_role_with_the_rights_that_are_needed_is_neither_too_wide_nor_too_narrow(
    installation: Installation,
) -> None:
    async with as_role(installation) as (narrowed, _):
        assert await narrowed.wrong() == ""
        assert "role" not in await narrowed.warnings()


@pytest.mark.parametrize(
    ("revoked", "table"),
    [("insert", "outbox"), ("delete", "attempts"), ("select", "articles"), ("update", "accounts")],
)
async def test_a_role_that_lacks_a_right_is_too_narrow(
    installation: Installation, revoked: str, table: str
) -> None:
    async with as_role(installation) as (narrowed, role):
        await as_owner(installation, f"revoke {revoked} on {table} from {role}")
        assert await narrowed.wrong() == (
            f"table {table}: the database role may not {revoked};"
            f" as the owner: grant {revoked} on {table} to the role"
        )


async def test_a_role_that_cannot_read_the_revision_is_too_narrow(
    installation: Installation,
) -> None:
    async with as_role(installation) as (narrowed, role):
        await as_owner(installation, f"revoke select on alembic_version from {role}")
        assert "grant select on alembic_version" in await narrowed.wrong()
        with pytest.raises(NotReady, match="grant select on alembic_version"):
            await preconditions(narrowed.servers, narrowed.settings)


async def test_a_superuser_is_too_wide(installation: Installation) -> None:
    assert "it is a superuser" in await installation.warnings()


async def test_an_owner_is_too_wide(installation: Installation) -> None:
    async with as_role(installation) as (narrowed, role):
        await as_owner(installation, f"alter table inbox owner to {role}")
        assert "it owns 1 tables, and could drop them" in await narrowed.warnings()
        await as_owner(installation, "alter table inbox owner to current_user")


async def test_a_role_that_may_rewrite_the_audit_trail_is_too_wide(
    installation: Installation,
) -> None:
    async with as_role(installation) as (narrowed, role):
        await as_owner(installation, f"grant delete on audit_log to {role}")
        assert "may change and delete what is in audit_log" in await narrowed.warnings()
