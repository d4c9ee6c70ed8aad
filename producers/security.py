"""How a client gets in at Kafka's door: TLS, a password by SCRAM, a certificate of its own."""

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Protocol(StrEnum):
    """What is spoken with a listener of Kafka's, by Kafka's own names."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_SSL = "SASL_SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"


class Mechanism(StrEnum):
    """How a password is proven. Neither sends it, nor what could be used in its place."""

    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


_ENCRYPTED = frozenset({Protocol.SSL, Protocol.SASL_SSL})
_WITH_LOGIN = frozenset({Protocol.SASL_SSL, Protocol.SASL_PLAINTEXT})


class InsecureKafka(Exception):
    """What was chosen for the connection to Kafka contradicts itself, is unsafe, or not there."""


@dataclass(frozen=True, slots=True)
class Security:
    """What a deployment chose. The password is in a file, or here, and in no text of this object.

    Without ``ca_file``, the certificate authorities of the system are trusted.
    """

    protocol: Protocol = Protocol.PLAINTEXT
    mechanism: Mechanism = Mechanism.SCRAM_SHA_512
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    password_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    allow_sasl_plaintext: bool = False


def client_arguments(security: Security) -> dict[str, Any]:
    """The keyword arguments of every client of the library. Raises `InsecureKafka`."""
    _refuse_contradictions(security)
    arguments: dict[str, Any] = {"security_protocol": security.protocol.value}
    if security.protocol in _ENCRYPTED:
        arguments["ssl_context"] = _context(security)
    if security.protocol in _WITH_LOGIN:
        arguments |= {
            "sasl_mechanism": security.mechanism.value,
            "sasl_plain_username": security.username,
            "sasl_plain_password": _password(security),
        }
    return arguments


def _refuse_contradictions(security: Security) -> None:
    """Whoever set a password or a certificate must not be left believing that it is used."""
    protocol, name = security.protocol, "FIRSTLINE_KAFKA_SECURITY_PROTOCOL"
    login = security.username or security.password or security.password_file
    files = security.ca_file or security.cert_file or security.key_file
    if protocol is Protocol.SASL_PLAINTEXT and not security.allow_sasl_plaintext:
        msg = (
            f"{name}=SASL_PLAINTEXT logs in over a connection that anybody on the way can read and"
            " take over: use SASL_SSL, or set FIRSTLINE_KAFKA_ALLOW_SASL_PLAINTEXT=true"
        )
        raise InsecureKafka(msg)
    if login and protocol not in _WITH_LOGIN:
        msg = f"a Kafka login is set, and {name}={protocol} does not use it: use SASL_SSL"
        raise InsecureKafka(msg)
    if files and protocol not in _ENCRYPTED:
        msg = f"certificates for Kafka are set, and {name}={protocol} does not use them: use SSL"
        raise InsecureKafka(msg)
    if security.key_file and not security.cert_file:
        msg = "FIRSTLINE_KAFKA_KEY_FILE is set, and FIRSTLINE_KAFKA_CERT_FILE is not: set both"
        raise InsecureKafka(msg)
    if protocol in _WITH_LOGIN and not security.username:
        msg = f"{name}={protocol} needs FIRSTLINE_KAFKA_USERNAME"
        raise InsecureKafka(msg)
    if protocol in _WITH_LOGIN and bool(security.password) == bool(security.password_file):
        msg = (
            f"{name}={protocol} needs one of FIRSTLINE_KAFKA_PASSWORD and"
            " FIRSTLINE_KAFKA_PASSWORD_FILE"
        )
        raise InsecureKafka(msg)


def _context(security: Security) -> ssl.SSLContext:
    """TLS 1.2 or newer, the broker's certificate and name checked."""
    try:
        context = ssl.create_default_context(cafile=security.ca_file)
    except OSError as error:  # of which SSLError is one
        msg = f"FIRSTLINE_KAFKA_CA_FILE: {security.ca_file} {_fault(error)}"
        raise InsecureKafka(msg) from None
    if security.cert_file is not None:
        try:
            # Asked for a password, it would ask whoever sits at the terminal.
            context.load_cert_chain(security.cert_file, security.key_file, password="")
        except OSError as error:
            msg = (
                "FIRSTLINE_KAFKA_CERT_FILE and FIRSTLINE_KAFKA_KEY_FILE:"
                f" {security.cert_file} {_fault(error)}"
            )
            raise InsecureKafka(msg) from None
    return context


def _fault(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "does not hold what is needed, as PEM and without a passphrase"
    return f"cannot be read ({error.strerror})"


def _password(security: Security) -> str | None:
    if security.password_file is None:
        return security.password
    try:
        return security.password_file.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        msg = (
            f"FIRSTLINE_KAFKA_PASSWORD_FILE: {security.password_file} cannot be read"
            f" ({type(error).__name__})"
        )
        raise InsecureKafka(msg) from None
