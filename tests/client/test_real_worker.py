"""The client against a real worker, and against a broker that goes away."""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from firstline import servers as own
from firstline.servers import find_kafka
from producers.client import Client, NoReply, new_id
from producers.kafka import Kafka
from schemas.commands import RecordStep, StartAdhoc, StartFlow
from schemas.replies import Accepted, Rejected
from tests.client.stand_in import stand_in, with_topics
from tests.outside.people import ACME, FLOW, TECH
from tests.outside.program import Installation, NewInstallation


@pytest.fixture(scope="module")
def installation(new_installation: NewInstallation) -> Iterator[Installation]:
    with new_installation() as made:
        yield made


async def test_what_was_sent_while_there_was_no_worker_takes_effect_once(
    installation: Installation,
) -> None:
    kafka = Kafka(installation.kafka_bootstrap, installation.prefix)
    async with Client(kafka, source="chat") as client:
        session_id = new_id()
        start = StartFlow(
            command_id=new_id(),
            session_id=session_id,
            ticket_kind="psa",
            ticket_id="10045",
            flow_id=FLOW,
            correlation="chat-7",
            account_id=ACME,
            actor_id=TECH,
        )
        with pytest.raises(NoReply):
            await client.send(start, timeout=0.5)
        await asyncio.to_thread(installation.start)
        reply = await client.insist(start)
        assert isinstance(reply, Accepted)
        assert (reply.version, reply.session.kind, reply.correlation) == (1, "flow", "chat-7")

        repeated = await client.send(start)
        assert repeated == reply.model_copy(update={"duplicate": True})

        step = RecordStep(
            command_id=new_id(),
            session_id=session_id,
            node_id="n1",
            option_id="y",
            answer="Yes",
            expected_version=7,
            account_id=ACME,
            actor_id=TECH,
        )
        refused = await client.send(step)
        assert isinstance(refused, Rejected)
        assert (refused.code, refused.version) == ("stale_version", 1)

        starts = [a_start() for _ in range(200)]
        replies = await asyncio.gather(*(client.send(one) for one in starts))
        assert [one.command_id for one in replies] == [one.command_id for one in starts]
        assert {one.outcome for one in replies} == {"accepted"}
    installation.must_run()


async def test_a_client_waits_for_a_broker_that_comes_back_and_leaves_one_that_does_not() -> None:
    with tempfile.TemporaryDirectory(prefix="firstline-test-") as folder:
        broker = own.KafkaServer(
            Path(folder) / "kafka",
            distribution=find_kafka(os.environ),
            settings={"broker.session.timeout.ms": "1000", "broker.heartbeat.interval.ms": "200"},
        )
        try:
            await asyncio.to_thread(broker.start)
            kafka = await with_topics(broker.bootstrap)
            async with Client(kafka, source="chat") as client:
                async with stand_in(kafka) as worker:
                    before = asyncio.create_task(client.send(a_start()))
                    await worker.answer(json.loads((await worker.next()).value))
                    await before

                    broker.kill()
                    meanwhile = asyncio.create_task(client.insist(a_start(), attempts=6))
                    await asyncio.to_thread(broker.start)
                    await worker.answer(json.loads((await worker.next()).value))
                    assert (await meanwhile).outcome == "accepted"

                broker.kill()
                with pytest.raises(NoReply):
                    await client.send(a_start(), timeout=0.5)
                left = time.monotonic()
            assert time.monotonic() - left < 10
        finally:
            broker.kill()


def a_start() -> StartAdhoc:
    return StartAdhoc(
        command_id=new_id(),
        session_id=new_id(),
        ticket_kind="psa",
        ticket_id=new_id(),
        account_id=ACME,
        actor_id=TECH,
    )
