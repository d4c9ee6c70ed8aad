"""The HTTP listener: /livez, /readyz and /metrics, on threads of their own.

A thread, because an event loop that is stuck could not say so. Nothing that is served was written
by a sender; there is no login and no TLS, so it listens where it is told and nowhere by default.
"""

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client import CollectorRegistry, make_wsgi_app

from firstline.health import Health

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_log = structlog.get_logger()

_SLOWEST_SECONDS = 5
_STATUS = {
    200: "200 OK",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    503: "503 Service Unavailable",
}


class CannotListen(Exception):
    """The address is taken, or is none of this machine's."""


def application(health: Health, registry: CollectorRegistry) -> "WSGIApplication":
    """What is served."""
    metrics = make_wsgi_app(registry)
    told: Mapping[str, Callable[[], tuple[bool, Mapping[str, object]]]] = {
        "/livez": health.lives,
        "/readyz": health.ready,
    }

    def serve(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if environ.get("REQUEST_METHOD") not in {"GET", "HEAD"}:
            return _answer(start, 405, {})
        if path == "/metrics":
            served: Iterable[bytes] = metrics(environ, start)
            return served
        if path not in told:
            return _answer(start, 404, {})
        well, facts = told[path]()
        return _answer(start, 200 if well else 503, facts)

    return serve


@contextmanager
def listening(address: str, app: "WSGIApplication") -> Iterator[int]:
    """Serve at ``host:port`` while the block runs; yields the port, chosen where it is 0.

    An IPv6 address stands in brackets. Raises `CannotListen`.
    """
    host, _, port = address.rpartition(":")
    kind = _ServerOfIPv6 if host.startswith("[") else _Server
    try:
        server = make_server(host.strip("[]"), int(port), app, kind, _Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        msg = f"FIRSTLINE_HTTP_ADDRESS: cannot listen at {address} ({reason})"
        raise CannotListen(msg) from None
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    _log.info("listening", address=f"{host}:{server.server_port}")
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _answer(start: "StartResponse", code: int, facts: Mapping[str, object]) -> list[bytes]:
    body = json.dumps(facts or {"status": _STATUS[code]}).encode() + b"\n"
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start(_STATUS[code], headers)
    return [body]


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a request, none of which keeps the process from ending."""

    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """Bind without asking DNS for our own name, which may take seconds."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()


class _ServerOfIPv6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """Gives up on who sends a request too slowly, and writes no lines of its own."""

    timeout = _SLOWEST_SECONDS

    def log_message(self, *_: object) -> None:
        """Requests are not worth a line, and their text is somebody else's."""
