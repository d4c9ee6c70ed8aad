"""What the worker does between Kafka and a batch: decode in slices, and get past what kills it."""

import asyncio
import json
import math
import subprocess
import sys
import time
from collections.abc import Mapping
from types import SimpleNamespace

import pytest
from aiokafka import TopicPartition

from consumers import batching, caution
from consumers import worker as working
from consumers.batching import Batching
from consumers.caution import TOOK_THE_PROCESS_DOWN, Condemned, Slice, careful_slices
from consumers.isolate import Applier
from consumers.lanes import Read
from consumers.reasons import Reason
from consumers.records import DeadLetter, Record
from consumers.worker import Worker, WorkerSettings
from domain.context import Limits
from producers.kafka import Kafka
from storage import attempts
from storage.database import begin
from storage.positions import Partition
from tests.builders import ACME
from tests.consumers.desk import Desk, outcomes, start
from tests.consumers.wire import CHAT_TOPIC, TICKET_TOPIC, ARecord, encode


async def test_slow_values_are_decoded_in_slices_that_let_others_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the lease of the slot, which gives a sign of life each second, would be lost."""

    def slow(record: Record) -> DeadLetter:
        time.sleep(0.02)
        return DeadLetter(record, Reason.UNREADABLE, "slow")

    monkeypatch.setattr(batching, "decode_record", slow)
    spans = {Partition(CHAT_TOPIC, 0): range(20)}
    decoding = asyncio.create_task(
        Batching(1_000, 1_000_000).decoded(
            [ARecord(b"x", offset=offset) for offset in range(20)], dict(spans)
        )
    )
    turns = 0
    while not decoding.done():
        await asyncio.sleep(0)
        turns += 1

    batch = await decoding
    assert turns > 5
    assert [item.record.offset for item in batch.items] == list(range(20))
    assert batch.spans == spans


@pytest.mark.parametrize(
    ("most_records", "most_bytes", "sizes"),
    [
        (1_000, 1_000, [5]),
        (2, 1_000, [2, 2, 1]),
        (5, 50, [5]),
        (1_000, 49, [4, 1]),
        (1_000, 30, [3, 2]),
        (1_000, 5, [1, 1, 1, 1, 1]),
        (2, 10, [1, 1, 1, 1, 1]),
    ],
)
def test_a_batch_has_no_more_records_and_bytes_than_it_may(
    most_records: int, most_bytes: int, sizes: list[int]
) -> None:
    """However much was read, and has gathered meanwhile; a single record may be larger."""
    records = [ARecord(b"x" * 10, offset=offset) for offset in range(5)]
    batches = list(Batching(most_records, most_bytes).split(records))
    assert [len(batch) for batch in batches] == sizes
    assert [record for batch in batches for record in batch] == records


@pytest.mark.parametrize(("course", "position"), [(4, None), (5, 2)])
async def test_what_was_read_before_reading_started_elsewhere_is_dropped(
    desk: Desk, database_url: str, course: int, position: int | None
) -> None:
    """It is read again from the position, and this part of it may lie behind a gap."""
    applier = Applier(desk.engine, Limits())
    worker = Worker(Kafka("127.0.0.1:1", "t."), database_url, applier, WorkerSettings())
    worker._rebalances.consumer = SimpleNamespace(course=5)  # type: ignore[assignment]
    worker._committed_at = math.inf
    records = [ARecord(encode(start()), offset=offset) for offset in range(2)]
    await worker._work(Read(records, {Partition(CHAT_TOPIC, 0): range(2)}, course))
    assert not worker.failed.done()
    assert await desk.position() == position


async def test_what_is_committed_does_not_go_back_behind_what_another_worker_applied(
    desk: Desk, database_url: str
) -> None:
    """A part that was held up comes to its end after its partition went, and came back."""
    worker = Worker(
        Kafka("127.0.0.1:1", "t."), database_url, Applier(desk.engine, Limits()), WorkerSettings()
    )
    worker._rebalances.consumer = SimpleNamespace(course=5)  # type: ignore[assignment]
    worker._committed_at = math.inf
    worker._applied_up_to[TopicPartition(CHAT_TOPIC, 0)] = 9
    await worker._work(Read([ARecord(encode(start()))], {Partition(CHAT_TOPIC, 0): range(1)}, 5))
    assert await desk.position() == 1
    assert worker._applied_up_to == {TopicPartition(CHAT_TOPIC, 0): 9}


async def test_nothing_is_committed_of_partitions_that_are_another_s(
    desk: Desk, database_url: str
) -> None:
    """Its member has got further, and what is committed would go back."""
    worker = Worker(
        Kafka("127.0.0.1:1", "t."), database_url, Applier(desk.engine, Limits()), WorkerSettings()
    )
    ours, another_s = (TopicPartition(CHAT_TOPIC, number) for number in (0, 1))
    committed: list[Mapping[TopicPartition, int]] = []

    async def commit(offsets: Mapping[TopicPartition, int]) -> None:
        committed.append(offsets)

    worker._rebalances.consumer = SimpleNamespace(  # type: ignore[assignment]
        sought=lambda: {ours}, commit=commit
    )
    worker._applied_up_to |= {ours: 9, another_s: 4}
    await worker._commit_offsets()
    assert committed == [{ours: 9}]


async def test_a_worker_that_failed_applies_nothing_more_and_reads_nothing_more(
    desk: Desk, database_url: str
) -> None:
    """In other lanes, too: what it failed of may be that too much is set aside."""
    worker = Worker(
        Kafka("127.0.0.1:1", "t."), database_url, Applier(desk.engine, Limits()), WorkerSettings()
    )
    worker._rebalances.consumer = SimpleNamespace(  # type: ignore[assignment]
        course=5, covered=({}, 5)
    )
    worker._rebalances.fail(LookupError())
    await worker._work(Read([ARecord(encode(start()))], {Partition(CHAT_TOPIC, 0): range(1)}, 5))
    assert await desk.position() is None

    handling = asyncio.ensure_future(worker._handle([]))
    done, _ = await asyncio.wait({handling}, timeout=0.1)
    assert not done, "FastStream would read on"
    handling.cancel()
    assert isinstance(worker.failed.exception(), LookupError)


async def test_a_worker_is_careful_until_it_has_applied_what_it_was_to_be_careful_with(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.apply(start())
    worker = Worker(
        Kafka("127.0.0.1:1", "t."),
        database_url,
        Applier(desk.engine, Limits()),
        WorkerSettings(careful=True),
    )
    sought: list[set[TopicPartition]] = []

    async def seek(_: object, assigned: set[TopicPartition]) -> None:
        sought.append(assigned)

    monkeypatch.setattr(worker._rebalances, "seek", seek)
    worker._rebalances.consumer = SimpleNamespace(course=5, assignment=set)  # type: ignore[assignment]
    worker._committed_at = math.inf
    for offset, careful in ((5, True), (1, False)):  # behind a gap, and where reading goes on
        record = ARecord(encode(start()), offset=offset)
        span = range(offset, offset + 1)
        await worker._work(Read([record], {Partition(CHAT_TOPIC, 0): span}, 5))
        assert worker._careful is careful
    assert (sought, await desk.position()) == ([set()], 2)


async def test_reading_is_taken_up_again_once_no_lane_waits_any_more(
    desk: Desk, database_url: str
) -> None:
    """Until then partitions are polled, and only while they are paused: nothing may come."""
    worker = Worker(
        Kafka("127.0.0.1:1", "t."), database_url, Applier(desk.engine, Limits()), WorkerSettings()
    )
    did: list[str] = []

    async def poll_paused() -> None:
        did.append("poll")

    worker._rebalances.consumer = SimpleNamespace(  # type: ignore[assignment]
        assignment=set,
        pause=lambda: did.append("pause"),
        poll_paused=poll_paused,
        resume=lambda: did.append("resume"),
    )
    await asyncio.gather(worker._wait_and_poll(0.01), worker._wait_and_poll(0.02))
    *polls, last = did
    assert (last, polls.count("resume"), polls.count("pause")) == ("resume", 0, polls.count("poll"))
    assert polls[:2] == ["pause", "poll"]


@pytest.mark.parametrize(
    ("answered_ago", "at_hand", "waits"), [(9.0, 0, False), (11.0, 0, True), (11.0, 1, False)]
)
async def test_a_worker_to_which_kafka_does_not_answer_waits_for_it(
    desk: Desk, database_url: str, answered_ago: float, at_hand: int, *, waits: bool
) -> None:
    """One with records at hand did not ask, and stands still if it applies none of them."""
    worker = Worker(
        Kafka("127.0.0.1:1", "t."), database_url, Applier(desk.engine, Limits()), WorkerSettings()
    )
    worker._lanes = SimpleNamespace(at_hand=[ARecord(b"x")] * at_hand)  # type: ignore[assignment]
    worker._rebalances.consumer = SimpleNamespace(  # type: ignore[assignment]
        behind=lambda: {TopicPartition(CHAT_TOPIC, 0): 3},
        answered_seconds_ago=lambda: answered_ago,
        damaged=set,
    )
    assert worker.standing().waiting is waits


@pytest.mark.parametrize(("tried_ago", "waits"), [(60.0, True), (150.0, False)])
async def test_a_worker_that_tries_no_more_does_not_wait(
    desk: Desk, database_url: str, tried_ago: float, *, waits: bool
) -> None:
    """Postgres answers or is given up long before: what stands still is our own."""
    applier = Applier(desk.engine, Limits())
    applier.tried_at = time.monotonic() - tried_ago
    worker = Worker(Kafka("127.0.0.1:1", "t."), database_url, applier, WorkerSettings())
    worker._waiting = 1
    assert worker.standing().waiting is waits


async def test_a_batch_that_waits_for_a_lock_is_polled_for(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the group, and whoever looks for a sign of life, would give the worker up."""
    monkeypatch.setattr(working, "_LONG_SECONDS", 0.1)
    monkeypatch.setattr(working, "_POLL_EVERY_SECONDS", 0.1)
    worker = Worker(
        Kafka("127.0.0.1:1", "t."), database_url, Applier(desk.engine, Limits()), WorkerSettings()
    )
    polled = asyncio.Event()

    async def poll_paused() -> None:
        polled.set()

    worker._rebalances.consumer = SimpleNamespace(  # type: ignore[assignment]
        course=5,
        assignment=tuple,
        pause=lambda *_: None,
        resume=lambda *_: None,
        poll_paused=poll_paused,
    )
    worker._committed_at = math.inf
    held = desk.connection.transaction()
    await held.start()
    await desk.connection.execute("lock table sessions in access exclusive mode")
    records = [ARecord(encode(start()), offset=offset) for offset in range(2)]
    working_on = asyncio.create_task(
        worker._work(Read(records, {Partition(CHAT_TOPIC, 0): range(2)}, 5))
    )
    try:
        await asyncio.wait_for(polled.wait(), 5)
        assert worker._waiting
    finally:
        await held.rollback()
        await working_on
    assert (await desk.position(), worker._waiting) == (2, 0)


# -- what takes the process down ----------------------------------------------------------------

# A worker without Kafka, begun anew until it has applied what it got; prints how each one ended.
BEGUN_ANEW = """
import asyncio, json, math, os, signal, sys
from consumers import batching, fold
from consumers.worker import Worker, WorkerSettings
from consumers.isolate import Applier
from domain.context import Limits
from producers.kafka import Kafka
from storage.database import begin, connect
from storage.positions import Partition
from tests.consumers.wire import CHAT_TOPIC, TICKET_TOPIC, ARecord, encode

url, where = sys.argv[1:]
decode_record, decide = batching.decode_record, fold.decide

def deadly_to_decode(record):
    if b"deadly" in record.value:
        os.kill(os.getpid(), signal.SIGKILL)
    return decode_record(record)

def deadly_to_decide(session, command, context):
    if command.correlation == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return decide(session, command, context)

if where == "decoding":
    batching.decode_record = deadly_to_decode
else:
    fold.decide = deadly_to_decide

records = [
    ARecord(encode(one), one["session_id"].encode(), offset=offset)
    for offset, one in enumerate(json.load(sys.stdin))
]

async def work():
    engine = connect(url)
    settings = WorkerSettings(careful=True)
    worker = Worker(
        Kafka("127.0.0.1:1", "t."), url, Applier(engine, Limits()), settings
    )
    worker._committed_at = math.inf
    async with begin(engine) as tx:
        rows = await tx.fetch("select next_offset from positions")
    position = rows[0][0] if rows else 0
    spans = {Partition(CHAT_TOPIC, 0): range(position, len(records))}
    await worker._apply_all(records[position:], spans)

codes = [None]
while codes[-1] != 0 and len(codes) < 9:
    if not (pid := os.fork()):
        asyncio.run(work())
        os._exit(0)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(json.dumps(codes[1:]))
"""


@pytest.mark.parametrize(("where", "reason"), [("decoding", "unreadable"), ("deciding", "poison")])
async def test_a_record_that_takes_the_process_down_by_itself_is_tried_twice(
    desk: Desk, database_url: str, where: str, reason: str
) -> None:
    """Once among others, twice by itself; then it is a dead letter, and all others are applied."""
    sent = [start(correlation="deadly" if place == 35 else None) for place in range(40)]
    others = [one for one in sent if one["correlation"] is None]
    ended = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", BEGUN_ANEW, database_url, where],
        input=json.dumps(sent),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )

    assert json.loads(ended.stdout) == [-9, -9, -9, 0]
    assert await desk.answers() == outcomes(others)
    (letter,) = await desk.letters()
    assert (letter["reason"], letter["offset"]) == (reason, 35)
    assert letter["detail"] == "took the process down twice"
    assert await desk.connection.fetch("select from attempts") == []
    assert await desk.position() == 40


async def test_an_attempt_that_was_finished_counts_for_nothing(desk: Desk) -> None:
    """A process that is killed now and then condemns no record."""
    partition = Partition(CHAT_TOPIC, 0)
    records = [ARecord(b"{", offset=offset) for offset in range(3)]
    for _ in range(3):
        seen = [
            (piece.records, piece.condemned) async for piece in careful_slices(desk.engine, records)
        ]
        assert seen == [(records, None)]
    async with begin(desk.engine) as tx:
        assert await attempts.read(tx, [partition]) == {}


async def test_a_process_that_is_killed_soon_after_it_began_blames_no_record(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever kills workers again and again always finds a record at hand."""
    records = [ARecord(b"{", offset=offset) for offset in range(3)]

    async def is_killed_at_the_first() -> Slice:
        return await anext(careful_slices(desk.engine, records))

    assert (await is_killed_at_the_first()).records == records
    assert (await is_killed_at_the_first()).records == records[:1]
    monkeypatch.setattr(caution, "_SETTLED_SECONDS", math.inf)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(is_killed_at_the_first(), 0.2)
    monkeypatch.setattr(caution, "_SETTLED_SECONDS", 0.1)
    assert (await is_killed_at_the_first()).condemned is None
    assert (await is_killed_at_the_first()).condemned is Condemned.UNDECODED


def test_news_that_took_the_process_down_twice_are_set_aside() -> None:
    """They are no command that could be poison; tried again, they would take down the next."""
    told = {
        "event_id": "1", "account_id": ACME, "provider": "x", "action": "closed",
        "ticket": {"kind": "psa", "id": "1"},
    }  # fmt: skip
    record, partition = ARecord(encode(told), b"", TICKET_TOPIC), Partition(TICKET_TOPIC, 0)
    piece = Slice(None, partition, [record], Condemned.DECODED)  # type: ignore[arg-type]

    batch = Batching(1, 1).condemned(piece, {partition: range(1)})

    assert batch.items == [DeadLetter(record, Reason.UNREADABLE, TOOK_THE_PROCESS_DOWN)]
