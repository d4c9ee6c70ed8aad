"""Hostile records through the real broker and a real worker, on every topic that it reads.

They lie there before the worker starts, and it takes them four at a time. On `commands.chat` one
batch begins with each kind, one has it in the middle, one ends with it, and one holds nothing else;
on the other topics each kind lies once.
"""

import asyncio
import base64
import json
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import psycopg
import pytest
from aiokafka import AIOKafkaProducer
from rich.console import Console

from firstline.looking import ask
from firstline.looking import dead_letters as shown
from storage.dead_letter_desk import LetterFilter
from tests.consumers.raw_records import Raw, send
from tests.hostile.kinds import (
    ANYTHING,
    COMMANDS,
    HEADERS,
    KEY_LIMIT,
    NOT_UTF_8,
    REASONS,
    TICKET_EVENTS,
    Json,
    Kind,
    digest,
    right_command,
    right_key,
    right_node_request,
    right_ticket_event,
)
from tests.outside.checker import World, check
from tests.outside.commands import command, encode, new_id, script
from tests.outside.look import look, wait_for_rest
from tests.outside.program import PARTITIONS, Installation
from tests.outside.wire import Record, partition_of
from tests.program.running import run_all

BATCH = 4
CHAT, PSA, TICKETS, REQUESTS = "commands.chat", "commands.psa", "ticket-events", "node-requests"

pytestmark = pytest.mark.timeout(180)

Place = tuple[str, int, int]


def right_session(count: int) -> list[Json]:
    """So many commands of one session, in order; all are to be accepted."""
    kinds = ["start_flow", *["record_step"] * (count - 1)]
    return script(session_in(0), *((kind, {}) for kind in kinds))


@dataclass(frozen=True)
class Shipment:
    """What a topic gets. H is hostile, made from a ``base``, and . one of the ``right`` records."""

    kinds: Mapping[str, Kind]
    places: str
    base: Callable[[], Json]
    right: Callable[[int], Sequence[Json]]


SHIPMENTS = {
    CHAT: Shipment(COMMANDS, "H..." + ".H.." + "...H" + "HHHH", right_command, right_session),
    PSA: Shipment(COMMANDS, "H.", right_command, right_session),
    TICKETS: Shipment(
        TICKET_EVENTS,
        "H.",
        right_ticket_event,
        lambda count: [right_ticket_event() for _ in range(count)],
    ),
    REQUESTS: Shipment(ANYTHING, "H", right_node_request, lambda _: []),
}
# Requests for nodes are firstline's own: nobody is told of one that is none.
ANSWERED = {
    (topic, name): kind
    for topic, shipment in SHIPMENTS.items()
    for name, kind in shipment.kinds.items()
    if topic != REQUESTS
}


def each(wanted: Callable[[str, Kind], bool]) -> pytest.MarkDecorator:
    """For each kind that is wanted, on each topic that answers or keeps what cannot be read."""
    chosen = [what for what, kind in ANSWERED.items() if wanted(what[0], kind)]
    return pytest.mark.parametrize("what", chosen, ids=": ".join)


@dataclass(frozen=True)
class Sent:
    """What was sent of a kind: where its hostile records lie, and the right ones among them."""

    kind: Kind
    right: Sequence[Json]
    hostile: Sequence[tuple[Raw, Json, Place]]


@dataclass
class Aftermath:
    """What became of what was sent, by topic and name of its kind."""

    sent: dict[tuple[str, str], Sent]
    world: World
    _letters: dict[Place, list[Record]] = field(init=False)

    def __post_init__(self) -> None:
        self._letters = defaultdict(list)
        for letter in self.world.by_topic["dead-letters"]:
            self._letters[about(letter)].append(letter)

    def letters(self, place: Place) -> list[Record]:
        """The dead letters of the record that lies there."""
        return self._letters.get(place, [])

    def dead(self) -> dict[tuple[str, str], Sent]:
        """What was to become dead letters."""
        return {
            what: sent
            for what, sent in self.sent.items()
            if what in ANSWERED and sent.kind.expected in REASONS
        }


def about(letter: Record) -> Place:
    topic, partition, offset = (
        letter.header(f"fl_{name}") or "" for name in ("topic", "partition", "offset")
    )
    return topic.partition(".")[2], int(partition), int(offset)


@pytest.fixture(scope="module")
async def aftermath(installation: Installation) -> Aftermath:
    """Send all kinds to one partition of each topic, then let a worker take it all."""
    sent = {}
    async with AIOKafkaProducer(
        bootstrap_servers=installation.kafka_bootstrap, max_request_size=64 * 1024 * 1024
    ) as producer:

        async def send_all(topic: str) -> None:
            for name in SHIPMENTS[topic].kinds:
                sent[topic, name] = await send_kind(producer, installation, topic, name)

        await asyncio.gather(*map(send_all, SHIPMENTS))
    installation.environment["FIRSTLINE_BATCH_RECORDS"] = str(BATCH)
    worker = installation.launch(("firstline", "worker"))
    await asyncio.to_thread(worker.wait_until_ready)
    await asyncio.to_thread(wait_for_rest, installation, 90)
    return Aftermath(sent, await asyncio.to_thread(look_past_forgeries, installation, sent))


def look_past_forgeries(installation: Installation, sent: Mapping[tuple[str, str], Sent]) -> World:
    """All that can be seen, but for requests that firstline never made."""
    forged = {place for one in sent.values() for _, _, place in one.hostile if place[0] == REQUESTS}
    world = look(installation)
    return replace(world, records=[one for one in world.records if one.place not in forged])


async def send_kind(
    producer: AIOKafkaProducer, installation: Installation, topic: str, name: str
) -> Sent:
    shipment = SHIPMENTS[topic]
    kind = shipment.kinds[name]
    right = shipment.right(shipment.places.count("."))
    waiting = list(right)
    hostile = []
    for place, run in groupby(shipment.places):
        if place == ".":
            commands = [waiting.pop(0) for _ in run]
            records = [Raw(encode(one), right_key(one)) for one in commands]
            await send(producer, installation.prefix + topic, 0, records)
            continue
        for _ in run:
            one = shipment.base()
            record, codec = kind.record(one), kind.codec
            offset = await send(producer, installation.prefix + topic, 0, [record], codec=codec)
            hostile.append((record, one, (topic, 0, offset)))
    return Sent(kind, right, hostile)


def session_in(partition: int) -> str:
    """A new session whose records belong in that partition."""
    while partition_of((session := new_id()).encode(), PARTITIONS) != partition:
        pass
    return session


@each(lambda topic, _: topic in {CHAT, PSA})
async def test_right_commands_around_it_are_answered_once_and_in_order(
    aftermath: Aftermath, what: tuple[str, str]
) -> None:
    right = aftermath.sent[what].right
    replies = [aftermath.world.replies[one["command_id"]] for one in right]
    assert [len(one) for one in replies] == [1] * len(right)
    assert [one["outcome"] for (one,) in replies] == ["accepted"] * len(right)
    assert [one["version"] for (one,) in replies] == list(range(1, len(right) + 1))


@each(lambda _, kind: kind.expected in REASONS)
async def test_each_of_it_is_one_dead_letter_and_the_original(
    aftermath: Aftermath, what: tuple[str, str]
) -> None:
    sent = aftermath.sent[what]
    assert len(sent.hostile) == SHIPMENTS[what[0]].places.count("H")
    for record, one, place in sent.hostile:
        (letter,) = aftermath.letters(place)
        assert letter.header("fl_reason") == sent.kind.expected
        assert letter.header("fl_detail")
        assert letter.header("fl_dead_letter_id")
        assert_same_value(letter, record, sent.kind.expected)
        assert_same_key(letter, record)
        assert one.get("command_id") not in aftermath.world.replies


def assert_same_value(letter: Record, record: Raw, reason: str) -> None:
    if reason == "too_large":
        assert record.value is not None
        assert letter.value is None
        assert letter.header("fl_size") == str(len(record.value))
        assert letter.header("fl_sha256") == digest(record.value)
    else:
        assert letter.value == record.value
        assert letter.header("fl_size") is None


def is_long(key: bytes | None) -> bool:
    """Whether a dead letter leaves the key out."""
    return key is not None and len(key) > KEY_LIMIT


def assert_same_key(letter: Record, record: Raw) -> None:
    if is_long(record.key):
        assert record.key is not None
        assert letter.key is None
        assert letter.header("fl_key_size") == str(len(record.key))
        assert letter.header("fl_key_sha256") == digest(record.key)
    else:
        assert letter.key == record.key
        assert letter.header("fl_key_size") is None


@each(lambda _, kind: bool(kind.headers))
async def test_its_headers_are_kept_as_far_as_they_fit(
    aftermath: Aftermath, what: tuple[str, str]
) -> None:
    sent = aftermath.sent[what]
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


@each(lambda topic, kind: topic in {CHAT, PSA} and kind.expected not in REASONS)
async def test_each_of_it_has_one_answer(aftermath: Aftermath, what: tuple[str, str]) -> None:
    sent = aftermath.sent[what]
    for record, _, place in sent.hostile:
        assert record.value is not None
        asked = json.loads(record.value, parse_int=str)
        (reply,) = aftermath.world.replies[asked["command_id"]]
        assert reply.get("code", reply["outcome"]) == sent.kind.expected
        assert aftermath.letters(place) == []


async def test_each_event_of_a_ticket_is_heard_or_it_is_a_dead_letter(
    aftermath: Aftermath, installation: Installation
) -> None:
    heard, titles = await asyncio.to_thread(what_was_heard, installation)
    expected = set()
    for (topic, name), sent in aftermath.sent.items():
        if topic != TICKETS:
            continue
        expected |= {said_by(one) for one in sent.right}
        for record, _, place in sent.hostile:
            letters = aftermath.letters(place)
            assert [letter.header("fl_reason") for letter in letters] == (
                [sent.kind.expected] if sent.kind.expected in REASONS else []
            ), name
            if sent.kind.expected != "accepted":
                continue
            assert record.value is not None
            event = json.loads(record.value, parse_int=str)
            expected.add(said_by(event))
            ticket = event["ticket"]
            known = titles.get((event["account_id"], ticket["kind"], ticket["id"]))
            assert known == (ticket["title"] if ticket["kind"] == "psa" else None), name
    assert heard == expected


def said_by(event: Json) -> tuple[str, str, str]:
    return event["account_id"], event["provider"], event["event_id"]


def what_was_heard(
    installation: Installation,
) -> tuple[set[tuple[str, str, str]], dict[tuple[str, str, str], str]]:
    """The events of tickets that were heard, and the titles of the tickets that are known."""
    with psycopg.connect(installation.database_url) as connection:
        heard = connection.execute(
            "select account_id::text, provider, event_id from ticket_events_heard"
        ).fetchall()
        known = connection.execute(
            "select account_id::text, kind, id, title from tickets where title is not null"
        ).fetchall()
    assert len(set(heard)) == len(heard)
    return set(heard), {(account, kind, id_): title for account, kind, id_, title in known}


async def test_a_walk_behind_forged_requests_has_its_node(
    aftermath: Aftermath, installation: Installation
) -> None:
    """They lie in the partition that its own request comes into."""
    assert aftermath.sent
    start = command("start_ai_build", session_in(0), problem_text="A rule moves mail away.")
    async with AIOKafkaProducer(bootstrap_servers=installation.kafka_bootstrap) as producer:
        await send(producer, installation.prefix + CHAT, 0, [Raw(encode(start), right_key(start))])
    await asyncio.to_thread(until_served, installation, start["session_id"])


def until_served(installation: Installation, session: str) -> None:
    """Wait until a node was served to the session."""
    until = time.monotonic() + 30
    with psycopg.connect(installation.database_url, autocommit=True) as connection:
        while not connection.execute(
            "select from served_nodes where session_id = %s", [session]
        ).fetchall():
            installation.must_run()
            assert time.monotonic() < until, "no node was served"
            time.sleep(0.02)


async def test_what_was_kept_is_shown_in_full_and_does_nothing(
    aftermath: Aftermath, installation: Installation
) -> None:
    rows = await ask.dead_letters(installation.database_url, LetterFilter(), 10_000)
    ids = {
        (row["topic"].removeprefix(installation.prefix), row["partition"], row["offset"]): row["id"]
        for row in rows
    }
    for (topic, name), sent in aftermath.dead().items():
        if topic != CHAT:
            continue  # it is shown alike, and some of it is large
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
    letters = sum(len(sent.hostile) for sent in aftermath.dead().values())
    odd = aftermath.sent[CHAT, "text that would act elsewhere"].hostile[0][1]["session_id"]
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
    """What is wrong, but for the keys that are too long for a dead letter."""
    without_key = [str(record.place) for record in world.records if is_long(record.key)]
    return [
        one
        for one in check(world)
        if not (one.endswith("has another key") and any(place in one for place in without_key))
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
                    producer, installation.prefix + CHAT, partition, records[begin : begin + 100]
                )
    del installation.environment["FIRSTLINE_BATCH_RECORDS"]
    await asyncio.to_thread(installation.start)
    await asyncio.to_thread(wait_for_rest, installation, 60)
    world = await asyncio.to_thread(look_past_forgeries, installation, aftermath.sent)

    answered = Counter(
        (reply["command_id"], reply["outcome"])
        for replies in world.replies.values()
        for reply in replies
    )
    assert [answered[one["command_id"], "accepted"] for one in starts] == [1] * len(starts)
    assert violations(world) == []
