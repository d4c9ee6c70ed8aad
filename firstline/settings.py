"""Settings, from the environment: every variable begins with ``FIRSTLINE_``."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from producers.kafka import Kafka
from producers.security import Mechanism, Protocol, Security, client_arguments

_TOPIC_NAME = r"^[A-Za-z0-9._-]{0,180}$"
_HTTP_ADDRESS = r"^[^:\s]+:[0-9]{1,5}$"


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
    walk_steps: int = Field(500, ge=1, le=500, description="The most steps of a walk.")
    ai_nodes: int = Field(12, ge=1, le=500, description="The most nodes of an AI-built walk.")

    http_address: str | None = Field(
        None,
        pattern=_HTTP_ADDRESS,
        description="Where to serve /livez, /readyz and /metrics, host:port; nowhere by default.",
    )
    kafka_security_protocol: Protocol = Field(
        Protocol.PLAINTEXT, description="PLAINTEXT, SSL, SASL_SSL or SASL_PLAINTEXT."
    )
    kafka_allow_sasl_plaintext: bool = Field(
        False,  # noqa: FBT003 - a default
        description="Log in to Kafka over an unencrypted connection all the same.",
    )
    kafka_sasl_mechanism: Mechanism = Field(
        Mechanism.SCRAM_SHA_512, description="SCRAM-SHA-512 or SCRAM-SHA-256."
    )
    kafka_username: str | None = Field(None, description="Who logs in to Kafka.")
    kafka_password: SecretStr | None = Field(None, description="With which password.")
    kafka_password_file: Path | None = Field(None, description="A file that holds the password.")
    kafka_ca_file: Path | None = Field(
        None, description="Certificate authorities that sign Kafka's certificates, as PEM."
    )
    kafka_cert_file: Path | None = Field(
        None, description="Our own certificate, for a Kafka that asks for one, as PEM."
    )
    kafka_key_file: Path | None = Field(
        None, description="The key of our certificate, where it is in another file."
    )

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, level: str) -> str:
        if level.lower() not in {"debug", "info", "warning", "error"}:
            msg = "one of debug, info, warning, error"
            raise ValueError(msg)
        return level.lower()

    def kafka(self, bootstrap: str) -> Kafka:
        """Kafka at that address, with this deployment's prefix and way in.

        Raises `producers.security.InsecureKafka`.
        """
        return Kafka(bootstrap, self.topic_prefix, client_arguments(self._security()))

    def _security(self) -> Security:
        password = self.kafka_password
        return Security(
            protocol=self.kafka_security_protocol,
            mechanism=self.kafka_sasl_mechanism,
            username=self.kafka_username,
            password=None if password is None else password.get_secret_value(),
            password_file=self.kafka_password_file,
            ca_file=self.kafka_ca_file,
            cert_file=self.kafka_cert_file,
            key_file=self.kafka_key_file,
            allow_sasl_plaintext=self.kafka_allow_sasl_plaintext,
        )
