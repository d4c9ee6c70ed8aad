"""AI-built walks with the program's own generator, in the worker's process and beside it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from tests.outside.checker import check
from tests.outside.client import Client
from tests.outside.commands import command, new_id
from tests.outside.look import look, wait_for_rest
from tests.outside.program import Installation, NewInstallation
from tests.outside.wire import Json, Record
from tests.program.running import Program, running

pytestmark = pytest.mark.timeout(120)

ALONE, APART = [["worker"]], [["worker", "--no-nodes"], ["nodes"]]


@pytest.fixture
def installation(new_installation: NewInstallation) -> Iterator[Installation]:
    """Of its own for each: Kafka waits for a member that has gone, until its session ends."""
    with new_installation() as made:
        yield made


@pytest.fixture
def client(installation: Installation) -> Iterator[Client]:
    client = Client(installation.kafka_bootstrap, installation.prefix)
    yield client
    client.close()


@contextmanager
def programs(installation: Installation, *all_arguments: list[str]) -> Iterator[list[Program]]:
    """So many programs, each of them ready."""
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                running(installation.environment, *arguments, folder=installation.folder)
            )
            for arguments in all_arguments
        ]
        for program in started:
            program.wait_for("ready")
        yield started


def served(client: Client, session: str, correlation: str) -> Json:
    """The node that reaches who asked under this correlation."""

    def wanted(record: Record) -> bool:
        reply = record.json
        mine = (reply["session_id"], reply.get("correlation")) == (session, correlation)
        return mine and "node" in reply

    return dict(client.wait_for("replies", wanted)[0].json["node"])


@pytest.mark.parametrize("processes", [ALONE, APART], ids=["in the worker", "beside it"])
def test_a_walk_is_served_nodes_from_the_account_s_articles(
    installation: Installation, client: Client, processes: list[list[str]]
) -> None:
    session = new_id()
    with programs(installation, *processes) as started:
        problem = {"problem_text": "A rule moves mail away.", "category": "email"}
        client.ask(command("start_ai_build", session, correlation="first", **problem))
        node = served(client, session, "first")
        option = {"option_id": node["options"][0]["id"]} if "options" in node else {}
        step = {"node_id": node["id"], "answer": "Done", "option_id": None} | option
        [reply] = client.ask(command("record_step", session, correlation="second", **step))
        assert reply["outcome"] == "accepted"
        assert served(client, session, "second")["id"] != node["id"]
        wait_for_rest(installation)
        assert [program.stop() for program in started] == [0] * len(started)
        assert [program.lines for program in started] == [["ready"]] * len(started)
    assert check(look(installation)) == []
    with psycopg.connect(installation.database_url) as connection:
        statement = """
            select count(*) from node_usage join node_requests using (request_id)
            where session_id = %s
        """
        assert connection.execute(statement, [session]).fetchone() == (2,)
