"""Servers that somebody else runs are named by two variables: both or neither."""

import pytest

from firstline.servers import NoServers, Servers, ephemeral, given, shared

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
