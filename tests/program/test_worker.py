"""A worker from its first line to its last: ready, under load, told to stop, and its logs."""

import json
import re
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import LiteralString
from uuid import UUID

import psycopg
import pytest
from confluent_kafka.admin import AdminClient

from tests.outside.checker import check
from tests.outside.client import Client
from tests.outside.commands import command, encode, new_id, script
from tests.outside.forking import Ended
from tests.outside.look import look, wait_for_rest
from tests.outside.program import Installation
from tests.outside.wire import Json
from tests.program.collector import collecting
from tests.program.running import Program, run_all, running

CANARY = "canary7Q2x"

pytestmark = pytest.mark.timeout(180)


# As wordy as it can be, and in batches small enough to be in the midst of many.
SETTINGS = {"FIRSTLINE_LOG_LEVEL": "debug", "FIRSTLINE_BATCH_RECORDS": "50"}


@contextmanager
def a_worker(
    installation: Installation, *options: str, settings: Mapping[str, str] = SETTINGS
) -> Iterator[Program]:
    environment = installation.environment | dict(settings)
    with running(environment, "worker", *options, folder=installation.folder) as worker:
        worker.wait_for("ready")
        yield worker


def a_session() -> list[Json]:
    return script(new_id(), ("start_flow", {}), ("record_step", {}), ("resolve", {}))


def test_a_worker_that_is_told_to_stop_under_load_drains_and_leaves(
    installation: Installation, client: Client
) -> None:
    """What it had not got to is done by the next one, and nothing is done twice."""
    sent = [one for _ in range(1_000) for one in a_session()]
    with a_worker(installation) as worker:
        for one in sent:
            client.send(one)
        wait_until_applied(installation, 100)
        before = time.monotonic()
        code = worker.stop()
        took = time.monotonic() - before
        client.flush()
    assert (code, took < 30) == (0, True)
    assert worker.lines == ["ready"]

    assert_the_next_answers_the_rest(installation, sent)


def assert_the_next_answers_the_rest(installation: Installation, sent: Sequence[Json]) -> None:
    """Expect that another worker leaves every command answered, once."""
    with a_worker(installation) as worker:
        wait_for_rest(installation, 60)
        assert worker.stop() == 0
    world = look(installation)
    assert check(world) == []
    assert {len(world.replies[one["command_id"]]) for one in sent} == {1}


def wait_until_applied(installation: Installation, records: int) -> None:
    """Return once so many records more were applied."""
    with psycopg.connect(installation.database_url, autocommit=True) as connection:
        statement = "select coalesce(sum(next_offset), 0) from positions"

        def applied() -> int:
            row = connection.execute(statement).fetchone()
            assert row is not None
            return int(row[0])

        end = applied() + records
        until = time.monotonic() + 30
        while applied() < end:
            assert time.monotonic() < until


def test_a_worker_that_is_told_to_stop_behind_a_lock_leaves_what_waits(
    installation: Installation, client: Client
) -> None:
    """Its clients are closed, although all lanes are full; the next worker applies what waited."""
    sent = [one for _ in range(300) for one in a_session()]
    with (
        psycopg.connect(installation.database_url) as connection,
        a_worker(installation) as worker,
    ):
        connection.execute("lock table sessions in access exclusive mode")
        for one in sent:
            client.send(one)
        client.flush()
        wait_until_somebody_waits(installation)
        assert worker.stop() == 0
        assert "Unclosed" not in worker.tail()
    assert_the_next_answers_the_rest(installation, sent)


def wait_until_somebody_waits(installation: Installation) -> None:
    """Return once a backend waits for a lock on the database."""
    statement = """
        select from pg_locks
        where not granted and database = (
            select oid from pg_database where datname = current_database()
        )
    """
    wait_until_found(installation, statement)


def test_a_worker_without_a_relay_leaves_publishing_to_a_relay(
    installation: Installation, client: Client
) -> None:
    sent = a_session()
    with a_worker(installation, "--no-relay") as worker:
        for one in sent:
            client.send(one)
        client.flush()
        wait_until_staged(installation, sent[-1])
        assert worker.stop() == 0
    with running(installation.environment, "relay", folder=installation.folder) as relay:
        replies = client.answers(*sent)
        assert [reply["version"] for reply in replies] == [1, 2, 3]
        assert relay.stop() == 0
        assert relay.lines == []


def wait_until_staged(installation: Installation, sent: Json) -> None:
    """Return once the command's answer waits to be relayed."""
    statement = """
        select from outbox
        where topic = 'replies' and convert_from(value, 'utf-8')::json ->> 'command_id' = %s
    """
    wait_until_found(installation, statement, sent["command_id"])


def wait_until_found(installation: Installation, statement: LiteralString, *of: str) -> None:
    """Return once the statement finds a row."""
    with psycopg.connect(installation.database_url, autocommit=True) as connection:
        until = time.monotonic() + 30
        while not connection.execute(statement, of).fetchall():
            assert time.monotonic() < until


def test_a_worker_keeps_its_place_in_the_groups_or_gives_it_up(installation: Installation) -> None:
    """Kept, its partitions wait for the next in its slot; given up, the others have them."""
    for options, members in (((), 1), (("--leave",), 0)):
        with a_worker(installation, *options) as worker:
            assert worker.stop() == 0
        assert members_of_groups(installation) == {"worker": members, "nodes": members}


def members_of_groups(installation: Installation) -> dict[str, int]:
    names = {f"{installation.prefix}{name}": name for name in ("worker", "nodes")}
    admin = AdminClient({"bootstrap.servers": installation.kafka_bootstrap})
    told = admin.describe_consumer_groups(list(names))
    return {names[group]: len(one.result().members) for group, one in told.items()}


def test_what_is_sent_from_a_file_can_be_read_back(
    installation: Installation, client: Client
) -> None:
    sent = a_session()
    (installation.folder / "sent.jsonl").write_bytes(b"\n".join(map(encode, sent)) + b"\n\n")
    send = (["send", "sent.jsonl", "--source", "psa"], installation.environment)
    with a_worker(installation) as worker:
        assert run_all([send], installation.folder) == [Ended(0, "appended 3 commands\n", "")]
        replies = client.answers(*sent)
        assert worker.stop() == 0
    assert [reply["version"] for reply in replies] == [1, 2, 3]

    tails = [(["tail", topic], installation.environment) for topic in ("commands.psa", "replies")]
    for shown, expected in zip(run_all(tails, installation.folder), (sent, replies), strict=True):
        assert (shown.code, shown.err) == (0, "")
        found = [json.loads(line) for line in shown.out.splitlines()]
        assert [one for one in found if one["session_id"] == sent[0]["session_id"]] == expected


def test_no_payload_is_in_any_log_metric_or_span(
    installation: Installation, client: Client
) -> None:
    """Applied, refused, unreadable, too large, poison by what Postgres refuses, or parked."""
    with psycopg.connect(installation.database_url, autocommit=True) as connection:
        connection.execute(
            "alter table sessions add constraint odd_check check (ticket_id not like 'poison%')"
        )
    with collecting() as collector:
        settings = SETTINGS | collector.environment | {"FIRSTLINE_HTTP_ADDRESS": "127.0.0.1:0"}
        with a_worker(installation, settings=settings) as worker:
            traced = say_the_canary(client)
            address = listens_at(worker)
            served = {path: get(address, path) for path in ("/livez", "/readyz")}
            metrics = once_nothing_waits(address)
            assert worker.stop() == 0

    assert served["/livez"][0] == served["/readyz"][0] == 200, served
    assert CANARY not in f"{served} {metrics}"
    assert {
        'firstline_dead_letters_total{reason="poison"} 1.0',
        "firstline_database_up 1.0",
        "firstline_relay_leading 1.0",
        "firstline_parked_sessions 1.0",
        "firstline_waiting 0.0",
    } <= set(metrics.splitlines())
    assert "\nfaststream_received_messages_total{" in metrics
    assert [body for body in collector.bodies if CANARY.encode() in body] == []
    assert any(bytes.fromhex(traced) in body for body in collector.bodies), "no span is linked"

    lines = worker.log.read_text().splitlines()
    logs = [json.loads(line) for line in lines]
    assert {"event", "level", "timestamp"} <= set.intersection(*(set(log) for log in logs))
    assert [line for line in lines if CANARY in line] == []
    assert "poison command" in {log["event"] for log in logs}
    assert worker.lines == ["ready"]


def listens_at(worker: Program) -> str:
    logs = [json.loads(line) for line in worker.log.read_text().splitlines()]
    return str([log["address"] for log in logs if log["event"] == "listening"][-1])


def get(address: str, path: str) -> tuple[int, str]:
    """What is served, once the database was looked at."""
    until = time.monotonic() + 10
    while True:
        connection = HTTPConnection(address, timeout=10)
        connection.request("GET", path)
        answer = connection.getresponse()
        told = answer.status, answer.read().decode()
        connection.close()
        if told[0] == 200 or time.monotonic() > until:
            return told


def once_nothing_waits(address: str) -> str:
    """The metrics, once there is no lag and nothing in the outbox; marks of transactions are none.

    The session that is parked was parked before the database was looked at last.
    """
    until = time.monotonic() + 20
    while True:
        _, told = get(address, "/metrics")
        lags = re.findall(r"^firstline_lag_records\{.*\} (.*)$", told, re.MULTILINE)
        settled = ["firstline_outbox_messages 0.0", "firstline_parked_sessions 1.0"]
        if len(lags) == 5 and set(lags) == {"0.0"} and all(one in told for one in settled):
            return told
        assert time.monotonic() < until, told
        time.sleep(0.2)  # it is noted each second


def say_the_canary(client: Client) -> str:
    """Send it in every field, in records of every fate; return the id of the trace that has one."""
    walk = script(
        new_id(),
        ("start_ai_build", {"problem_text": CANARY, "category": CANARY, "ticket_id": CANARY}),
        ("record_step", {"answer": CANARY, "question": CANARY, "note": CANARY}),
        ("update_notes", {"notes": [{CANARY: CANARY}]}),
        ("record_step", {"answer": CANARY, "node_id": CANARY * 20}),
        (CANARY, {"correlation": CANARY}),
        ("escalate", {"reason": CANARY, "reason_category": CANARY}),
        ("resolve", {"resolution_notes": CANARY}),
    )
    client.ask(*walk)
    poison = command("start_adhoc", ticket_id=f"poison {CANARY}", correlation=CANARY)
    parked = command("update_notes", poison["session_id"], notes=[{"a": CANARY}])
    hostile = [
        *(encode(poison), encode(parked)),
        *(CANARY.encode(), f'{{"{CANARY}": '.encode(), b"\xff" + CANARY.encode()),
        CANARY.encode() * 60_000,
    ]
    reasons = []
    for value in hostile:
        key = poison["session_id"] if value in hostile[:2] else CANARY
        sent = client.send(value, key=key, headers=[(CANARY, CANARY.encode())])
        reasons.append(client.dead_letter(sent).header("fl_reason"))
    assert reasons == ["poison", "parked", *["unreadable"] * 3, "too_large"]

    trace, begun = secrets.token_hex(16), command("start_adhoc", correlation=CANARY)
    parent = f"00-{trace}-{secrets.token_hex(8)}-01".encode()
    client.send(begun, headers=[("traceparent", parent), (CANARY, CANARY.encode())])
    client.flush()
    for topic in ("replies", "session-events", "session-state"):
        (caused,) = client.of_session(topic, begun["session_id"])
        assert caused.header("traceparent") == parent.decode(), topic
    return trace


def test_a_bad_deployment_stops_the_worker_and_what_was_set_aside_is_replayed(
    installation: Installation, client: Client
) -> None:
    sent = [command("start_adhoc", ticket_id=f"worse {number}") for number in range(9)]
    environment = installation.environment | {"FIRSTLINE_POISON_PER_MINUTE": "3"}
    with psycopg.connect(installation.database_url, autocommit=True) as connection:
        connection.execute(
            "alter table sessions add constraint worse_check check (ticket_id not like 'worse%')"
        )
        for one in sent:
            client.send(one)
        client.flush()
        with running(environment, "worker", folder=installation.folder) as worker:
            assert worker.process.wait(60) == 1
            assert "could not be applied within a minute" in worker.tail()
        letters = connection.execute(
            "select id::text, command_id::text from dead_letters where command_id = any(%s)",
            [[UUID(one["command_id"]) for one in sent]],
        ).fetchall()
        assert 1 <= len(letters) <= 3 + 1, "as many, and one for each lane that is at work"
        connection.execute("alter table sessions drop constraint worse_check")

    ids = [letter_id for letter_id, _ in letters]
    aside = {command_id for _, command_id in letters}
    with a_worker(installation) as worker:
        others = client.answers(*(one for one in sent if one["command_id"] not in aside))
        replay = (["dead-letters", "replay", *ids], installation.environment)
        assert [ended.code for ended in run_all([replay], installation.folder)] == [0]
        released = client.answers(*(one for one in sent if one["command_id"] in aside))
        assert worker.stop() == 0
    assert {reply["outcome"] for reply in (*others, *released)} == {"accepted"}
