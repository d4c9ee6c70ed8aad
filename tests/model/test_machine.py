"""Whatever comes in whatever order, and whoever dies: the database is the fold of it all."""

import os
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial

import pytest
from asyncpg import Record
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from firstline.servers import Servers
from producers.kafka import Kafka
from producers.relay import Relay
from storage import dead_letter_desk, dead_letters, inbox, positions
from storage.database import Transaction
from storage.dead_letter_desk import KeptLetter
from storage.dead_letters import AccountSession
from storage.inbox import Claim
from storage.positions import Partition
from tests.model.bench import Bench, Death
from tests.model.machine import Machine
from tests.model.outlets import Cluster, Outlet, Recorder
from tests.relay.stops import unmourned
from tests.relay.swapped import SettlesFirst

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES") or 50)
EVERYTHING = {
    *("accepted", "command_id_reused", "ticket_has_active_session", "redelivered", "race"),
    *("position behind", "a batch failed as a whole", "TakenOver", "ProducerFenced"),
    *("replayed", "failed", "discarded", "a letter stays"),
    *(f"{what} {death.name}" for what in ("commit", "relay", "publish", "desk") for death in Death),
}
"""What the examples have to come by, or they show little."""


def test_everything_comes_to_what_the_model_says(bench: Bench, recorder: Recorder) -> None:
    seen = run(bench, recorder, EXAMPLES)
    assert EVERYTHING - seen.keys() == set()


def test_everything_comes_out_of_kafka_as_the_model_says(
    bench: Bench, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"model-{secrets.token_hex(4)}."
    cluster = Cluster(Kafka(servers.kafka_bootstrap, prefix))
    bench.run(cluster.open())
    cluster.install(monkeypatch)
    with unmourned():
        try:
            run(bench, cluster, 3)
        finally:
            bench.run(cluster.close())


# -- faults that the machine must find ---------------------------------------------------------


def test_the_machine_finds_that_a_command_sent_twice_takes_effect_twice(
    bench: Bench, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_tx: Transaction, _ids: Sequence[str]) -> dict[str, Claim]:
        return {}

    async def parked_alone(
        tx: Transaction, _ids: Sequence[str], sessions: Collection[AccountSession]
    ) -> tuple[dict[str, Claim], set[AccountSession]]:
        return {}, await dead_letters.lock_parked(tx, sessions)

    async def only_new(tx: Transaction, claims: Iterable[Claim], now: datetime) -> None:
        known = await inbox_known(tx, [claim.command_id for claim in claims])
        new = {claim.command_id: claim for claim in claims if claim.command_id not in known}
        await inbox_save(tx, new.values(), now)

    inbox_known, inbox_save = inbox.known, inbox.save
    monkeypatch.setattr(inbox, "known", nothing)
    monkeypatch.setattr(inbox, "known_and_parked", parked_alone)
    monkeypatch.setattr(inbox, "save", only_new)
    assert found(bench, recorder)


def test_the_machine_finds_that_the_outbox_is_relayed_newest_first(
    bench: Bench, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch = Transaction.fetch

    async def newest_first(tx: Transaction, sql: str, *arguments: object) -> list[Record]:
        return await fetch(
            tx, sql.replace("order by id limit", "order by id desc limit"), *arguments
        )

    monkeypatch.setattr(Transaction, "fetch", newest_first)
    assert found(bench, recorder)


def test_the_machine_finds_that_a_redelivered_record_is_answered_again(
    bench: Bench, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = positions.move

    async def forgetful(tx: Transaction, spans: Mapping[Partition, range]) -> dict[Partition, int]:
        await move(tx, spans)
        return dict.fromkeys(spans, 0)

    monkeypatch.setattr(positions, "move", forgetful)
    assert found(bench, recorder)


def test_the_machine_finds_that_rows_are_settled_before_they_are_published(
    bench: Bench, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Relay, "relay_once", SettlesFirst.relay_once)
    assert found(bench, recorder)


def test_the_machine_finds_that_parked_commands_are_replayed_newest_first(
    bench: Bench, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_in_queue = dead_letter_desk.first_in_queue

    async def newest_first(tx: Transaction, queue: AccountSession) -> list[KeptLetter]:
        return [*reversed(await first_in_queue(tx, queue))]

    monkeypatch.setattr(dead_letter_desk, "first_in_queue", newest_first)
    assert found(bench, recorder)


def found(bench: Bench, outlet: Outlet) -> str:
    """What the machine finds to be wrong."""
    with pytest.raises(AssertionError) as failure:
        run(bench, outlet, EXAMPLES, Phase.generate)
    return str(failure.value)


def run(bench: Bench, outlet: Outlet, examples: int, *phases: Phase) -> Counter[str]:
    """Run the machine and return what came about.

    The examples are the same each time, but where `MODEL_EXAMPLES` asks for a number of others.
    """
    seen: Counter[str] = Counter()
    run_state_machine_as_test(
        partial(Machine, bench, outlet, seen),  # type: ignore[arg-type]
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            derandomize="MODEL_EXAMPLES" not in os.environ,
            phases=phases or (Phase.generate,),
            deadline=None,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
    return seen
