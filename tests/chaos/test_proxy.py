"""The proxy passes everything on but what it was told to hold or lose."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from socketserver import BaseRequestHandler, ThreadingTCPServer

import pytest

from tests.chaos.proxy import Api, Proxy, Way

_SECONDS = 5


class Broker(ThreadingTCPServer):
    """Answers each request with its correlation id, and with its own address."""

    daemon_threads = True

    def __init__(self) -> None:
        self.asked: list[int] = []
        super().__init__(("127.0.0.1", 0), Answering)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Answering(BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Broker)
        while request := read_frame(self.request):
            _, _, correlation = struct.unpack_from(">hhi", request)
            self.server.asked.append(correlation)
            write_frame(self.request, struct.pack(">i", correlation) + address(self.server.port))


@pytest.fixture
def broker() -> Iterator[Broker]:
    with Broker() as broker:
        yield broker
        broker.shutdown()


@pytest.fixture
def proxy(broker: Broker) -> Iterator[Proxy]:
    with Proxy(f"127.0.0.1:{broker.port}") as proxy:
        yield proxy


def test_what_is_asked_is_answered(proxy: Proxy, broker: Broker) -> None:
    with client(proxy) as one:
        ask(one, Api.PRODUCE, 1)
        assert answered(one) == (1, address(broker.port))


@pytest.mark.parametrize("api", [Api.METADATA, Api.FIND_COORDINATOR])
def test_the_brokers_address_becomes_the_proxys(proxy: Proxy, api: Api) -> None:
    port = int(proxy.bootstrap.rpartition(":")[2])
    with client(proxy) as one:
        ask(one, api, 1)
        assert answered(one) == (1, address(port))


def test_one_request_is_lost(proxy: Proxy, broker: Broker) -> None:
    lost = proxy.lose(Api.PRODUCE)
    with client(proxy) as one:
        for api, correlation in ((Api.FETCH, 1), (Api.PRODUCE, 2), (Api.PRODUCE, 3)):
            ask(one, api, correlation)
        assert [answered(one)[0], answered(one)[0]] == [1, 3]
    assert lost.reached.is_set()
    assert broker.asked == [1, 3]


def test_one_answer_is_lost(proxy: Proxy, broker: Broker) -> None:
    proxy.lose(Api.PRODUCE, Way.ANSWER)
    with client(proxy) as one:
        ask(one, Api.PRODUCE, 1)
        ask(one, Api.PRODUCE, 2)
        assert answered(one)[0] == 2
    assert broker.asked == [1, 2]


def test_a_request_is_held_by_what_is_in_it(proxy: Proxy, broker: Broker) -> None:
    held = proxy.hold(Api.PRODUCE, matching=lambda frame: b"this" in frame)
    with client(proxy) as one, client(proxy) as another:
        ask(one, Api.PRODUCE, 1, b"this")
        assert held.reached.wait(_SECONDS)
        ask(another, Api.PRODUCE, 2, b"that")
        assert answered(another)[0] == 2
        held.let_go()
        assert answered(one)[0] == 1
    assert broker.asked == [2, 1]


def test_a_request_that_was_held_arrives_although_the_client_has_gone(
    proxy: Proxy, broker: Broker
) -> None:
    held = proxy.hold(Api.END_TXN)
    with client(proxy) as one:
        ask(one, Api.END_TXN, 1)
        assert held.reached.wait(_SECONDS)
    assert broker.asked == []
    held.let_go()
    assert held.arrived.wait(_SECONDS)
    assert broker.asked == [1]


def test_an_unplugged_proxy_ends_connections_and_takes_none(proxy: Proxy) -> None:
    with client(proxy) as one:
        ask(one, Api.FETCH, 1)
        assert answered(one)[0] == 1
        with proxy.unplugged():
            assert is_over(one)
            with client(proxy) as refused:
                assert is_over(refused)
    with client(proxy) as one:
        ask(one, Api.FETCH, 1)
        assert answered(one)[0] == 1


def test_closing_does_not_wait_for_what_is_held(broker: Broker) -> None:
    begun = time.monotonic()
    with Proxy(f"127.0.0.1:{broker.port}") as proxy, client(proxy) as one:
        held = proxy.hold(Api.PRODUCE)
        ask(one, Api.PRODUCE, 1)
        assert held.reached.wait(_SECONDS)
    assert time.monotonic() - begun < _SECONDS


def client(proxy: Proxy) -> socket.socket:
    host, _, port = proxy.bootstrap.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=_SECONDS)


def ask(connection: socket.socket, api: Api, correlation: int, body: bytes = b"") -> None:
    write_frame(connection, struct.pack(">hhi", api, 0, correlation) + body)


def answered(connection: socket.socket) -> tuple[int, bytes]:
    """The correlation id of the next answer, and what it says."""
    frame = read_frame(connection)
    (correlation,) = struct.unpack_from(">i", frame)
    return correlation, frame[4:]


def is_over(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def address(port: int) -> bytes:
    return struct.pack(">h9si", 9, b"127.0.0.1", port)


def write_frame(connection: socket.socket, frame: bytes) -> None:
    connection.sendall(struct.pack(">i", len(frame)) + frame)


def read_frame(connection: socket.socket) -> bytes:
    """The next frame, without its length; nothing where there is no more."""
    prefix = read_exactly(connection, 4)
    return read_exactly(connection, struct.unpack(">i", prefix)[0]) if prefix else b""


def read_exactly(connection: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        part = connection.recv(size - len(received))
        if not part:
            return b""
        received += part
    return received
