"""Nothing is acknowledged but by the worker itself."""

import ast
from pathlib import Path

from faststream import AckPolicy
from sqlalchemy.ext.asyncio import create_async_engine

from consumers import worker as module
from consumers.isolate import Applier
from consumers.worker import Worker, WorkerSettings
from domain.context import Limits
from producers.kafka import Kafka

ROOT = Path(module.__file__).parent.parent
PRODUCT = ("consumers", "producers", "integrations", "firstline", "storage")


async def test_every_subscriber_of_the_worker_settles_its_batches_itself() -> None:
    """Any other policy loses commands or repeats them for ever; the default acknowledges first."""
    url = "postgresql+asyncpg://nobody@127.0.0.1:1/none"
    worker = Worker(
        Kafka("127.0.0.1:1", "t."),
        url,
        Applier(create_async_engine(url), Limits()),
        WorkerSettings(),
    )
    subscribers = list(worker._broker.subscribers)
    assert subscribers
    for subscriber in subscribers:
        assert subscriber.ack_policy is AckPolicy.MANUAL


def test_no_subscriber_is_made_without_saying_so() -> None:
    made = [
        call
        for folder in PRODUCT
        for file in (ROOT / folder).rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text()))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in {"subscriber", "subscribe"}
    ]
    assert made
    for call in made:
        policies = {word.arg: ast.unparse(word.value) for word in call.keywords}
        assert policies.get("ack_policy") == "AckPolicy.MANUAL", ast.unparse(call)
