"""Every failure that a person can act on, as the sentence that tells them how.

NoServers                 install what is missing, or name the servers
CatalogueError            mend the file
NothingToShow             look at the id
NotReady                  mend what would break the promise
CannotListen              choose another address
TracingMissing            install what sends spans
InsecureKafka             mend how Kafka is connected to
DeploymentWrong           migrate the database
PositionBeyondEnd         the topic is not the one that was read before
ProgressLost              the relay cannot tell what went out
SlotLost                  start again
BackgroundError           look at the log it names
Defect                    report it
"""

import asyncpg
from aiokafka.errors import KafkaConnectionError, KafkaError
from sqlalchemy.exc import ArgumentError

from consumers.isolate import Defect, DeploymentWrong
from consumers.reading import PositionBeyondEnd
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
from producers.progress import ProgressUnreadable
from producers.relay import ProgressLost
from producers.security import InsecureKafka
from storage.faults import describe, sqlstate
from storage.slots import SlotLost

_SAY_IT_THEMSELVES = (
    BackgroundError,
    CannotListen,
    NoServers,
    CatalogueError,
    Defect,
    InsecureKafka,
    NotReady,
    NothingToShow,
    PositionBeyondEnd,
    ProgressLost,
    ProgressUnreadable,
    SlotLost,
    TracingMissing,
    TrafficError,
    UnknownRevision,
)

_OF_TLS = ("`sslmode`", "root certificate file")


def explain(error: BaseException) -> str | None:
    """One sentence for whoever runs the program; None for what only a developer can mend."""
    if isinstance(error, _SAY_IT_THEMSELVES):
        return str(error)
    if isinstance(error, DeploymentWrong):
        return f"the database is not as this version needs it ({error}); run `firstline migrate`"
    if isinstance(error, (ArgumentError, asyncpg.ClientConfigurationError)):
        return _no_address(error)
    state = sqlstate(error)
    if state is not None and state.startswith("42"):
        return (
            f"the database is not as this version needs it ({describe(error)});"
            " run `firstline migrate`"
        )
    if state is not None or isinstance(error, asyncpg.InterfaceError):
        return f"Postgres answers {describe(error)}"
    if isinstance(error, KafkaError):
        return _of_kafka(error)
    if isinstance(error, (OSError, TimeoutError)):
        return _away(error)
    return None


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
    if isinstance(error, FileNotFoundError):
        return (
            "a file that FIRSTLINE_DATABASE_URL names is not there: a certificate, or the socket"
            " of Postgres"
        )
    return f"a server cannot be reached ({type(error).__name__}: {error})"
