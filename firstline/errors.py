"""Every failure that a person can act on, as the sentence that tells them how."""

import errno

import asyncpg
from aiokafka.errors import KafkaConnectionError, KafkaError
from sqlalchemy.exc import ArgumentError

from consumers.dead_letter_rules import LetterStays
from consumers.isolate import Defect, DeploymentWrong, TooMuchPoison
from consumers.reading import AnotherTopic, PositionBeyondEnd
from firstline.accounts import AccountError
from firstline.background import BackgroundError
from firstline.check import NotReady
from firstline.door import why_now
from firstline.listener import CannotListen
from firstline.load import CatalogueError
from firstline.looking.ask import NothingToShow
from firstline.migrate import UnknownRevision
from firstline.servers import NoServers
from firstline.settings import Settings
from firstline.tracing import TracingMissing
from firstline.traffic import TrafficError
from producers.relay import ProgressLost
from producers.security import InsecureKafka
from storage.faults import OF_THE_DRIVER, describe, root, sqlstate
from storage.slots import SlotLost

ACTIONABLE = (
    NoServers,  # install what is missing, or name the servers
    CatalogueError,  # mend the file
    NothingToShow,  # look at the id
    AccountError,  # look at who asks, and for what
    NotReady,  # mend what would break the promise
    CannotListen,  # choose another address
    TracingMissing,  # install what sends spans
    InsecureKafka,  # mend how Kafka is connected to
    AnotherTopic,  # the topic is not the one that was read before
    PositionBeyondEnd,  # its log is not the one that was read before
    ProgressLost,  # the relay cannot tell what went out
    SlotLost,  # start again
    BackgroundError,  # look at the log it names
    TrafficError,  # look at the file, or at the topic
    UnknownRevision,  # use the program that the database is of
    TooMuchPoison,  # mend the program or its deployment, then settle the dead letters
    LetterStays,  # do with the dead letter what the message says
    Defect,  # report it
)
"""Errors whose message says what to do. ARCHITECTURE.md says when each is raised."""

# Invalid authorization, invalid catalog name: the wrong role, password or database.
_NOT_LET_IN = ("28", "3D")
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_OF_TLS = ("`sslmode`", "root certificate file")


def explain(error: BaseException) -> str | None:
    """One sentence for whoever runs the program; None for what only a developer can mend."""
    if isinstance(error, ACTIONABLE):
        return str(error)
    if isinstance(error, DeploymentWrong):
        return _of_postgres(error.__cause__ or error)
    if isinstance(error, (ArgumentError, asyncpg.ClientConfigurationError)):
        return _no_address(error)
    if sqlstate(error) is not None or isinstance(root(error), OF_THE_DRIVER):
        return _of_postgres(error)
    if isinstance(error, KafkaError):
        return _of_kafka(error)
    if isinstance(error, (OSError, TimeoutError)):
        return _away(error)
    return None


def _of_postgres(error: BaseException) -> str:
    """What Postgres answers, and what to do about it: migrating mends a schema, and no password."""
    state, said = sqlstate(error) or "", f"Postgres answers {describe(error)}"
    if state == "42501":
        return f"{said}; the database role lacks rights: run `firstline check`"
    if state.startswith("42"):
        return (
            f"the database is not as this version needs it ({describe(error)});"
            " run `firstline migrate`"
        )
    if state[:2] in _NOT_LET_IN:
        return f"{said}; look at FIRSTLINE_DATABASE_URL"
    return said


def _no_address(error: Exception) -> str:
    told = str(error).splitlines()[0]
    if told.startswith(_OF_TLS):  # anything else may hold the address, and its password
        return f"FIRSTLINE_DATABASE_URL asks for TLS that cannot be: {told}"
    return (
        "FIRSTLINE_DATABASE_URL is no address of Postgres, as"
        " postgresql://user:password@host:port/name is"
    )


def _of_kafka(error: KafkaError) -> str:
    if isinstance(error, KafkaConnectionError):
        settings = Settings()  # they were good enough to try
        return why_now(settings.kafka(settings.kafka_bootstrap or ""))
    return (
        f"Kafka answers {type(error).__name__}; look at FIRSTLINE_KAFKA_BOOTSTRAP and run"
        " `firstline topics`"
    )


def _away(error: OSError | TimeoutError) -> str:
    if error.errno in _NO_ROOM:
        return f"cannot write what there is to say: {error.strerror}"
    if error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, FileNotFoundError):
        return (
            "a file that FIRSTLINE_DATABASE_URL names is not there: a certificate, or the socket"
            " of Postgres"
        )
    return f"a server cannot be reached ({type(error).__name__}: {error})"
