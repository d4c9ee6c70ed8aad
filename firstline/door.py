"""Why Kafka does not let us in: the client itself says only that it could not connect."""

import asyncio
import ssl
from contextlib import suppress

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from producers.kafka import Kafka

_SECONDS = 5.0
_MANY = "Kafka cannot be reached; look at FIRSTLINE_KAFKA_BOOTSTRAP"


async def why(kafka: Kafka) -> str:
    """One sentence on why connecting fails, found out by doing it once more."""
    for address in kafka.bootstrap.split(","):
        host, _, port = address.strip().rpartition(":")
        try:
            async with asyncio.timeout(_SECONDS):
                connection = await create_conn(
                    host.strip("[]"),
                    int(port),
                    request_timeout_ms=int(_SECONDS * 1000),
                    **dict(kafka.security) or {"security_protocol": "PLAINTEXT"},
                )
        except (OSError, TimeoutError, KafkaError, ValueError) as error:
            if sentence := _sentence(error):
                return sentence
        else:
            connection.close()
    protocol = kafka.security.get("security_protocol", "PLAINTEXT")
    return f"{_MANY} and FIRSTLINE_KAFKA_SECURITY_PROTOCOL, which is {protocol}"


def why_now(kafka: Kafka) -> str:
    """The same, for who is not in an event loop."""
    with suppress(OSError):
        return asyncio.run(why(kafka))
    return _MANY


def _sentence(error: Exception) -> str | None:
    match error:
        case AuthenticationFailedError() | SaslAuthenticationFailed():
            return (
                "Kafka refuses the login; look at FIRSTLINE_KAFKA_USERNAME, its password and"
                " FIRSTLINE_KAFKA_SASL_MECHANISM"
            )
        case UnsupportedSaslMechanismError():
            return "Kafka does not take this kind of login; look at FIRSTLINE_KAFKA_SASL_MECHANISM"
        case ssl.SSLCertVerificationError(verify_message=message):
            return (
                f"Kafka's certificate is not trusted ({message}); look at FIRSTLINE_KAFKA_CA_FILE"
            )
        case ssl.SSLError():
            return (
                "Kafka does not agree to TLS there; look at FIRSTLINE_KAFKA_SECURITY_PROTOCOL, the"
                " port in FIRSTLINE_KAFKA_BOOTSTRAP and FIRSTLINE_KAFKA_CERT_FILE"
            )
        case _:
            return None
