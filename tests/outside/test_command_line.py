"""The commands and settings that another program relies on."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from .client import WRITTEN_BY_FIRSTLINE, Client
from .commands import command, encode, new_id, script
from .forking import Ended, run
from .people import ACME, CATALOGUE, CLOSED_TICKET, GLOBEX, TECH
from .program import PARTITIONS, Installation, NotReady
from .wire import COMMAND_TOPICS, Json


def test_what_is_sent_from_a_file_is_answered(
    client: Client, installation: Installation, tmp_path: Path
) -> None:
    sent = script(new_id(), ("start_flow", {}), ("record_step", {}), ("resolve", {}))
    file = tmp_path / "commands.jsonl"
    file.write_bytes(b"\n".join(encode(one) for one in sent) + b"\n")
    installation.run("send", str(file), "--source", "psa")
    replies = client.answers(*sent)
    assert [reply["version"] for reply in replies] == [1, 2, 3]
    told = client.of_session("session-events", sent[0]["session_id"], 3)
    assert {record.json["data"]["source"] for record in told} == {"psa"}


def test_a_topic_can_be_read_as_one_json_a_line(client: Client, installation: Installation) -> None:
    sent = command("start_adhoc")
    [reply] = client.ask(sent)
    lines = [json.loads(line) for line in installation.run("tail", "replies").splitlines()]
    assert len(lines) >= 1
    assert all(isinstance(line, dict) for line in lines)
    text = json.dumps(lines)
    assert text.count(sent["command_id"]) >= 1
    assert reply["recorded_at"] in text


def test_a_running_installation_passes_its_own_check(
    client: Client, installation: Installation
) -> None:
    client.ask(command("start_adhoc"))
    installation.run("check")


def test_what_is_set_up_can_be_set_up_again_and_then_grows(
    client: Client, installation: Installation, tmp_path: Path
) -> None:
    """A ticket keeps the status it has, and a session the flow version it started with."""
    [flow, *_] = CATALOGUE["flows"]
    flow = flow | {"id": new_id()}
    closed = {"id": CLOSED_TICKET, "account_id": ACME, "title": "Mail is back", "status": "open"}
    others = [ticket for ticket in CATALOGUE["tickets"] if ticket["id"] != CLOSED_TICKET]
    more = {"flows": [*CATALOGUE["flows"], flow], "tickets": [*others, closed]}
    installation.set_up(CATALOGUE | more)
    before, refused = client.ask(
        command("start_flow", flow_id=flow["id"]),
        command("start_adhoc", ticket_kind="internal", ticket_id=CLOSED_TICKET),
    )
    assert before["outcome"] == "accepted"
    assert refused["code"] == "ticket_closed"
    load(installation, tmp_path / "more.json", {"flows": [flow | {"version": 2, "title": "New"}]})
    after = command("start_flow", flow_id=flow["id"])
    client.ask(after, command("resolve", before["session_id"]))
    told = client.of_session("session-events", before["session_id"], 2)
    assert [record.json["data"]["flow_version"] for record in told] == [1, 1]
    [started] = client.of_session("session-events", after["session_id"])
    assert started.json["data"]["flow_version"] == 2


def test_the_catalogue_is_loaded_whole_or_not_at_all(
    client: Client, installation: Installation, tmp_path: Path
) -> None:
    """A flow version never changes, nor an account, and what stands beside is not loaded."""
    [flow, *_] = CATALOGUE["flows"]
    user = next(user for user in CATALOGUE["users"] if user["id"] == TECH)
    beside = [flow | {"id": new_id()} for _ in range(2)]
    refused: list[Json] = [
        {"flows": [beside[0], flow | {"title": "Something else"}]},
        {"flows": [beside[1]], "users": [user | {"account_id": GLOBEX}]},
    ]
    with ThreadPoolExecutor() as pool:
        loads = [
            pool.submit(load, installation, tmp_path / f"{number}.json", catalogue)
            for number, catalogue in enumerate(refused)
        ]
    assert [type(done.exception()) for done in loads] == [NotReady, NotReady]
    replies = client.ask(*(command("start_flow", flow_id=one["id"]) for one in beside))
    assert [reply["code"] for reply in replies] == ["unknown_flow", "unknown_flow"]


@pytest.mark.usefixtures("client")
def test_the_topics_are_those_of_the_contract(installation: Installation) -> None:
    admin = AdminClient({"bootstrap.servers": installation.kafka_bootstrap})
    found = {
        name.removeprefix(installation.prefix): len(topic.partitions)
        for name, topic in admin.list_topics(timeout=10).topics.items()
        if name.startswith(installation.prefix)
    }
    ours = (*COMMAND_TOPICS, *WRITTEN_BY_FIRSTLINE, "ticket-events", "relay-progress")
    assert found.keys() == set(ours)
    for topic in COMMAND_TOPICS:
        assert found[topic] == PARTITIONS


def test_one_address_without_the_other_is_refused(installation: Installation) -> None:
    addresses = ("FIRSTLINE_KAFKA_BOOTSTRAP", "FIRSTLINE_DATABASE_URL")

    def start_without(missing: str) -> Ended:
        environment = {k: v for k, v in installation.environment.items() if k != missing}
        return run(("firstline", "worker"), environment, installation.folder, 30)

    with ThreadPoolExecutor() as pool:
        for missing, ended in zip(addresses, pool.map(start_without, addresses), strict=True):
            assert ended.code != 0
            assert missing in ended.err


def load(installation: Installation, file: Path, catalogue: Json) -> str:
    file.write_text(json.dumps(catalogue))
    return installation.run("load", str(file))
