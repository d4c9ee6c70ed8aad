"""A Kafka with an authorizer: rights that are missing, and rights that nobody needs."""

import asyncio
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstline.check.access import GROUPS, NEEDED
from firstline.load import load_file
from firstline.servers import KafkaServer, Servers, find_kafka
from firstline.settings import Settings
from firstline.topics import create_topics
from firstline.traffic import TrafficError, print_topic, send_file
from producers.topics import ALL
from tests.check.installations import Installation
from tests.check.roles import as_role
from tests.check.work import all_is_done, catalogue, commands, tell

_AUTHORIZER = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    """A Kafka that goes by its ACLs; what has none is everybody's. It makes topics unasked."""
    settings = {
        "authorizer.class.name": _AUTHORIZER,
        "allow.everyone.if.no.acl.found": "true",
        "auto.create.topics.enable": "true",
    }
    with tempfile.TemporaryDirectory(prefix="firstline-test-") as folder:
        kafka = KafkaServer(
            Path(folder) / "kafka", distribution=find_kafka(os.environ), settings=settings
        )
        kafka.start()
        try:
            yield kafka.bootstrap
        finally:
            kafka.kill()


@pytest.fixture
async def behind_acls(guarded: str, database_url: str) -> Installation:
    prefix = f"guarded-{secrets.token_hex(4)}."
    made = Installation(Servers(guarded, database_url), Settings(topic_prefix=prefix))
    await create_topics(made.kafka, partitions=1, replication=1, retention_days=14)
    return made


async def test_rights_that_nobody_needs_are_worth_a_warning(behind_acls: Installation) -> None:
    found = await behind_acls.warnings()
    assert "this client may do more than it needs: " in found
    assert "Alter, ClusterAction, AlterConfigs on the cluster" in found
    assert "Delete, Alter, AlterConfigs on topics" in found
    assert f"Write on {behind_acls.topic('commands.chat')}" in found


@pytest.mark.parametrize(
    ("kind", "name", "denied", "said"),
    [
        ("TOPIC", "commands.chat", "READ", "do not let this client read it; allow Read"),
        ("TOPIC", "commands.psa", "DESCRIBE", "do not let this client read it; allow Read"),
        ("TOPIC", "replies", "WRITE", "do not let this client write it; allow Write"),
        ("GROUP", "worker", "READ", "do not let this client join it; allow Read"),
        ("GROUP", "nodes", "READ", "do not let this client join it; allow Read"),
        ("TRANSACTIONAL_ID", "relay-0", "DESCRIBE", "do not let the relay use it; allow Write"),
    ],
    ids=["read", "describe", "write", "group", "group of nodes", "transactions"],
)
async def test_a_right_that_is_missing_is_wrong(
    behind_acls: Installation, kind: str, name: str, denied: str, said: str
) -> None:
    if kind == "TOPIC":
        await behind_acls.operator.allow(kind, behind_acls.topic(name), "ALL")
    await behind_acls.operator.deny(kind, behind_acls.topic(name), denied)
    found = await behind_acls.becomes_wrong(f"{behind_acls.topic(name)}: Kafka's ACLs {said}")
    assert len(found.splitlines()) == 1


async def test_looking_makes_no_topic_even_where_kafka_would(behind_acls: Installation) -> None:
    replies = behind_acls.topic("replies")
    await behind_acls.operator.delete(replies)
    await behind_acls.becomes_wrong(f"{replies}: missing")
    with pytest.raises(TrafficError, match=f"{replies} does not exist"):
        await print_topic(behind_acls.kafka, "replies", follow=False)
    assert await behind_acls.wrong() == f"{replies}: missing; run `firstline topics`"


async def test_settings_that_may_not_be_read_are_worth_a_warning(
    behind_acls: Installation,
) -> None:
    name = behind_acls.topic("commands.chat")
    await behind_acls.operator.deny("TOPIC", name, "DESCRIBE_CONFIGS")
    await behind_acls.operator.allow("TOPIC", name, "READ")
    await behind_acls.becomes_worth_a_warning(f"{name}: their settings may not be read")


async def test_worker_and_relay_do_their_work_with_the_rights_that_are_said_to_be_needed(
    behind_acls: Installation, tmp_path: Path
) -> None:
    await load_file(catalogue(tmp_path), behind_acls.servers.database_url)
    sent = await send_file(behind_acls.kafka, commands(tmp_path), "chat")
    await tell(behind_acls.kafka)
    await _only_what_is_needed(behind_acls)
    async with asyncio.timeout(10):
        while "on topics" in await behind_acls.warnings():
            pass
    async with as_role(behind_acls) as (narrowed, _):
        assert await narrowed.wrong() == ""
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "firstline", "worker"),
            env={**os.environ, **narrowed.environ()},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(40):
                while not await all_is_done(behind_acls.servers.database_url, sent):
                    assert worker.returncode is None
        finally:
            worker.terminate()
            _, told = await worker.communicate()
    assert worker.returncode == 0, told
    assert b"Authorization" not in told


async def _only_what_is_needed(installation: Installation) -> None:
    for name, needed in NEEDED.items():
        rights = [operation.name for operation in needed]
        await installation.operator.allow(
            "TOPIC", installation.topic(name), "DESCRIBE_CONFIGS", *rights
        )
    for group in GROUPS:
        await installation.operator.allow("GROUP", installation.topic(group), "READ")
    await installation.operator.allow("TRANSACTIONAL_ID", installation.topic("relay-0"), "WRITE")
    assert set(NEEDED) == {topic.name for topic in ALL}
