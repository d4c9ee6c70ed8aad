"""Settings, from the environment: every variable begins with ``FIRSTLINE_``."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from firstline.servers.addresses import (
    KAFKA_FORM,
    POSTGRES_FORM,
    is_kafka_address,
    is_postgres_address,
)
from integrations.generators import GeneratorSettings
from integrations.provider_settings import ProviderSettings
from producers.kafka import Kafka
from producers.security import Mechanism, Protocol, Security, client_arguments
from storage.retention import Retention

_TOPIC_NAME = r"^[A-Za-z0-9._-]{0,180}$"
# A name, an IPv4 address, or an IPv6 address in brackets.
_HTTP_ADDRESS = r"^(\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]+):[0-9]{1,5}$"


# A hundred years: before that, there is no date to go back to.
_MOST_DAYS = 36_500


class Settings(BaseSettings):
    """What a deployment may choose. Both servers are named, or neither."""

    model_config = SettingsConfigDict(
        env_prefix="FIRSTLINE_", frozen=True, hide_input_in_errors=True
    )

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
        14, ge=1, le=_MOST_DAYS, description="How long Kafka keeps commands and outcomes, in days."
    )
    inbox_days: int = Field(
        16,
        ge=2,
        le=_MOST_DAYS,
        description="How long command ids are remembered, in days; longer than Kafka has them.",
    )
    batch_records: int = Field(
        1_000, ge=1, le=100_000, description="The most records that are applied in a transaction."
    )
    poison_per_minute: int = Field(
        60,
        ge=1,
        description="The most commands that may fail for their own sake within a minute.",
    )
    alive_file: Path | None = Field(
        None,
        description="A file to touch each second: worker, nodes while they poll; a relay, always.",
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
        le=_MOST_DAYS,
        description="How long steps and notes are kept after the end, in days; 0 for good.",
    )
    audit_days: int = Field(
        730,
        ge=0,
        le=_MOST_DAYS,
        description="How long the audit trail is kept, in days; 0 for good.",
    )
    dead_letter_days: int = Field(
        90,
        ge=0,
        le=_MOST_DAYS,
        description="How long dead letters are kept that nothing waits for, in days; 0 for good.",
    )
    walk_steps: int = Field(500, ge=1, le=500, description="The most steps of a walk.")
    ai_nodes: int = Field(12, ge=1, le=500, description="The most nodes of an AI-built walk.")
    ai_url: str | None = Field(
        None,
        pattern=r"^https?://[^/@?#\s]+(/[^@?#\s]*)?$",
        description="An OpenAI-compatible endpoint, https://host/v1. With the model, or not.",
    )
    ai_model: str | None = Field(
        None, min_length=1, description="The model that writes nodes, as the provider calls it."
    )
    ai_api_key: SecretStr | None = Field(None, description="The provider's key; never printed.")
    ai_timeout_seconds: float = Field(
        30, gt=0, le=600, description="How long a node may take, all attempts together."
    )
    ai_retries: int = Field(2, ge=0, le=10, description="How often a failed attempt is repeated.")
    ai_input_price: Decimal = Field(
        Decimal(0), ge=0, le=10_000, description="Dollars for a million tokens that are sent."
    )
    ai_output_price: Decimal = Field(
        Decimal(0), ge=0, le=10_000, description="Dollars for a million tokens that come back."
    )
    ai_concurrency: int = Field(
        8, ge=1, le=1_000, description="How many nodes a process generates at the same time."
    )
    ai_nodes_per_day: int = Field(
        2_000,
        ge=0,
        description="The most calls that are paid for an account a day, unless its policy says.",
    )
    ai_microdollars_per_day: int = Field(
        20_000_000,
        ge=0,
        description="What calls for an account may cost a day, in millionths of a dollar.",
    )

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

    @field_validator("kafka_bootstrap")
    @classmethod
    def _kafka_s_address(cls, bootstrap: str | None) -> str | None:
        return _checked(bootstrap, is_kafka_address, KAFKA_FORM)

    @field_validator("database_url")
    @classmethod
    def _postgres_address(cls, url: str | None) -> str | None:
        return _checked(url, is_postgres_address, POSTGRES_FORM)

    @field_validator(
        "alive_file",
        "kafka_password_file",
        "kafka_ca_file",
        "kafka_cert_file",
        "kafka_key_file",
        mode="before",
    )
    @classmethod
    def _no_file(cls, path: object) -> object:
        """As compose passes on what nobody set: else it would be the working folder."""
        return None if path == "" else path

    @field_validator("ai_api_key")
    @classmethod
    def _key_of_a_provider(cls, key: SecretStr | None) -> SecretStr | None:
        """What a header may hold; files of secrets often end in a newline."""
        text = "" if key is None else key.get_secret_value().strip()
        if not (text.isascii() and text.isprintable()):
            msg = "a key is printable ASCII"
            raise ValueError(msg)
        return SecretStr(text) if text else None

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, level: str) -> str:
        if level.lower() not in {"debug", "info", "warning", "error"}:
            msg = "one of debug, info, warning, error"
            raise ValueError(msg)
        return level.lower()

    @model_validator(mode="after")
    def _a_provider_is_whole(self) -> Self:
        if (self.ai_url is None) != (self.ai_model is None):
            msg = "set FIRSTLINE_AI_URL and FIRSTLINE_AI_MODEL, or neither"
            raise ValueError(msg)
        return self

    def generator(self) -> GeneratorSettings:
        """What writes the nodes of AI-built walks."""
        if self.ai_url is None or self.ai_model is None:
            return GeneratorSettings()
        return GeneratorSettings(
            ProviderSettings(
                self.ai_url,
                self.ai_model,
                self.ai_api_key.get_secret_value() if self.ai_api_key else None,
                self.ai_timeout_seconds,
                self.ai_retries,
                self.ai_input_price,
                self.ai_output_price,
            )
        )

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

    def retention(self) -> Retention:
        """How long this deployment keeps what it does not keep for good."""
        return Retention(
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
