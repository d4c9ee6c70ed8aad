"""Putting commands into Kafka from a file, and reading a topic back, for people and scripts."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

from aiokafka import AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.highlighter import JSONHighlighter

from consumers.raw_consumer import RawConsumer
from firstline.looking.records import ANY, RecordFilter, as_line, shown
from producers import topics
from producers.kafka import Kafka

_REQUEST_MS = 20_000
# As much as the client sends at once; commands of more than half of it are dead letters anyway.
_LINE_LIMIT = 1_000_000


class TrafficError(Exception):
    """What is asked for cannot be sent or read; the message says why."""


async def send_file(kafka: Kafka, file: Path, source: str) -> int:
    """Append each line of the file as a command keyed by its session; return how many.

    Lines go as they are; a line that is no JSON object with a ``session_id`` stops before
    anything is sent. Raises `TrafficError`.
    """
    keyed = _read_commands(file)
    topic = kafka.topic(f"commands.{source}")
    await _partitions(kafka, topic)
    producer = AIOKafkaProducer(
        **kafka.connection(), enable_idempotence=True, acks="all", request_timeout_ms=_REQUEST_MS
    )
    try:
        await producer.start()
        appended = [await producer.send(topic, value=line, key=key) for key, line in keyed]
        await asyncio.gather(*appended)
    except KafkaError as error:
        msg = f"{topic} takes no commands: {type(error).__name__}"
        raise TrafficError(msg) from error
    finally:
        await producer.stop()
    return len(keyed)


async def print_topic(kafka: Kafka, name: str, *, follow: bool, wanted: RecordFilter = ANY) -> None:
    """Print a topic's records that are wanted, one JSON object a line; go on if told to follow.

    Partitions are printed one after the other up to their ends, then as records arrive. Colours
    are for a terminal alone.
    """
    known = {topic.name for topic in topics.ALL}
    if name not in known:
        msg = f"there is no topic {name!r}; one of {', '.join(sorted(known))}"
        raise TrafficError(msg)
    consumer = RawConsumer(
        **kafka.connection(),
        group_id=None,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    write = _writer()
    try:
        await consumer.start()
        partitions = await _partitions(kafka, kafka.topic(name))
        consumer.assign(partitions)
        for partition, oldest in (await consumer.beginning_offsets(partitions)).items():
            consumer.seek(partition, oldest)
        ends = await consumer.end_offsets(partitions)
        for partition in partitions:
            while await consumer.position(partition) < ends[partition]:
                _print(await consumer.getmany(partition, timeout_ms=200), wanted, write)
        while follow:
            _print(await consumer.getmany(timeout_ms=500), wanted, write)
    except BrokenPipeError:
        sys.stderr.close()  # the reader has had enough, as `head` does
    finally:
        await consumer.stop()


def _read_commands(file: Path) -> list[tuple[bytes, bytes]]:
    try:
        lines = file.read_bytes().splitlines()
    except OSError as error:
        msg = f"{file} cannot be read: {error.strerror}"
        raise TrafficError(msg) from error
    keyed = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            session_id = json.loads(line)["session_id"]
        except (ValueError, KeyError, TypeError, RecursionError):
            session_id = None
        if not isinstance(session_id, str):
            msg = f"{file}:{number} is not a JSON object with a session_id; nothing was sent"
            raise TrafficError(msg)
        if len(line) > _LINE_LIMIT:
            msg = f"{file}:{number} has {len(line)} bytes, too many for Kafka; nothing was sent"
            raise TrafficError(msg)
        keyed.append((session_id.encode(errors="replace"), line))
    return keyed


async def _partitions(kafka: Kafka, topic: str) -> list[TopicPartition]:
    """The partitions of a topic, by its full name. Raises `TrafficError` where there is none."""
    admin = AIOKafkaAdminClient(**kafka.connection())
    await admin.start()
    try:
        # All of them: to ask for one by its name would make it, where Kafka may make topics.
        known = {found["topic"]: found["partitions"] for found in await admin.describe_topics()}
    finally:
        await admin.close()
    if topic not in known:
        msg = f"{topic} does not exist, or Kafka's ACLs hide it; run `firstline check`"
        raise TrafficError(msg)
    return sorted(TopicPartition(topic, found["partition"]) for found in known[topic])


def _print(
    fetched: dict[TopicPartition, list["ConsumerRecord[bytes, bytes]"]],
    wanted: RecordFilter,
    write: Callable[[str], None],
) -> None:
    for records in fetched.values():
        for record in records:
            value = shown(record)
            if wanted.takes(record, value):
                write(as_line(value))
    sys.stdout.flush()


def _writer() -> Callable[[str], None]:
    """What puts a line out: with colours on a terminal, as it is anywhere else."""
    console = Console(highlighter=JSONHighlighter(), emoji=False, markup=False)
    if console.is_terminal:
        return lambda text: console.print(text, soft_wrap=True)
    return print
