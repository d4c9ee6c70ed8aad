"""Logs: JSON lines on stderr, one an event, never with the text of a payload."""

import logging
import sys

import structlog

_CHATTY = (
    "aiokafka", "faststream", "asyncpg", "sqlalchemy", "alembic", "openai", "httpx2", "httpcore2",
)  # fmt: skip


def configure(level: str) -> None:
    """Send everything to stderr from this level on.

    The clients' loggers stay at warnings: at debug they print the records that pass through.
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
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
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
