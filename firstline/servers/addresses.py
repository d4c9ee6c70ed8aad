"""Where Kafka and Postgres are reached, and how somebody else's are named."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

KAFKA_VARIABLE = "FIRSTLINE_KAFKA_BOOTSTRAP"
DATABASE_VARIABLE = "FIRSTLINE_DATABASE_URL"
KAFKA_FORM = "host:port, or several of them with commas between"
POSTGRES_FORM = "postgresql://user:password@host:port/name"

# A name, an IPv4 address, or an IPv6 address in brackets; 9092 is meant where no port is named.
_KAFKA_ADDRESS = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(?P<port>[0-9]{1,5}))?")
_PORTS = range(1, 65_536)


@dataclass(frozen=True, slots=True)
class Servers:
    """The addresses of one Kafka and one Postgres.

    `kafka_bootstrap` is `host:port`, or several of them with commas between; `database_url` is
    `postgresql://user:password@host:port/database`.
    """

    kafka_bootstrap: str
    database_url: str


class NoServers(Exception):
    """There is no Kafka or no Postgres to work with.

    Its message is one sentence, to be shown to a person, that says what is missing and what to
    install or to set; where a server did start and died, its last log lines follow.
    """


def given(environ: Mapping[str, str]) -> Servers | None:
    """Return the servers that the environment names, or `None` where it names neither.

    An empty variable counts as one that is not set. Raises `NoServers` where one of the two is set
    and the other is not: starting the missing half would split a deployment without a word.
    """
    kafka = environ.get(KAFKA_VARIABLE, "").strip()
    database = environ.get(DATABASE_VARIABLE, "").strip()
    if kafka and database:
        return Servers(kafka_bootstrap=kafka, database_url=database)
    if not kafka and not database:
        return None
    present, absent = (
        (KAFKA_VARIABLE, DATABASE_VARIABLE) if kafka else (DATABASE_VARIABLE, KAFKA_VARIABLE)
    )
    message = (
        f"{present} is set and {absent} is not: set both to use servers of your own, or neither "
        "to have firstline start some."
    )
    raise NoServers(message)


def is_kafka_address(text: str) -> bool:
    """Whether a Kafka client can make something of it."""
    found = [_KAFKA_ADDRESS.fullmatch(one.strip()) for one in text.split(",")]
    return all(one is not None and int(one["port"] or 9092) in _PORTS for one in found)


def is_postgres_address(text: str) -> bool:
    """Whether it is a URL of Postgres: another scheme would be taken for one without a word."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        return False
    return url.drivername in {"postgresql", "postgres"} and (url.port or 5432) in _PORTS
