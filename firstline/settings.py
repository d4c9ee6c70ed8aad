"""Settings, from the environment: every variable begins with ``FIRSTLINE_``."""

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from producers.kafka import Kafka

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
        None,
        description="A file that a worker touches each second while it polls; a relay, always.",
    )
    log_level: str = Field("info", description="debug, info, warning or error.")
    sweep_seconds: float = Field(
        30,
        ge=0,
        description="How often to look for idle sessions and silent escalations; 0 for never.",
    )
    walk_steps: int = Field(500, ge=1, le=500, description="The most steps of a walk.")
    ai_nodes: int = Field(12, ge=1, le=500, description="The most nodes of an AI-built walk.")

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
