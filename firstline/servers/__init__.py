"""Kafka and Postgres, started where nobody else runs them."""

from firstline.servers.addresses import NoServers, Servers, given
from firstline.servers.kafka import KafkaServer
from firstline.servers.kafka_distribution import KafkaDistribution, find_kafka
from firstline.servers.ladder import ephemeral
from firstline.servers.persistent import shared, state_folder
from firstline.servers.postgres import Postgres
from firstline.servers.postgres_binaries import PostgresBinaries, find_postgres, packaged_postgres

__all__ = [
    "KafkaDistribution",
    "KafkaServer",
    "NoServers",
    "Postgres",
    "PostgresBinaries",
    "Servers",
    "ephemeral",
    "find_kafka",
    "find_postgres",
    "given",
    "packaged_postgres",
    "shared",
    "state_folder",
]
