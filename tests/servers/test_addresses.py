"""Servers that somebody else runs are named by two variables: both or neither."""

import pytest

from firstline.servers import NoServers, Servers, ephemeral, given, shared
from firstline.servers.addresses import is_kafka_address, is_postgres_address

BOTH = {
    "FIRSTLINE_KAFKA_BOOTSTRAP": "kafka.example:9092",
    "FIRSTLINE_DATABASE_URL": "postgresql://me@postgres.example/firstline",
}
THEIRS = Servers(
    kafka_bootstrap="kafka.example:9092",
    database_url="postgresql://me@postgres.example/firstline",
)


def test_both_variables_name_the_servers() -> None:
    assert given(BOTH) == THEIRS


def test_neither_variable_names_none() -> None:
    assert given({}) is None


def test_empty_variables_count_as_unset() -> None:
    assert given(dict.fromkeys(BOTH, " ")) is None


@pytest.mark.parametrize("present", BOTH)
def test_one_variable_alone_is_refused_with_a_sentence_that_names_the_other(present: str) -> None:
    (absent,) = BOTH.keys() - {present}

    with pytest.raises(NoServers, match=rf"^{present} is set and {absent} is not: set both"):
        given({present: BOTH[present], absent: ""})


def test_given_servers_are_yielded_and_nothing_is_started() -> None:
    with ephemeral(environ=BOTH) as first, shared(environ=BOTH) as second:
        assert first == second == THEIRS


@pytest.mark.parametrize(
    "address",
    ["kafka:9092", "kafka", "10.0.0.1:9092", "[::1]:9092", "a.example:1,b.example:65535", "a, b:1"],
)
def test_a_kafka_is_named_by_hosts_and_ports(address: str) -> None:
    assert is_kafka_address(address)


@pytest.mark.parametrize(
    "address",
    ["kafka:port", "kafka:", "kafka:0", "kafka:65536", ":9092", "a:1,", "PLAINTEXT://kafka:9092"],
)
def test_what_no_client_can_reach_is_no_kafka(address: str) -> None:
    assert not is_kafka_address(address)


@pytest.mark.parametrize(
    "address",
    ["postgresql://me:p%40ss@db.example:5432/firstline", "postgres://db", "postgresql://[::1]/x"],
)
def test_a_postgres_is_named_by_its_url(address: str) -> None:
    assert is_postgres_address(address)


@pytest.mark.parametrize(
    "address",
    [
        "nonsense",
        "db.example:5432",
        "mysql://me@db/firstline",
        "postgresql+asyncpg://me@db/firstline",
        "postgresql://me@db:port/firstline",
        "postgresql://me@db:65536/firstline",
    ],
)
def test_what_is_no_url_of_postgres_is_refused(address: str) -> None:
    assert not is_postgres_address(address)
