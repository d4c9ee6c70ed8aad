"""Settings, from the environment: every variable begins with ``FIRSTLINE_``."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from firstline.servers.addresses import (
    KAFKA_FORM,
    POSTGRES_FORM,
    is_kafka_address,
    is_postgres_address,
)
from producers.kafka import Kafka
from storage.retention import Kept

_TOPIC_NAME = r"^[A-Za-z0-9._-]{0,180}$"


class Settings(BaseSettings):
    """What a deployment may choose. Both servers are named, or neither."""

    model_config = SettingsConfigDict(env_prefix="FIRSTLINE_", frozen=True)

    kafka_bootstrap: str | None = Field(
        None,
        description="Kafka's address, host:port[,host:port…]. With the database, or not at all.",
    )
    database_url: str | None = Field(
        None, description="Postgres, as postgresql://user:password@host:port/name."
    )
    topic_prefix: str = Field(
        "firstline.",
        pattern=_TOPIC_NAME,
        description="What topic names, the consumer group and locks begin with; its dot included.",
    )
    partitions: int = Field(
        12, ge=1, le=1000, description="Partitions of each topic that is created."
    )
    replication: int = Field(
        1, ge=1, le=9, description="Replicas of each topic that is created; 3 in production."
    )
    retention_days: int = Field(
        14, ge=1, description="How long Kafka keeps commands and outcomes, in days."
    )
    inbox_days: int = Field(
        16,
        ge=2,
        description="How long command ids are remembered, in days; longer than Kafka has them.",
    )
    batch_records: int = Field(
        1_000, ge=1, le=100_000, description="The most records that are applied in a transaction."
    )
    alive_file: Path | None = Field(
        None, description="A file that the worker touches each second while it polls Kafka."
    )
    log_level: str = Field("info", description="debug, info, warning or error.")
    sweep_seconds: float = Field(
        30,
        ge=0,
        description="How often to look for idle sessions and silent escalations; 0 for never.",
    )
    prune_seconds: float = Field(
        60, ge=0, description="How often to look for what was kept for long enough; 0 for never."
    )
    walk_days: int = Field(
        365,
        ge=0,
        description="How long steps and notes are kept after the end, in days; 0 for good.",
    )
    audit_days: int = Field(
        730, ge=0, description="How long the audit trail is kept, in days; 0 for good."
    )
    dead_letter_days: int = Field(
        90,
        ge=0,
        description="How long dead letters are kept that nothing waits for, in days; 0 for good.",
    )
    walk_steps: int = Field(500, ge=1, le=500, description="The most steps of a walk.")
    ai_nodes: int = Field(12, ge=1, le=500, description="The most nodes of an AI-built walk.")

    @field_validator("kafka_bootstrap")
    @classmethod
    def _kafka_s_address(cls, bootstrap: str | None) -> str | None:
        return _checked(bootstrap, is_kafka_address, KAFKA_FORM)

    @field_validator("database_url")
    @classmethod
    def _postgres_address(cls, url: str | None) -> str | None:
        return _checked(url, is_postgres_address, POSTGRES_FORM)

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, level: str) -> str:
        if level.lower() not in {"debug", "info", "warning", "error"}:
            msg = "one of debug, info, warning, error"
            raise ValueError(msg)
        return level.lower()

    def kafka(self, bootstrap: str) -> Kafka:
        """Kafka at that address, with this deployment's prefix."""
        return Kafka(bootstrap, self.topic_prefix)

    def kept(self) -> Kept:
        """How long this deployment keeps what it does not keep for good."""
        return Kept(
            commands=timedelta(days=self.inbox_days),
            walks=_days(self.walk_days),
            audit=_days(self.audit_days),
            dead_letters=_days(self.dead_letter_days),
        )


def _days(days: int) -> timedelta | None:
    return timedelta(days=days) if days else None


def _checked(address: str | None, is_one: Callable[[str], bool], form: str) -> str | None:
    """The address, None where it is empty. Its ValueError does not repeat it: it has a password."""
    if address is None or not address.strip():
        return None
    if not is_one(address.strip()):
        msg = f"an address is written {form}"
        raise ValueError(msg)
    return address.strip()
