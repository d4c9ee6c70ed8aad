"""Hostile records through the real broker and a real worker, at every place of a batch.

They lie there before the worker starts, and it takes them four at a time: of each kind one batch
begins with it, one has it in the middle, one ends with it, and one holds nothing else.
"""

import asyncio
import base64
import json
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby

import pytest
from aiokafka import AIOKafkaProducer
from rich.console import Console

from firstline.looking import ask
from firstline.looking import dead_letters as shown
from storage.dead_letter_desk import Wanted
from tests.consumers.raw_records import Raw, send
from tests.hostile.kinds import (
    HEADERS,
    KEY_WITHOUT_ROOM,
    KINDS,
    NOT_UTF_8,
    REASONS,
    Json,
    Kind,
    digest,
    hostile_command,
)
from tests.outside.checker import World, check
from tests.outside.commands import command, encode, new_id, script
from tests.outside.look import look, wait_for_rest
from tests.outside.program import PARTITIONS, Installation
from tests.outside.wire import Record, partition_of
from tests.program.running import run_all

BATCH = 4
TOPIC = "commands.chat"
# H is hostile, and . a right command, in batches of four.
PLACES = "H..." + ".H.." + "...H" + "HHHH"
RIGHT = PLACES.count(".")

pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True)
class Sent:
    """What was sent of a kind: where its hostile records lie, and the commands among them."""

    kind: Kind
    right: Sequence[Json]
    hostile: Sequence[tuple[Raw, Json, tuple[str, int, int]]]


@dataclass
class Aftermath:
    sent: dict[str, Sent]
    world: World
    _letters: dict[tuple[str, int, int], list[Record]] = field(init=False)

    def __post_init__(self) -> None:
        self._letters = defaultdict(list)
        for letter in self.world.by_topic["dead-letters"]:
            self._letters[about(letter)].append(letter)

    def letters(self, place: tuple[str, int, int]) -> list[Record]:
        """The dead letters of the record that lies there."""
        return self._letters.get(place, [])


def about(letter: Record) -> tuple[str, int, int]:
    topic, partition, offset = (
        letter.header(f"fl_{name}") for name in ("topic", "partition", "offset")
    )
    return (TOPIC if topic and topic.endswith(TOPIC) else "", int(partition or 0), int(offset or 0))


@pytest.fixture(scope="module")
async def aftermath(installation: Installation) -> Aftermath:
    """Send all kinds to one partition, then let a worker take it all."""
    async with AIOKafkaProducer(
        bootstrap_servers=installation.kafka_bootstrap, max_request_size=64 * 1024 * 1024
    ) as producer:
        sent = {
            name: await send_kind(producer, installation.prefix + TOPIC, kind)
            for name, kind in KINDS.items()
        }
    installation.environment["FIRSTLINE_BATCH_RECORDS"] = str(BATCH)
    await asyncio.to_thread(installation.start)
    await asyncio.to_thread(wait_for_rest, installation, 90)
    return Aftermath(sent, await asyncio.to_thread(look, installation))


async def send_kind(producer: AIOKafkaProducer, topic: str, kind: Kind) -> Sent:
    session = session_in(0)
    kinds = ["start_flow", *["record_step"] * (RIGHT - 2), "resolve"]
    right = script(session, *((kind, {}) for kind in kinds))
    waiting = list(right)
    hostile = []
    for place, run in groupby(PLACES):
        if place == ".":
            values = [encode(waiting.pop(0)) for _ in run]
            records = [Raw(value, session.encode()) for value in values]
            await send(producer, topic, 0, records)
            continue
        for _ in run:
            one = hostile_command()
            record = kind.record(one)
            offset = await send(producer, topic, 0, [record], codec=kind.codec)
            hostile.append((record, one, (TOPIC, 0, offset)))
    return Sent(kind, right, hostile)


def session_in(partition: int) -> str:
    """A new session whose records belong in that partition."""
    while partition_of((session := new_id()).encode(), PARTITIONS) != partition:
        pass
    return session


@pytest.mark.parametrize("name", KINDS)
async def test_right_commands_around_it_are_answered_once_and_in_order(
    aftermath: Aftermath, name: str
) -> None:
    right = aftermath.sent[name].right
    replies = [aftermath.world.replies[one["command_id"]] for one in right]
    assert [len(one) for one in replies] == [1] * RIGHT
    assert [one["outcome"] for (one,) in replies] == ["accepted"] * RIGHT
    assert [one["version"] for (one,) in replies] == list(range(1, RIGHT + 1))


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.expected in REASONS])
async def test_each_of_it_is_one_dead_letter_and_the_original(
    aftermath: Aftermath, name: str
) -> None:
    sent = aftermath.sent[name]
    assert len(sent.hostile) == PLACES.count("H")
    for record, one, place in sent.hostile:
        (letter,) = aftermath.letters(place)
        assert letter.header("fl_reason") == sent.kind.expected
        assert letter.header("fl_detail")
        assert letter.header("fl_dead_letter_id")
        assert_same_value(letter, record, sent.kind.expected)
        assert_same_key(letter, record)
        assert one["command_id"] not in aftermath.world.replies


def assert_same_value(letter: Record, record: Raw, reason: str) -> None:
    if reason == "too_large":
        assert record.value is not None
        assert letter.value is None
        assert letter.header("fl_size") == str(len(record.value))
        assert letter.header("fl_sha256") == digest(record.value)
    else:
        assert letter.value == record.value
        assert letter.header("fl_size") is None


def assert_same_key(letter: Record, record: Raw) -> None:
    if record.key == KEY_WITHOUT_ROOM:
        assert letter.key is None
        assert letter.header("fl_key_size") == str(len(record.key))
        assert letter.header("fl_key_sha256") == digest(record.key)
    else:
        assert letter.key == record.key
        assert letter.header("fl_key_size") is None


@pytest.mark.parametrize("name", [name for name, kind in KINDS.items() if kind.headers])
async def test_its_headers_are_kept_as_far_as_they_fit(aftermath: Aftermath, name: str) -> None:
    sent = aftermath.sent[name]
    # The reader of the tests, a library in C, ends a name at its first NUL.
    expected = [
        (name.decode(errors="replace").partition("\0")[0], value)
        for name, value in first_that_fit(sent.kind.headers)
    ]
    for _, _, place in sent.hostile:
        for letter in aftermath.letters(place):
            kept = [(one, value) for one, value in letter.headers if not one.startswith("fl_")]
            assert kept == [
                (f"orig_{one}" if one.startswith("fl_") else one, value) for one, value in expected
            ]


def first_that_fit(
    headers: Sequence[tuple[bytes, bytes | None]],
) -> list[tuple[bytes, bytes | None]]:
    """The first 16 KiB of headers, each of which takes two bytes for its lengths."""
    room = 16 * 1024
    kept = []
    for name, value in headers:
        room -= len(name) + len(value or b"") + 2
        if room < 0:
            break
        kept.append((name, value))
    return kept


@pytest.mark.parametrize(
    "name", [name for name, kind in KINDS.items() if kind.expected not in REASONS]
)
async def test_each_of_it_has_one_answer(aftermath: Aftermath, name: str) -> None:
    sent = aftermath.sent[name]
    for record, _, place in sent.hostile:
        assert record.value is not None
        asked = json.loads(record.value, parse_int=str)
        (reply,) = aftermath.world.replies[asked["command_id"]]
        assert reply.get("code", reply["outcome"]) == sent.kind.expected
        assert aftermath.letters(place) == []


async def test_what_was_kept_is_shown_in_full_and_does_nothing(
    aftermath: Aftermath, installation: Installation
) -> None:
    rows = await ask.dead_letters(installation.database_url, Wanted(), 10_000)
    ids = {(TOPIC, row["partition"], row["offset"]): row["id"] for row in rows}
    for name, sent in aftermath.sent.items():
        if sent.kind.expected not in REASONS:
            continue
        record, _, place = sent.hostile[0]
        seen = await ask.dead_letter(installation.database_url, ids[place])
        line = shown.as_json(seen)
        assert is_inert(line), name
        told = json.loads(line)
        for part, value in (("value", record.value), ("key", record.key)):
            kept = told.get(f"{part}_base64")
            assert (None if kept is None else base64.b64decode(kept)) == value, name
        names = [one.get("name") for one in told["headers"] if "name" in one]
        assert names == [one.decode(errors="replace") for one, _ in record.headers], name
        console = Console(width=100)
        with console.capture() as capture:
            console.print(shown.tree(seen))
        assert all(map(is_inert, capture.get().splitlines())), name


async def test_what_was_kept_and_published_is_listed_and_does_nothing(
    aftermath: Aftermath, installation: Installation
) -> None:
    letters = sum(
        len(sent.hostile) for sent in aftermath.sent.values() if sent.kind.expected in REASONS
    )
    odd = aftermath.sent["text that would act elsewhere"].hostile[0][1]["session_id"]
    commands = ("dead-letters list --limit 10000", "tail dead-letters", f"session {odd}")
    listed, tailed, session = await asyncio.to_thread(
        run_all,
        [(command.split(), installation.environment) for command in commands],
        installation.folder,
    )
    for ended in (listed, tailed, session):
        assert (ended.code, ended.err) == (0, "")
        assert all(map(is_inert, ended.out.splitlines()))
    assert len(listed.out.splitlines()) == len(tailed.out.splitlines()) == letters
    for line in (*listed.out.splitlines(), *tailed.out.splitlines()):
        json.loads(line, parse_constant=refuse)
    assert "\\u202e\\u001b[31m" in session.out


def is_inert(line: str) -> bool:
    """Nothing in it moves a cursor, turns the direction of writing, or ends the line."""
    return line.isprintable() or all(
        one.isprintable() or unicodedata.category(one) == "Zs" for one in line
    )


def refuse(constant: str) -> None:
    raise ValueError(constant)


async def test_no_invariant_was_broken_on_the_way(aftermath: Aftermath) -> None:
    assert violations(aftermath.world) == []


def violations(world: World) -> list[str]:
    """What is wrong, but for the keys that a dead letter has no room for."""
    without_room = [
        str(record.place) for record in world.by_topic[TOPIC] if record.key == KEY_WITHOUT_ROOM
    ]
    return [
        one
        for one in check(world)
        if not (one.endswith("has another key") and any(place in one for place in without_room))
    ]


async def test_the_worker_never_stopped(aftermath: Aftermath, installation: Installation) -> None:
    assert aftermath.sent
    installation.must_run()
    log = (installation.folder / "worker.log").read_text()
    ours = [line for line in map(json.loads, log.splitlines()) if "logger" not in line]
    assert {line["level"] for line in ours} == {"info", "warning"}


async def test_header_keys_that_are_not_utf_8_in_many_records_lose_none_of_the_others(
    aftermath: Aftermath, installation: Installation
) -> None:
    """In all partitions at once, in fetches as large as they are by default."""
    assert aftermath.sent
    assert installation.worker is not None
    assert await asyncio.to_thread(installation.worker.stop) == 0
    starts = []
    async with AIOKafkaProducer(bootstrap_servers=installation.kafka_bootstrap) as producer:
        for partition in range(PARTITIONS):
            records = []
            for number in range(300):
                one = command("start_adhoc", session_in(partition))
                starts.append(one)
                headers = NOT_UTF_8 if number % 11 == partition else HEADERS["empty keys"]
                records.append(Raw(encode(one), one["session_id"].encode(), headers))
            for begin in range(0, len(records), 100):
                await send(
                    producer, installation.prefix + TOPIC, partition, records[begin : begin + 100]
                )
    del installation.environment["FIRSTLINE_BATCH_RECORDS"]
    await asyncio.to_thread(installation.start)
    await asyncio.to_thread(wait_for_rest, installation, 60)
    world = await asyncio.to_thread(look, installation)

    answered = Counter(
        (reply["command_id"], reply["outcome"])
        for replies in world.replies.values()
        for reply in replies
    )
    assert [answered[one["command_id"], "accepted"] for one in starts] == [1] * len(starts)
    assert violations(world) == []
