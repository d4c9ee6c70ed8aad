"""A Kafka and a Postgres that let in only who proves who they are, over TLS."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import chown, copy

import psycopg
import trustme
from confluent_kafka.admin import (
    AdminClient,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialUpsertion,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from psycopg import sql
from sqlalchemy import make_url

from firstline.servers import KafkaServer, Postgres, find_kafka, find_postgres
from firstline.servers.ladder import fresh_folder
from firstline.servers.process import free_port

PASSWORD = "canary7Q2x-of-kafka"
USERS = ("worker", "chat", "psa", "webhooks", "analyst", "nobody")
ROOT = Path(__file__).parents[2]
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True)
class Fortress:
    """Where its doors are, and the keys to them. ``inside`` is for who administers Kafka."""

    folder: Path
    kafka: KafkaServer
    postgres: Postgres
    login: str
    open_login: str
    certificates: str

    @property
    def inside(self) -> str:
        return self.kafka.bootstrap

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def by_login(self, user: str, **changes: str) -> dict[str, str]:
        """The environment of who logs in by a password."""
        return {
            "FIRSTLINE_KAFKA_BOOTSTRAP": self.login,
            "FIRSTLINE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "FIRSTLINE_KAFKA_USERNAME": user,
            "FIRSTLINE_KAFKA_PASSWORD": PASSWORD,
            "FIRSTLINE_KAFKA_CA_FILE": str(self.ca),
            **changes,
        }

    def by_certificate(self) -> dict[str, str]:
        """The environment of who shows the worker's certificate."""
        return {
            "FIRSTLINE_KAFKA_BOOTSTRAP": self.certificates,
            "FIRSTLINE_KAFKA_SECURITY_PROTOCOL": "SSL",
            "FIRSTLINE_KAFKA_CA_FILE": str(self.ca),
            "FIRSTLINE_KAFKA_CERT_FILE": str(self.folder / "worker.pem"),
        }

    def verified(self, database_url: str) -> str:
        """The same database, its certificate verified; as it is, without TLS in this Postgres."""
        if not speaks_tls():
            return database_url
        tls = {"sslmode": "verify-full", "sslrootcert": str(self.ca)}
        return make_url(database_url).set(query=tls).render_as_string(hide_password=False)

    def allow(self, prefix: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Run the script that we ship, with Kafka's own tool."""
        return subprocess.Popen(
            [ROOT / "ops/kafka-acls.sh", *arguments],
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(ROOT),
                "FIRSTLINE_KAFKA_BOOTSTRAP": self.inside,
                "FIRSTLINE_TOPIC_PREFIX": prefix,
                "KAFKA_ACLS": str(self.folder / "kafka-acls"),
            },
            stdout=subprocess.DEVNULL,
        )


def speaks_tls() -> bool:
    """Whether this machine's Postgres was built with TLS; the one that pip brings is not."""
    config = find_postgres({}).folder / "pg_config"
    told = subprocess.run([config, "--configure"], capture_output=True, text=True, check=False)
    return "ssl" in told.stdout


@contextmanager
def fortress(environ: Mapping[str, str]) -> Iterator[Fortress]:
    with fresh_folder() as folder:
        _write_certificates(folder)
        distribution = find_kafka(environ)
        ports = dict.fromkeys(("BROKER", "LOGIN", "OPEN", "CERTS", "CONTROLLER"), 0)
        ports |= {name: free_port() for name in ports}
        kafka = KafkaServer(
            folder / "kafka",
            distribution=distribution,
            port=ports["BROKER"],
            controller_port=ports["CONTROLLER"],
            settings=_kafka_settings(folder, ports),
        )
        postgres = Postgres(
            folder / "postgres", binaries=find_postgres(environ), settings={"fsync": "off"}
        )
        _own_key(folder, postgres)
        tool = folder / "kafka-acls"
        tool.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.security.kafka_acls "$@"\n')
        tool.chmod(0o755)
        try:
            kafka.launch()
            postgres.start()
            if speaks_tls():
                _turn_tls_on(postgres, folder)
            kafka.wait_until_it_answers()
            _add_users(kafka.bootstrap)
            at = "127.0.0.1:{}".format
            yield Fortress(
                folder, kafka, postgres, at(ports["LOGIN"]), at(ports["OPEN"]), at(ports["CERTS"])
            )
        finally:
            kafka.kill()
            postgres.kill()


def _write_certificates(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "another-ca.pem")
    for name, issued in (
        ("server", authority.issue_cert("127.0.0.1")),
        ("worker", authority.issue_cert("worker@firstline.example", common_name="worker")),
    ):
        key = load_pem_private_key(issued.private_key_pem.bytes(), None)
        form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}.key").write_bytes(key.private_bytes(*form))
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        (folder / f"{name}.pem").write_bytes((folder / f"{name}.key").read_bytes() + chain)
        (folder / f"{name}.crt").write_bytes(chain)


def _kafka_settings(folder: Path, ports: Mapping[str, int]) -> dict[str, str]:
    protocols = {
        "BROKER": "PLAINTEXT",
        "CONTROLLER": "PLAINTEXT",
        "LOGIN": "SASL_SSL",
        "OPEN": "SASL_PLAINTEXT",
        "CERTS": "SSL",
    }
    listeners = {name: f"{name}://127.0.0.1:{port}" for name, port in ports.items()}
    scram = {
        f"listener.name.{door}.{mechanism}.sasl.jaas.config": _SCRAM
        for door in ("login", "open")
        for mechanism in ("scram-sha-256", "scram-sha-512")
    }
    return scram | {
        "listeners": ",".join(listeners.values()),
        "advertised.listeners": ",".join(
            address for name, address in listeners.items() if name != "CONTROLLER"
        ),
        "listener.security.protocol.map": ",".join(f"{a}:{b}" for a, b in protocols.items()),
        "sasl.enabled.mechanisms": "SCRAM-SHA-256,SCRAM-SHA-512",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "server.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.certs.ssl.client.auth": "required",
        "listener.name.certs.ssl.principal.mapping.rules": "RULE:^CN=([^,]*),.*$/$1/",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }


def _turn_tls_on(postgres: Postgres, folder: Path) -> None:
    """Offer TLS from now on."""
    with psycopg.connect(postgres.database_url, autocommit=True) as connection:
        for name, value in (
            ("ssl_cert_file", folder / "server.crt"),
            ("ssl_key_file", folder / "postgres.key"),
            ("ssl", "on"),
        ):
            setting = sql.SQL("alter system set {} = {}")
            connection.execute(setting.format(sql.Identifier(name), sql.Literal(str(value))))
        connection.execute("select pg_reload_conf()")


def _own_key(folder: Path, postgres: Postgres) -> None:
    """Postgres reads a key that is its own alone."""
    key = Path(copy(folder / "server.key", folder / "postgres.key"))
    key.chmod(0o600)
    if postgres._owner is not None:
        chown(key, postgres._owner)


def _add_users(bootstrap: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for mechanism in (ScramMechanism.SCRAM_SHA_512, ScramMechanism.SCRAM_SHA_256):
        info = ScramCredentialInfo(mechanism, 4096)
        wanted: list[UserScramCredentialAlteration] = [
            UserScramCredentialUpsertion(user, info, PASSWORD.encode()) for user in USERS
        ]
        for done in admin.alter_user_scram_credentials(wanted).values():
            done.result()
