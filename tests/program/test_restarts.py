"""Servers that go away and come back: the worker goes on by itself, and nothing is lost."""

import os
from collections.abc import Iterator

import pytest

from firstline.servers import KafkaServer, Postgres, find_kafka, find_postgres
from firstline.servers.ladder import fresh_folder
from tests.outside.checker import check
from tests.outside.client import Client
from tests.outside.commands import new_id, script
from tests.outside.look import look, wait_for_rest
from tests.outside.people import CATALOGUE
from tests.outside.program import Installation, installed
from tests.outside.wire import Json
from tests.program.running import Program, running

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def own_servers() -> Iterator[tuple[KafkaServer, Postgres]]:
    """A Kafka and a Postgres that may be stopped."""
    with fresh_folder() as folder:
        kafka = KafkaServer(folder / "kafka", distribution=find_kafka(os.environ))
        postgres = Postgres(folder / "postgres", binaries=find_postgres(os.environ))
        try:
            kafka.launch()
            postgres.start()
            kafka.wait_until_it_answers()
            yield kafka, postgres
        finally:
            kafka.kill()
            postgres.kill()


@pytest.fixture(scope="module")
def own_installation(
    own_servers: tuple[KafkaServer, Postgres], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    kafka, postgres = own_servers
    folder = tmp_path_factory.mktemp("restarts")
    with installed(kafka.bootstrap, postgres.database_url, folder, CATALOGUE) as made:
        yield made


def test_a_worker_goes_on_by_itself_when_servers_come_back(
    own_servers: tuple[KafkaServer, Postgres], own_installation: Installation
) -> None:
    kafka, postgres = own_servers
    client = Client(own_installation.kafka_bootstrap, own_installation.prefix)
    with running(own_installation.environment, "worker", folder=own_installation.folder) as worker:
        worker.wait_for("ready")
        all_is_answered(client, worker)

        sent = [one for _ in range(50) for one in a_session()]
        postgres.kill()
        send(client, sent)
        worker.must_run()
        postgres.start()
        assert_accepted(client, sent)

        kafka.kill()
        kafka.start()
        all_is_answered(client, worker)

        wait_for_rest(own_installation)
        assert check(look(own_installation)) == []
        assert worker.lines == ["ready"]

        postgres.kill()
        send(client, a_session())
        kafka.kill()
        assert worker.stop() == 0, "told to stop while both are away"
    client.close()
    postgres.start()  # whoever set up the installation takes it down


def a_session() -> list[Json]:
    return script(new_id(), ("start_flow", {}), ("record_step", {}), ("resolve", {}))


def send(client: Client, sent: list[Json]) -> None:
    for one in sent:
        client.send(one)
    client.flush()


def all_is_answered(client: Client, worker: Program) -> None:
    """Twenty sessions, on every partition."""
    sent = [one for _ in range(20) for one in a_session()]
    send(client, sent)
    assert_accepted(client, sent)
    worker.must_run()


def assert_accepted(client: Client, sent: list[Json]) -> None:
    assert [reply["outcome"] for reply in client.answers(*sent)] == ["accepted"] * len(sent)
