"""Whatever comes in whatever order, and whoever dies: the database is the fold of it all."""

import os
import secrets
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import pytest
from asyncpg import Record
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from consumers import fold
from domain.commands import Command
from domain.decide import Context, decide
from domain.decisions import Accepted, Decision
from domain.sessions import Session
from firstline.servers import Servers
from producers.kafka import Kafka
from producers.relay import Relay
from storage import inbox, positions
from storage.database import Transaction
from storage.inbox import Claim
from storage.outbox import Intent
from storage.positions import Partition
from tests.model.bench import Bench, Death
from tests.model.deliveries import Deliveries
from tests.model.expected import RAISES, UNSTORABLE, UNSTORABLE_FIELDS
from tests.model.outlets import Cluster, Outlet, Recorder
from tests.model.relays import Relays
from tests.model.wire import PREFIX

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES") or 40)
EVERYTHING = {
    *("accepted", "invalid", "key_mismatch", "command_id_reused", "forbidden", "unknown_session"),
    *("session_exists", "stale_version", "not_active", "wrong_kind", "unknown_flow"),
    *("unknown_proposal", "unknown_ticket", "ticket_closed", "ticket_has_active_session"),
    *("path_too_long", "redelivered", "race", "position behind", "a batch failed as a whole"),
    *(f"{what} {death.name}" for what in ("commit", "relay", "publish") for death in Death),
    *("IntentOpen", "ProducerFenced", "an intent of somebody else's"),
}
"""What the examples have to come by, or they show nothing."""


class Machine(Deliveries, Relays):
    """Everything that may happen."""


@pytest.fixture
def bench(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    monkeypatch.setattr(fold, "decide", decide_or_fail)
    bench = Bench(database_url)
    yield bench
    bench.close()


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder(Kafka("nowhere:0", PREFIX))
    recorder.install(monkeypatch)
    return recorder


def test_everything_comes_to_what_the_model_says(bench: Bench, recorder: Recorder) -> None:
    seen = run(bench, recorder, EXAMPLES)
    print(sorted(EVERYTHING - seen.keys()), sorted(seen.items(), key=lambda i: i[1]))


def test_everything_comes_out_of_kafka_as_the_model_says(
    bench: Bench, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"model-{secrets.token_hex(4)}."
    cluster = Cluster(Kafka(servers.kafka_bootstrap, prefix))
    bench.run(cluster.open())
    cluster.install(monkeypatch)
    try:
        run(bench, cluster, 4)
    finally:
        bench.run(cluster.close())


# -- faults that the machine must find ---------------------------------------------------------


def test_the_machine_finds_that_a_command_sent_twice_takes_effect_twice(
    bench: Bench, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nothing(_tx: Transaction, _ids: Sequence[str]) -> dict[str, Claim]:
        return {}

    async def only_new(tx: Transaction, claims: Iterable[Claim], now: datetime) -> None:
        known = await inbox_known(tx, [claim.command_id for claim in claims])
        new = {claim.command_id: claim for claim in claims if claim.command_id not in known}
        await inbox_save(tx, new.values(), now)

    inbox_known, inbox_save = inbox.known, inbox.save
    monkeypatch.setattr(inbox, "known", nothing)
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
    publish = Relay.publish

    async def settle_first(relay: Relay, intent: Intent, **how: bool) -> None:
        relay.settled = intent
        await relay.settle()
        await publish(relay, intent, **how)

    monkeypatch.setattr(Relay, "publish", settle_first)
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


def decide_or_fail(session: Session, command: Command, context: Context) -> Decision:
    """Decide, but for commands that are poison to whoever does."""
    if command.correlation == RAISES:
        raise ZeroDivisionError
    decision = decide(session, command, context)
    if command.correlation == UNSTORABLE and isinstance(decision, Accepted):
        first, *others = decision.events
        if field := UNSTORABLE_FIELDS.get(type(first)):
            first = replace(first, **{field: "\0"})  # type: ignore[arg-type]
        return Accepted((first, *others))
    return decision
