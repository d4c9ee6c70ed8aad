"""`firstline prune`, as cron runs it."""

import secrets
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import make_url

from firstline.check.role import NEEDED
from tests.outside.forking import Ended
from tests.outside.program import Installation
from tests.program.running import run_all


@pytest.fixture(scope="module")
def ended(installation: Installation) -> Iterator[list[Ended]]:
    """What a worker's role may not delete is left; the owner deletes it, and then it is gone."""
    role = f"pruner_{secrets.token_hex(4)}"
    url = make_url(installation.database_url)
    narrowed = url.set(username=role, password=role).render_as_string(hide_password=False)
    with psycopg.connect(installation.database_url, autocommit=True) as owner:
        owner.execute(
            """
            insert into inbox (command_id, account_id, session_id, digest, reply, recorded_at)
            select gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
                sha256('one'), '{}', now() - interval '17 days'
            from generate_series(1, 1500)
            """
        )
        owner.execute(
            """
            insert into account_audit
                (account_id, actor_id, actor_name, action, details, recorded_at)
            select id, id, 'Olga', 'categories.set', '{}', now() - interval '731 days'
            from accounts limit 1
            """
        )
        owner.execute(f"create role {role} login password '{role}'")
        for table, rights in NEEDED.items():
            owner.execute(f"grant {', '.join(('select', *rights))} on {table} to {role}")
        as_worker = {**installation.environment, "FIRSTLINE_DATABASE_URL": narrowed}
        yield [
            ended
            for environment in (as_worker, installation.environment, installation.environment)
            for ended in run_all([(["prune"], environment)], installation.folder)
        ]
        owner.execute(f"drop owned by {role}")
        owner.execute(f"drop role {role}")


def test_what_is_due_goes_and_is_counted(ended: list[Ended]) -> None:
    as_worker, as_owner, again = ended
    assert (as_worker.code, as_owner.code, again.code) == (0, 0, 0)
    assert as_worker.out.splitlines() == [
        "inbox: 1,500 deleted",
        "account_audit: left alone, for this database role may not delete there",
        "audit_log: left alone, for this database role may not delete there",
    ]
    assert as_owner.out == "account_audit: 1 deleted\n"
    assert again.out == "nothing to do\n"
