"""Logs: JSON lines on stderr, one an event, never with the text of a payload."""

import logging
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO, cast

import structlog

_CHATTY = (
    "aiokafka", "faststream", "asyncpg", "sqlalchemy", "alembic", "openai", "httpx2", "httpcore2",
)  # fmt: skip


_SILENCE_SECONDS = 10.0


class Repetitions(logging.Filter):
    """Lets a line through that was not let through within the last ten seconds.

    A worker whose Kafka is away said the same four lines forty times a second.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        now, line = self._clock(), record.getMessage()
        if now - self._said.get(line, float("-inf")) < _SILENCE_SECONDS:
            return False
        recent = {one: at for one, at in self._said.items() if now - at < _SILENCE_SECONDS}
        self._said = recent | {line: now}
        return True


class _Unbroken:
    """A stream whose full disk, or whose reader's end, is nobody's error: a line is lost."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # the second where it is closed
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


def configure(level: str) -> None:
    """Send everything to stderr from this level on.

    The clients' loggers stay at warnings: at debug they print the records that pass through. What
    they repeat is left out.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(stream=sys.stderr, level=max(number, logging.INFO), format="%(message)s")
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Unbroken(sys.stderr))),
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ],
    )
    for handler in logging.getLogger().handlers:
        handler.setFormatter(formatter)
        handler.addFilter(Repetitions())
