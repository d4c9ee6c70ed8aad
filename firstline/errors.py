"""Every failure that a person can act on, as the sentence that tells them how.

NoServers                 install what is missing, or name the servers
CatalogueError            mend the file
NothingToShow             look at the id
AccountError              look at who asks, and for what
NotReady                  mend what would break the promise
DeploymentWrong           migrate the database
PositionBeyondEnd         the topic is not the one that was read before
ProgressLost              the relay cannot tell what went out
SlotLost                  start again
BackgroundError           look at the log it names
TooMuchPoison             mend the program or its deployment, then settle the dead letters
LetterStays               do with the dead letter what the message says
Defect                    report it
"""

import asyncpg
from aiokafka.errors import KafkaConnectionError, KafkaError
from sqlalchemy.exc import ArgumentError

from consumers.dead_letter_rules import LetterStays
from consumers.isolate import Defect, DeploymentWrong, TooMuchPoison
from consumers.reading import PositionBeyondEnd
from firstline.accounts import AccountError
from firstline.background import BackgroundError
from firstline.check import NotReady
from firstline.load import CatalogueError
from firstline.looking.ask import NothingToShow
from firstline.migrate import UnknownRevision
from firstline.servers import NoServers
from firstline.traffic import TrafficError
from producers.progress import ProgressUnreadable
from producers.relay import ProgressLost
from storage.faults import describe, sqlstate
from storage.slots import SlotLost

_SAY_IT_THEMSELVES = (
    AccountError,
    BackgroundError,
    NoServers,
    CatalogueError,
    Defect,
    LetterStays,
    NotReady,
    NothingToShow,
    PositionBeyondEnd,
    ProgressLost,
    ProgressUnreadable,
    SlotLost,
    TooMuchPoison,
    TrafficError,
    UnknownRevision,
)

# Invalid authorization, invalid catalog name: the wrong role, password or database.
_NOT_LET_IN = ("28", "3D")


def explain(error: BaseException) -> str | None:
    """One sentence for whoever runs the program; None for what only a developer can mend."""
    if isinstance(error, _SAY_IT_THEMSELVES):
        return str(error)
    if isinstance(error, DeploymentWrong):
        return _of_postgres(error.__cause__ or error)
    if isinstance(error, (ArgumentError, asyncpg.ClientConfigurationError)):
        return (
            "FIRSTLINE_DATABASE_URL is no address of Postgres, as"
            " postgresql://user:password@host:port/name is"
        )
    if sqlstate(error) is not None or isinstance(error, asyncpg.InterfaceError):
        return _of_postgres(error)
    if isinstance(error, KafkaConnectionError):
        return "Kafka cannot be reached; look at FIRSTLINE_KAFKA_BOOTSTRAP"
    if isinstance(error, KafkaError):
        return (
            f"Kafka answers {type(error).__name__}; look at FIRSTLINE_KAFKA_BOOTSTRAP and run"
            " `firstline topics`"
        )
    if isinstance(error, (OSError, TimeoutError)):
        return f"a server cannot be reached ({type(error).__name__}: {error})"
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
