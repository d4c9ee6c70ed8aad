"""What goes wrong, by class, and what follows for the batch.

    AGAIN   the moment was bad: a race with another transaction; the same batch again
    WAIT    a server is away or short of something; keep the batch, back off, never skip
    STOP    the deployment is wrong, as with a missing table; stop with a sentence
    OWN     the record's own fault: data that Postgres refuses, an exception in our code

The classes go by SQLSTATE (PostgreSQL manual, appendix A).
"""

from enum import Enum, auto

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

_AGAIN_CODES = ("23505", "23503", "40001", "40P01", "55P03")
_WAIT_CLASSES = ("08", "53", "55", "57", "58")
# A server that only reads was just demoted, or is not promoted yet: whoever follows will write.
# A process that stood still in a transaction finds that its connection was ended for it.
_WAIT_CODES = ("25006", "25P03", "25P04")
# A statement, or where an operator bounds those (PostgreSQL 17), a transaction.
_TOO_LONG = ("57014", "25P04")
_OWN_CLASSES = ("22", "54")
_OWN_CODES = ("23502", "23514")
# Ids that follow from the command's own: no race explains that one is there already.
_OWN_CONSTRAINTS = ("node_requests_pkey",)


OF_THE_DRIVER = (asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What the driver raises by itself: the second for a moment after the server has ended a
connection, and where none of several servers is the primary."""

_CONNECTION_GONE = (OSError, TimeoutError, PoolTimeoutError, *OF_THE_DRIVER)


class Fault(Enum):
    """What an error means for the batch in which it came up."""

    AGAIN = auto()
    WAIT = auto()
    STOP = auto()
    OWN = auto()


def classify(error: BaseException) -> Fault:
    """The class of an error that applying a batch raised."""
    state = sqlstate(error)
    if state is not None:
        return _of_state(state, root(error))
    return Fault.WAIT if isinstance(root(error), _CONNECTION_GONE) else Fault.OWN


def sqlstate(error: BaseException) -> str | None:
    """The five characters with which Postgres names what went wrong, None for anything else."""
    state = getattr(root(error), "sqlstate", None)
    return state if isinstance(state, str) else None


def root(error: BaseException) -> BaseException:
    """The driver's own error: below SQLAlchemy's wrapper, and below its adapter's."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        error = error.orig
    cause = error.__cause__
    return cause if isinstance(cause, (asyncpg.PostgresError, *OF_THE_DRIVER)) else error


def took_too_long(error: BaseException) -> bool:
    """Whether Postgres gave something up for its time: less of it may be quick enough."""
    return sqlstate(error) in _TOO_LONG


def describe(error: BaseException) -> str:
    """The error in a line for logs: never its text, which can quote what a sender wrote."""
    own = root(error)
    named = (getattr(own, name, None) for name in ("sqlstate", "constraint_name", "column_name"))
    return " ".join([type(own).__name__, *(name for name in named if isinstance(name, str))])


def _of_state(state: str, error: BaseException) -> Fault:
    if getattr(error, "constraint_name", None) in _OWN_CONSTRAINTS:
        return Fault.OWN
    if state in _AGAIN_CODES or isinstance(error, asyncpg.InvalidCachedStatementError):
        return Fault.AGAIN
    if state[:2] in _WAIT_CLASSES or state in _WAIT_CODES:
        return Fault.WAIT
    if state[:2] in _OWN_CLASSES or state in _OWN_CODES:
        return Fault.OWN
    return Fault.STOP
