"""The commands and settings that another program relies on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from .client import WRITTEN_BY_FIRSTLINE, Client
from .commands import command, encode, new_id, script
from .people import ACME, CATALOGUE, CLOSED_TICKET, FLOW, GLOBEX, TECH
from .program import PARTITIONS, Installation, NotReady
from .wire import COMMAND_TOPICS, Json


def load(installation: Installation, file: Path, catalogue: Json) -> str:
    """Load a catalogue and return what was said."""
    file.write_text(json.dumps(catalogue))
    return installation.run("load", str(file))


def is_there(client: Client, flow_id: str) -> bool:
    """Say whether a flow can be walked."""
    [reply] = client.ask(command("start_flow", flow_id=flow_id))
    return bool(reply["outcome"] == "accepted")


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


def test_what_is_already_set_up_can_be_set_up_again(
    client: Client, installation: Installation
) -> None:
    installation.set_up(CATALOGUE)
    [reply] = client.ask(command("start_adhoc"))
    assert reply["outcome"] == "accepted"


def test_a_running_installation_passes_its_own_check(
    client: Client, installation: Installation
) -> None:
    client.ask(command("start_adhoc"))
    installation.run("check")


def test_the_catalogue_is_loaded_whole_or_not_at_all(
    client: Client, installation: Installation, tmp_path: Path
) -> None:
    """A flow version never changes, and what stands beside the change is not loaded either."""
    [flow, *_] = CATALOGUE["flows"]
    new = flow | {"id": new_id()}
    changed = flow | {"title": "Something else"}
    with pytest.raises(NotReady):
        load(installation, tmp_path / "a.json", {"flows": [new, changed]})
    assert not is_there(client, new["id"])
    load(installation, tmp_path / "b.json", {"flows": [flow, new]})
    assert is_there(client, new["id"])


def test_what_is_loaded_never_changes_its_account(
    installation: Installation, tmp_path: Path
) -> None:
    user = next(user for user in CATALOGUE["users"] if user["id"] == TECH)
    with pytest.raises(NotReady):
        load(installation, tmp_path / "a.json", {"users": [user | {"account_id": GLOBEX}]})


def test_a_ticket_that_is_loaded_again_keeps_its_status(
    client: Client, installation: Installation, tmp_path: Path
) -> None:
    ticket = {"id": CLOSED_TICKET, "account_id": ACME, "title": "Mail is back", "status": "open"}
    load(installation, tmp_path / "a.json", {"tickets": [ticket]})
    [reply] = client.ask(command("start_adhoc", ticket_kind="internal", ticket_id=CLOSED_TICKET))
    assert reply["code"] == "ticket_closed"


def test_a_session_stays_on_the_flow_version_it_started_with(
    client: Client, installation: Installation, tmp_path: Path
) -> None:
    [flow, *_] = CATALOGUE["flows"]
    flow = flow | {"id": new_id()}
    load(installation, tmp_path / "a.json", {"flows": [flow]})
    before, after = (
        command("start_flow", flow_id=flow["id"]),
        command("start_flow", flow_id=flow["id"]),
    )
    client.ask(before)
    load(installation, tmp_path / "b.json", {"flows": [flow | {"version": 2, "title": "New"}]})
    client.ask(after, command("resolve", before["session_id"]))
    told = client.of_session("session-events", before["session_id"], 2)
    assert [record.json["data"]["flow_version"] for record in told] == [1, 1]
    [started] = client.of_session("session-events", after["session_id"])
    assert started.json["data"]["flow_version"] == 2
    assert is_there(client, FLOW)


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


@pytest.mark.parametrize("missing", ["FIRSTLINE_KAFKA_BOOTSTRAP", "FIRSTLINE_DATABASE_URL"])
def test_one_address_without_the_other_is_refused(installation: Installation, missing: str) -> None:
    environment = {k: v for k, v in installation.environment.items() if k != missing}
    done = subprocess.run(
        [sys.executable, "-m", "firstline", "worker"],
        env=environment,
        cwd=installation.folder,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode != 0
    assert missing in done.stderr.decode()
