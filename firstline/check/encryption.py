"""Whether what goes over the network can be read on the way: pure rules."""

from collections.abc import Iterator

from firstline.check.findings import Finding, warning
from producers.kafka import Kafka
from producers.security import Protocol

_IN_THE_OPEN = frozenset({Protocol.PLAINTEXT, Protocol.SASL_PLAINTEXT})


def kafka_encryption(kafka: Kafka) -> Iterator[Finding]:
    """Judge the connection to Kafka; within this machine anything goes."""
    protocol = kafka.security.get("security_protocol", Protocol.PLAINTEXT)
    hosts = [address.strip().rpartition(":")[0] for address in kafka.bootstrap.split(",")]
    if protocol in _IN_THE_OPEN and not all(map(_is_this_machine, hosts)):
        yield warning(
            "Kafka",
            f"is connected to without TLS ({protocol}), and commands and outcomes can be read and"
            " changed on the way",
            "give Kafka a listener with SASL_SSL, and set FIRSTLINE_KAFKA_SECURITY_PROTOCOL",
        )


def postgres_encryption(*, encrypted: bool, server: str | None) -> Iterator[Finding]:
    """Judge the connection to the Postgres at that address, None for a socket of this machine."""
    if not encrypted and server is not None and not _is_this_machine(server):
        yield warning(
            "Postgres",
            "is connected to without TLS, and everything can be read and changed on the way",
            "add ?sslmode=verify-full&sslrootcert=FILE to FIRSTLINE_DATABASE_URL",
        )


def _is_this_machine(host: str) -> bool:
    return host in {"localhost", "::1", "[::1]"} or host.startswith("127.")
