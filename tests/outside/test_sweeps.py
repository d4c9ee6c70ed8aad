"""What happens because time has passed; hours go by here by moving what is written back."""

from collections.abc import Iterator

import psycopg
import pytest

from .asking import code_of
from .client import Client
from .commands import command
from .look import violations
from .people import INTAKING, INTAKING_ENGINEER, INTAKING_TECH
from .program import Installation
from .wire import Json

OF_INITECH = {"account_id": INTAKING, "actor_id": INTAKING_TECH}


@pytest.fixture(scope="module")
def sweeping(own_installation: Installation) -> Iterator[Client]:
    """Start a worker that sweeps all the time, and talk to it."""
    own_installation.environment["FIRSTLINE_SWEEP_SECONDS"] = "0.2"
    own_installation.start()
    client = Client(
        own_installation.kafka_bootstrap, own_installation.prefix, check=own_installation.must_run
    )
    yield client
    client.close()


def pass_minutes(installation: Installation, session: str, minutes: int) -> None:
    """Have a session, and its escalation, be so many minutes older."""
    with psycopg.connect(installation.database_url) as connection:
        for statement in (
            """
            update sessions set last_activity_at = last_activity_at - make_interval(mins => %s)
            where id = %s
            """,
            """
            update escalations set moved_at = moved_at - make_interval(mins => %s)
            where session_id = %s
            """,
        ):
            connection.execute(statement, [minutes, session])


def told(client: Client, session: str, count: int) -> Json:
    """Return the data of a session's notification number `count`, a renotified one."""
    event = client.of_session("engineer-notifications", session, count)[count - 1].json
    assert event["type"] == "firstline.escalation.renotified.v1"
    data = event["data"]
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize(("start", "hours"), [("start_adhoc", 2), ("start_flow", 24)])
def test_an_idle_session_is_abandoned_after_the_hours_of_its_account(
    sweeping: Client, own_installation: Installation, start: str, hours: int
) -> None:
    of_account = OF_INITECH if start == "start_adhoc" else {}
    idle, busy = command(start, **of_account), command(start, **of_account)
    sweeping.ask(idle, busy)
    pass_minutes(own_installation, busy["session_id"], hours * 60 - 5)
    pass_minutes(own_installation, idle["session_id"], hours * 60)
    [_, ended] = sweeping.of_session("session-events", idle["session_id"], 2)
    assert ended.json["type"] == "firstline.session.abandoned.v1"
    assert ended.json["data"]["reason"] == "idle"
    assert ended.json["data"]["actor"]["id"] == "system"
    goes_on = command("update_notes", busy["session_id"], **of_account)
    assert code_of(sweeping, goes_on) == "accepted"


def test_a_session_that_waits_for_its_node_does_not_idle(
    sweeping: Client, own_installation: Installation
) -> None:
    waiting, idle = command("start_ai_build"), command("start_flow")
    sweeping.ask(waiting, idle)
    for sent in (waiting, idle):
        pass_minutes(own_installation, sent["session_id"], 47 * 60)
    sweeping.of_session("session-events", idle["session_id"], 2)
    assert code_of(sweeping, command("update_notes", waiting["session_id"])) == "accepted"


def test_an_escalation_that_nobody_claims_is_told_of_to_the_next_step_once(
    sweeping: Client, own_installation: Installation
) -> None:
    sent = command("escalate_without_walk", **OF_INITECH)
    session = sent["session_id"]
    sweeping.ask(sent)
    [first] = sweeping.of_session("engineer-notifications", session)
    pass_minutes(own_installation, session, 30)
    again = told(sweeping, session, 2)
    assert again["recipients"] == [{"email": "lead@initech.example"}]
    assert again["dedup_key"] == first.json["data"]["dedup_key"]
    assert (again["step"], again["actor"]["id"]) == (1, "system")
    # there is no second step; a claimed one counts anew
    pass_minutes(own_installation, session, 600)
    claim = command("claim_escalation", session, account_id=INTAKING, actor_id=INTAKING_ENGINEER)
    sweeping.ask(claim)
    sweeping.of_session("engineer-notifications", session, 3)
    pass_minutes(own_installation, session, 60)
    silent = told(sweeping, session, 4)
    assert silent["step"] == 2
    assert silent["recipients"] == [{"email": "desk@initech.example"}]


def test_no_invariant_was_broken_on_the_way(
    sweeping: Client, own_installation: Installation
) -> None:
    sweeping.flush()
    assert violations(own_installation) == []


def test_a_worker_that_sweeps_ends_when_it_is_asked_to(own_installation: Installation) -> None:
    assert own_installation.worker is not None
    assert own_installation.worker.stop() == 0
    own_installation.worker = None
