"""Health and metrics over HTTP, whatever the event loop does."""

import asyncio
import json
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pydantic import ValidationError

from consumers.worker import Standing
from firstline.health import Health
from firstline.listener import CannotListen, application, listening
from firstline.metrics import Metrics
from firstline.settings import Settings
from firstline.watching import watch
from producers.relay import Tally
from storage.database import connect

GOOD = Standing({"t.commands.chat": 1}, None, 0.0, waiting=False, consuming=True)


@dataclass
class AWorker:
    polled: float = 0.1

    def polled_seconds_ago(self) -> float:
        return self.polled

    def standing(self) -> Standing:
        return GOOD


class Nodes(AWorker):
    def lag(self) -> dict[str, int]:
        return {"t.node-requests": 2}


@pytest.fixture
def health() -> Health:
    """Of a process that has been at work for an hour."""
    now = time.monotonic()
    made = Health(AWorker(), began=now - 3_600, applied_at=now)  # type: ignore[arg-type]
    made.database = True
    made.note(GOOD)
    return made


@pytest.fixture
def port(health: Health) -> Iterator[int]:
    app = application(health, Metrics(Tally()).registry)
    with listening("127.0.0.1:0", app) as port:
        yield port


def get(port: int, path: str, method: str = "GET") -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()


def test_a_process_that_works_lives_and_is_ready(port: int) -> None:
    code, told = get(port, "/livez")
    assert (code, set(json.loads(told))) == (
        200,
        {"polled_seconds_ago", "event_loop_lag_seconds", "standstill_seconds"},
    )
    code, told = get(port, "/readyz")
    assert (code, json.loads(told)) == (200, {"consuming": True, "database": True, "lives": True})


def test_an_event_loop_that_is_stuck_is_told_all_the_same(health: Health, port: int) -> None:
    health.beat -= 31
    code, told = get(port, "/livez")
    assert code == 503
    assert json.loads(told)["event_loop_lag_seconds"] > 29


def test_the_worst_of_an_event_loop_is_there_for_a_minute_for_all_who_ask(health: Health) -> None:
    """Who asked while it stood still gave up before the answer, and comes again later."""
    health.beat -= 31
    assert health.lately_late() > 29
    health.note_beat()
    assert [health.late() < 1, health.lately_late() > 29, health.lately_late() > 29] == [True] * 3
    health.lates = tuple((at - 61, late) for at, late in health.lates)
    health.note_beat()
    assert health.lately_late() < 1


def test_a_worker_that_does_not_poll_is_dead(health: Health, port: int) -> None:
    health.worker = AWorker(polled=61)  # type: ignore[assignment]
    assert get(port, "/livez")[0] == 503
    assert get(port, "/readyz")[0] == 503


def test_a_worker_that_starts_has_a_minute_to_poll(health: Health, port: int) -> None:
    health.worker = AWorker(polled=float("inf"))  # type: ignore[assignment]
    health.began = time.monotonic()
    assert get(port, "/livez")[0] == 200


def test_positions_that_stand_still_with_work_to_do_are_told(health: Health, port: int) -> None:
    health.applied_at -= 301
    code, told = get(port, "/livez")
    assert code == 503
    assert json.loads(told)["standstill_seconds"] > 300


@pytest.mark.parametrize(
    "standing",
    [
        Standing({}, None, 0.0, waiting=False, consuming=True),
        Standing({"t.commands.chat": 3}, None, 0.0, waiting=False, consuming=True, damaged=3),
        Standing({"t.commands.chat": 1}, None, 0.0, waiting=True, consuming=True),
    ],
    ids=["nothing to do", "the log is damaged", "a server is away"],
)
def test_positions_may_stand_still_for_a_reason(
    health: Health, port: int, standing: Standing
) -> None:
    health.applied_at -= 301
    health.note(standing)
    assert get(port, "/livez")[0] == 200


@pytest.mark.parametrize("lacking", ["database", "consuming"])
def test_a_process_that_lacks_something_lives_and_is_not_ready(
    health: Health, port: int, lacking: str
) -> None:
    setattr(health, lacking, False)
    assert get(port, "/livez")[0] == 200
    code, told = get(port, "/readyz")
    assert (code, json.loads(told)[lacking]) == (503, False)


def test_a_relay_alone_is_ready_with_its_database(health: Health, port: int) -> None:
    health.worker, health.consuming = None, False
    assert get(port, "/livez")[0] == 200
    assert get(port, "/readyz")[0] == 200


def test_metrics_are_served_as_prometheus_reads_them(port: int) -> None:
    code, told = get(port, "/metrics")
    assert code == 200
    assert "# TYPE firstline_records_total counter" in told


async def test_what_waits_is_told_of_commands_and_of_node_requests(health: Health) -> None:
    health.nodes = Nodes()  # type: ignore[assignment]
    metrics = Metrics(Tally())
    nowhere = connect("postgresql://127.0.0.1:1/none")
    watching = asyncio.create_task(watch(health, metrics, nowhere))
    await asyncio.sleep(0)  # each of the two tasks looks once
    await asyncio.sleep(0)
    watching.cancel()
    await asyncio.wait([watching])
    await nowhere.dispose()
    told = {
        topic: metrics.registry.get_sample_value("firstline_lag_records", {"topic": topic})
        for topic in ("t.commands.chat", "t.node-requests")
    }
    assert told == {"t.commands.chat": 1, "t.node-requests": 2}


@pytest.mark.parametrize(
    ("path", "method", "code"),
    [("/", "GET", 404), ("/metricsx", "GET", 404), ("/livez", "POST", 405), ("/", "DELETE", 405)],
)
def test_nothing_else_is_served(port: int, path: str, method: str, code: int) -> None:
    assert get(port, path, method)[0] == code


def test_who_sends_nothing_keeps_nobody_waiting(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as silent:
        silent.sendall(b"GET /livez HTTP/1.1\r\n")
        assert get(port, "/livez")[0] == 200


@pytest.mark.parametrize("address", ["0.0.0.0:9464", "localhost:0", "[::]:9464", "[::1]:0"])
def test_where_to_listen_is_host_and_port(address: str) -> None:
    assert Settings(http_address=address).http_address == address


@pytest.mark.parametrize("address", ["9464", "localhost", "::1:9464", "[::1]", "[localhost]:1"])
def test_what_is_no_host_and_port_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="http_address"):
        Settings(http_address=address)


def test_an_address_of_ipv6_stands_in_brackets(health: Health) -> None:
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    with (
        listening("[::1]:0", application(health, Metrics(Tally()).registry)) as port,
        urllib.request.urlopen(f"http://[::1]:{port}/livez", timeout=10) as answer,
    ):
        assert answer.status == 200


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def test_an_address_that_is_taken_is_a_sentence(port: int) -> None:
    app = application(Health(None), Metrics(Tally()).registry)
    with (
        pytest.raises(CannotListen, match=rf"cannot listen at 127.0.0.1:{port} \(Address"),
        listening(f"127.0.0.1:{port}", app),
    ):
        pytest.fail("two listen at one address")
