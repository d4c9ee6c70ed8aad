"""A connection that can be read on the way is worth a warning, unless it leaves no machine."""

import pytest

from firstline.check.encryption import kafka_encryption, postgres_encryption
from producers.kafka import Kafka
from tests.check.installations import Installation


@pytest.mark.parametrize(
    ("bootstrap", "protocol", "warned"),
    [
        ("kafka:9092", None, True),
        ("kafka:9092", "SASL_PLAINTEXT", True),
        ("127.0.0.1:9092, kafka:9092", "PLAINTEXT", True),
        ("kafka:9092", "SASL_SSL", False),
        ("kafka:9092", "SSL", False),
        ("127.0.0.1:9092,localhost:9093,[::1]:9094", None, False),
    ],
)
def test_kafka_without_tls_is_worth_a_warning_where_it_is_elsewhere(
    bootstrap: str, protocol: str | None, *, warned: bool
) -> None:
    security = {} if protocol is None else {"security_protocol": protocol}
    found = [one.sentence() for one in kafka_encryption(Kafka(bootstrap, "t.", security))]
    assert ["without TLS" in one for one in found] == [True] * warned


@pytest.mark.parametrize(
    ("encrypted", "server", "warned"),
    [
        (False, "10.0.0.7", True),
        (True, "10.0.0.7", False),
        (False, "127.0.0.1", False),
        (False, "::1", False),
        (False, None, False),
    ],
)
def test_postgres_without_tls_is_worth_a_warning_where_it_is_elsewhere(
    *, encrypted: bool, server: str | None, warned: bool
) -> None:
    found = list(postgres_encryption(encrypted=encrypted, server=server))
    assert len(found) == warned


async def test_the_servers_of_this_machine_need_no_tls(installation: Installation) -> None:
    assert "TLS" not in await installation.warnings()
