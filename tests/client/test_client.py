"""The client, with a stand-in that answers when and as a test wants."""

import asyncio
import json
import re
import secrets
from collections.abc import AsyncIterator

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError
from pydantic import ValidationError

from firstline.servers import Servers
from producers.client import Client, ClientStopped, NoReply, new_id
from producers.kafka import Kafka
from schemas.commands import CommandModel, Resolve, StartAdhoc, UpdateNotes
from schemas.fields import UUID_PATTERN
from schemas.replies import Accepted, Rejected
from tests.builders import ACME, TECH
from tests.client.stand_in import PARTITIONS, StandIn, stand_in, with_topics
from tests.outside.wire import partition_of

SOON = 0.4


@pytest.fixture(scope="module")
async def kafka(servers: Servers) -> Kafka:
    return await with_topics(servers.kafka_bootstrap)


@pytest.fixture
async def client(kafka: Kafka) -> AsyncIterator[Client]:
    async with Client(kafka, source="chat") as client:
        yield client


@pytest.fixture
async def worker(kafka: Kafka) -> AsyncIterator[StandIn]:
    async with stand_in(kafka) as worker:
        yield worker


def a_start(**more: str) -> StartAdhoc:
    return StartAdhoc(
        command_id=new_id(),
        session_id=more.get("session_id", new_id()),
        account_id=ACME,
        actor_id=TECH,
        ticket_kind="psa",
        ticket_id=more.get("ticket_id", "10045"),
    )


async def test_a_command_is_appended_where_its_session_belongs_without_what_is_absent(
    client: Client, worker: StandIn
) -> None:
    command = Resolve(
        command_id=new_id(),
        session_id=new_id(),
        account_id=ACME,
        actor_id=TECH,
        helpful=None,
        resolution_notes="Über 🐢",
    )
    await client.send(command, wait=False)
    record = await worker.next()
    assert record.key == command.session_id.encode()
    assert record.partition == partition_of(record.key, PARTITIONS)
    assert json.loads(record.value) == {
        "type": "resolve",
        "command_id": command.command_id,
        "session_id": command.session_id,
        "account_id": ACME,
        "actor_id": TECH,
        "helpful": None,
        "resolution_notes": "Über 🐢",
    }


async def test_without_a_worker_there_is_no_reply_and_the_command_is_named(client: Client) -> None:
    command = a_start()
    with pytest.raises(NoReply, match=command.command_id) as caught:
        await client.send(command, timeout=SOON)
    assert caught.value.command is command
    assert caught.value.command_id == command.command_id


async def test_a_late_reply_answers_the_retry(client: Client, worker: StandIn) -> None:
    command = a_start()
    with pytest.raises(NoReply):
        await client.send(command, timeout=SOON)
    first = await worker.next()
    async with asyncio.TaskGroup() as tasks:
        retry = tasks.create_task(client.send(command))
        again = await worker.next()
        await worker.answer(json.loads(first.value))
    assert again.value == first.value
    assert retry.result().duplicate is False


async def test_a_duplicate_is_answered_with_the_first_answer_again(
    client: Client, worker: StandIn
) -> None:
    command = a_start()
    async with asyncio.TaskGroup() as tasks:
        sent = tasks.create_task(client.send(command))
        await worker.answer(json.loads((await worker.next()).value), duplicate=True)
    assert isinstance(sent.result(), Accepted)
    assert sent.result().duplicate is True


async def test_insisting_sends_the_same_bytes_until_there_is_an_answer(
    client: Client, worker: StandIn
) -> None:
    async with asyncio.TaskGroup() as tasks:
        sent = tasks.create_task(client.insist(a_start(), attempts=3, timeout=SOON))
        records = [await worker.next() for _ in range(3)]
        await worker.answer(json.loads(records[0].value))
    assert len({record.value for record in records}) == 1
    assert sent.result().outcome == "accepted"


async def test_insisting_ends_after_the_last_attempt(client: Client, worker: StandIn) -> None:
    with pytest.raises(NoReply):
        await client.insist(a_start(), attempts=2, timeout=SOON)
    assert (await worker.next()).value == (await worker.next()).value


async def test_each_of_many_senders_gets_its_own_answer(client: Client, worker: StandIn) -> None:
    session_id = new_id()
    commands = [a_start(session_id=session_id) for _ in range(50)]
    commands += [a_start() for _ in range(150)]
    async with asyncio.TaskGroup() as tasks:
        sent = [tasks.create_task(client.send(command)) for command in commands]
        records = [json.loads((await worker.next()).value) for _ in commands]
        for record in reversed(records):
            await worker.answer(record, correlation=record["command_id"][:8])
    for command, one in zip(commands, sent, strict=True):
        assert one.result().command_id == command.command_id
        assert one.result().correlation == command.command_id[:8]


async def test_those_who_send_the_same_command_at_once_are_all_answered(
    client: Client, worker: StandIn
) -> None:
    command = a_start()
    async with asyncio.TaskGroup() as tasks:
        sent = [tasks.create_task(client.send(command)) for _ in range(3)]
        await worker.answer(json.loads((await worker.next()).value))
    assert {one.result().command_id for one in sent} == {command.command_id}


async def test_another_command_under_an_id_that_is_waited_with_is_refused_here(
    client: Client, worker: StandIn
) -> None:
    command = a_start()
    other = command.model_copy(update={"ticket_id": "10046"})
    async with asyncio.TaskGroup() as tasks:
        sent = tasks.create_task(client.send(command))
        record = await worker.next()
        with pytest.raises(ValueError, match=command.command_id):
            await client.send(other)
        await worker.answer(json.loads(record.value))
    assert sent.result().outcome == "accepted"


async def test_a_refusal_is_an_answer(client: Client, worker: StandIn) -> None:
    async with asyncio.TaskGroup() as tasks:
        sent = tasks.create_task(client.send(a_start()))
        command = json.loads((await worker.next()).value)
        refusal = {key: command[key] for key in ("command_id", "session_id", "account_id")} | {
            "outcome": "rejected",
            "duplicate": False,
            "code": "forbidden",
            "message": "No.",
            "recorded_at": "2026-03-01T12:00:00.000000Z",
        }
        await worker.say(command["session_id"], json.dumps(refusal).encode())
    reply = sent.result()
    assert isinstance(reply, Rejected)
    assert reply.code == "forbidden"


async def test_replies_of_others_and_what_is_no_reply_disturb_nobody(
    client: Client, worker: StandIn
) -> None:
    async with asyncio.TaskGroup() as tasks:
        sent = tasks.create_task(client.send(a_start()))
        command = json.loads((await worker.next()).value)
        await worker.answer(command | {"command_id": new_id()}, version=7)
        for value in (b"", b"nonsense", b"[]", b"{}", b'{"command_id":[]}'):
            await worker.say(command["session_id"], value)
        await worker.answer(command | {"session_id": new_id()}, version=7)
        await worker.answer(command)
    reply = sent.result()
    assert isinstance(reply, Accepted)
    assert reply.version == 1


async def test_a_field_of_a_later_version_is_ignored_and_an_unknown_outcome_is_told(
    client: Client, worker: StandIn
) -> None:
    for more, outcome in (({"mood": "good"}, Accepted), ({"outcome": "postponed"}, None)):
        sent = asyncio.create_task(client.send(a_start()))
        await worker.answer(json.loads((await worker.next()).value), **more)
        if outcome is None:
            with pytest.raises(ValidationError, match="postponed"):
                await sent
        else:
            assert isinstance(await sent, outcome)


async def test_a_reply_that_is_not_committed_is_no_answer(client: Client, kafka: Kafka) -> None:
    command = a_start()
    async with stand_in(kafka, transactional_id=secrets.token_hex(4)) as worker:
        sent = asyncio.create_task(client.send(command))
        record = json.loads((await worker.next()).value)
        await worker.producer.begin_transaction()
        await worker.answer(record, version=7)
        await worker.producer.abort_transaction()
        async with worker.producer.transaction():
            await worker.answer(record, version=2)
        reply = await sent
    assert isinstance(reply, Accepted)
    assert reply.version == 2


async def test_leaving_ends_the_waiting_and_later_sending(kafka: Kafka, worker: StandIn) -> None:
    async with Client(kafka, source="chat") as client:
        waiting = asyncio.create_task(client.send(a_start()))
        await worker.next()
    with pytest.raises(ClientStopped):
        await waiting
    with pytest.raises(ClientStopped):
        await client.send(a_start())


async def test_a_wrong_prefix_is_told_at_once(kafka: Kafka) -> None:
    wrong = Kafka(kafka.bootstrap, "nobody.")
    with pytest.raises(UnknownTopicOrPartitionError, match=r"nobody\.commands\.chat"):
        async with Client(wrong, source="chat"):
            pass


async def test_a_command_that_nobody_would_answer_is_not_sent(client: Client) -> None:
    command: CommandModel = UpdateNotes(
        command_id=new_id(),
        session_id=new_id(),
        account_id=ACME,
        actor_id=TECH,
        notes=[{"text": "x" * 524_288}],
    )
    with pytest.raises(ValueError, match="524288 are the most"):
        await client.send(command)


def test_new_ids_are_canonical_uuids_of_version_7_that_sort_by_time() -> None:
    ids = [new_id() for _ in range(1_000)]
    assert all(re.fullmatch(UUID_PATTERN, one) for one in ids)
    assert {(one[14], one[19] in "89ab") for one in ids} == {("7", True)}
    assert [one[:13] for one in ids] == sorted(one[:13] for one in ids)
    assert len(set(ids)) == len(ids)
