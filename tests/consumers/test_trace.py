"""A trace context goes on, from a command or ticket event to every message that it causes."""

import time
from datetime import timedelta

import pytest

from consumers.apply import Batch
from consumers.dead_letter_desk import Desk as DeadLetterDesk
from consumers.dead_letter_desk import Operator
from consumers.decode import decode
from consumers.generating import Generating, GeneratingSettings
from consumers.records import Delivery, Poison, Source
from consumers.trace import trace_of
from domain.context import Limits
from storage.headers import unpack
from storage.positions import Partition
from tests.builders import ACME, GLOBEX_TECH, NOW
from tests.consumers.asking import started
from tests.consumers.desk import Desk, notes, start
from tests.consumers.generators import Counting
from tests.consumers.wire import CHAT_TOPIC, ARecord, Json, command, encode, new_id

TRACE, SPAN = b"0af7651916cd43dd8448eb211c80319c", b"b7ad6b7169203331"
PARENT = b"00-" + TRACE + b"-" + SPAN + b"-01"
OTHER = b"00-" + TRACE[::-1] + b"-" + SPAN + b"-00"

Headers = list[tuple[str, bytes | None]]


@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", PARENT)],
        [("traceparent", b"cc" + PARENT[2:])],
        [("traceparent", b"cc" + PARENT[2:] + b"-what.comes.later")],
        [("x", None), ("traceparent", PARENT), ("y", b"\xff")],
        [("traceparent", PARENT), ("tracestate", b"rojo=00f067aa0ba902b7, congo=t61rcWkgMzE")],
        [("traceparent", PARENT), ("tracestate", b"fw529a3039@dt=FfC=x, ,")],
    ],
)
def test_a_trace_context_is_kept_as_it_is(headers: Headers) -> None:
    kept = [(name.encode(), value) for name, value in headers if name.startswith("trace")]
    expected = [(name, value) for name, value in kept if value is not None]
    if headers[-1][1] == b"fw529a3039@dt=FfC=x, ,":
        expected = [(b"traceparent", PARENT)]
    assert unpack(trace_of(headers)) == expected


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("traceparent", None)],
        [("traceparent", b"")],
        [("traceparent", PARENT.upper())],
        [("traceparent", b"ff" + PARENT[2:])],
        [("traceparent", PARENT + b"-more")],
        [("traceparent", PARENT + b"\n")],
        [("traceparent", b"cc" + PARENT[2:] + b".more")],
        [("traceparent", b"cc" + PARENT[2:] + b"-" + b"x" * 65)],
        [("traceparent", PARENT.replace(TRACE, b"0" * 32))],
        [("traceparent", PARENT.replace(SPAN, b"0" * 16))],
        [("traceparent", PARENT[:-1])],
        [("traceparent", b"\xff" * 55)],
        [("traceparent", PARENT), ("traceparent", PARENT)],
        [("Traceparent", PARENT)],
        [("tracestate", b"a=1")],
    ],
)
def test_what_is_no_trace_context_is_left_out(headers: Headers) -> None:
    assert trace_of(headers) == b""


@pytest.mark.parametrize(
    "state",
    [
        b"A=1", b"a", b"a=1;b=2\x00", b"a=\xc3\xa9", b"a=1\n", b"=1", b"a=" + b"x" * 600,
        b",".join(b"a%d=1" % n for n in range(33)), None, b"",
    ],
)  # fmt: skip
def test_a_state_that_is_no_good_is_left_out_alone(state: bytes | None) -> None:
    headers: Headers = [("traceparent", PARENT), ("tracestate", state)]
    assert unpack(trace_of(headers)) == [(b"traceparent", PARENT)]


def test_states_in_several_headers_are_one() -> None:
    headers: Headers = [("tracestate", b"a=1"), ("traceparent", PARENT), ("tracestate", b"b=2")]
    assert unpack(trace_of(headers))[1] == (b"tracestate", b"a=1,b=2")


# -- carried ----------------------------------------------------------------------------------


def traced(batch: Batch, *parents: bytes | None) -> Batch:
    """The batch, its records with these trace contexts, in order."""
    for item, parent in zip(batch.items, parents, strict=True):
        assert isinstance(item.record, ARecord)
        object.__setattr__(item.record, "headers", headers(parent))  # they are frozen
    return batch


def headers(parent: bytes | None) -> Headers:
    return [("x", b"\xff")] if parent is None else [("x", None), ("traceparent", parent)]


async def sent(desk: Desk) -> dict[str, list[bytes | None]]:
    """The trace contexts of what goes out, by topic, in order."""
    found: dict[str, list[bytes | None]] = {}
    for row in await desk.connection.fetch("select topic, headers from outbox order by id"):
        parent = dict(unpack(row["headers"])).get(b"traceparent")
        found.setdefault(row["topic"], []).append(parent)
    return found


async def test_every_message_has_the_trace_context_of_the_command_that_caused_it(
    desk: Desk,
) -> None:
    walk, other = new_id(), new_id()

    def of(session_id: str, kind: str, **fields: object) -> Json:
        return command(kind, command_id=new_id(), session_id=session_id, **fields)

    batch = desk.batch(
        of(walk, "start_ai_build"),
        of(other, "start_adhoc", ticket_id="10046"),
        of(walk, "update_notes"),
        of(walk, "escalate"),
    )
    await desk.applier.apply(traced(batch, PARENT, None, None, OTHER), NOW)
    assert await sent(desk) == {
        "replies": [PARENT, None, None, OTHER],
        "session-events": [PARENT, PARENT, None, None, OTHER],
        "node-requests": [PARENT],
        "session-state": [OTHER, None],
        "ticketing": [OTHER],
        "engineer-notifications": [OTHER],
    }


async def test_a_state_has_the_trace_context_of_the_last_command_that_moved_it(
    desk: Desk,
) -> None:
    first = start()
    batch = desk.batch(first, notes(first["session_id"]))
    await desk.applier.apply(traced(batch, PARENT, None), NOW)
    assert (await sent(desk))["session-state"] == [None]


async def test_a_reply_has_the_trace_context_of_the_record_that_it_answers(desk: Desk) -> None:
    first = start()
    invalid = start(actor_id=None) | {"type": "nonsense"}
    foreign = start(actor_id=GLOBEX_TECH)
    batch = desk.batch(first, first, first | {"correlation": "another"}, invalid, foreign)
    await desk.applier.apply(traced(batch, PARENT, OTHER, PARENT, OTHER, PARENT), NOW)
    assert [one.get("code") for one in await desk.replies()] == [
        *(None, None),
        *("command_id_reused", "invalid", "forbidden"),
    ]
    assert (await sent(desk))["replies"] == [PARENT, OTHER, PARENT, OTHER, PARENT]


async def test_what_news_of_a_ticket_ask_for_has_their_trace_context(desk: Desk) -> None:
    begun = start(ticket_id="10045")
    await desk.apply(begun)
    news = {
        "event_id": new_id(),
        "account_id": ACME,
        "provider": "connectwise",
        "action": "closed",
        "ticket": {"kind": "psa", "id": "10045"},
    }
    await desk.applier.apply(traced(desk.mixed(news), PARENT), NOW)
    assert (await sent(desk))["commands.internal"] == [PARENT]

    (asked,) = await desk.asked()
    await desk.applier.apply(traced(desk.mixed(asked), PARENT), NOW)
    assert await desk.events(begun["session_id"]) == ["started", "abandoned"]
    assert (await sent(desk))["session-events"] == [None, PARENT]


async def test_a_dead_letter_keeps_the_trace_context_of_its_record(desk: Desk) -> None:
    await desk.applier.apply(traced(desk.batch(b"{"), PARENT), NOW)
    assert (await sent(desk))["dead-letters"] == [PARENT]


@pytest.mark.parametrize("discarded", [False, True], ids=["replayed", "discarded"])
async def test_what_comes_of_dead_letters_has_the_trace_contexts_of_their_records(
    desk: Desk, *, discarded: bool
) -> None:
    begun = start()
    session = begun["session_id"]
    batch = traced(desk.batch(begun, notes(session)), None, PARENT)
    first, second = batch.items
    assert isinstance(second, Delivery)
    items = [first, Poison(second, "for a reason of its own")]
    await desk.applier.apply(Batch(items, batch.spans), NOW)
    await desk.applier.apply(traced(desk.batch(notes(session)), OTHER), NOW)
    assert (await sent(desk))["dead-letters"] == [PARENT, OTHER]

    letter = await desk.connection.fetchval("select id::text from dead_letters order by number")
    operators = DeadLetterDesk(desk.engine, Limits(), timedelta(days=16))
    act = operators.discard if discarded else operators.replay
    await act(letter, Operator("eve", ""), NOW)

    found = await sent(desk)
    assert found["replies"] == [None, PARENT, OTHER]
    assert found["session-events"] == [None, *([] if discarded else [PARENT]), OTHER]
    assert found["session-state"] == [None, OTHER]


async def test_what_serves_a_node_has_the_trace_context_of_its_request(desk: Desk) -> None:
    asked = await started(desk)
    generating = Generating(desk.engine, Counting(), "one", GeneratingSettings())
    await generating.answer_once(asked, trace_of(headers(PARENT)))
    assert (await sent(desk))["commands.internal"] == [PARENT]


def test_a_state_that_is_made_to_take_long_takes_no_time() -> None:
    """Thirty-one members, each with blanks that may be its value's or not: and then it fails."""
    state = b",".join([b"a=" + b" " * 13] * 31) + b",="
    begun = time.perf_counter()
    kept = trace_of([("traceparent", PARENT), ("tracestate", state)])
    assert time.perf_counter() - begun < 1
    assert unpack(kept) == [(b"traceparent", PARENT)]


async def test_a_command_s_events_go_on_with_its_own_context_not_its_repetition_s(
    desk: Desk,
) -> None:
    one = start()
    records = [
        ARecord(encode(one), one["session_id"].encode(), offset=n, headers=[("traceparent", told)])
        for n, told in enumerate((PARENT, OTHER))
    ]
    items = [decode(record, Source.CHAT) for record in records]
    await desk.applier.apply(Batch(items, {Partition(CHAT_TOPIC, 0): range(2)}), NOW)
    rows = await desk.connection.fetch("select topic, headers from outbox order by id")
    told = [(row["topic"], dict(unpack(row["headers"])).get(b"traceparent")) for row in rows]
    assert [context for topic, context in told if topic == "replies"] == [PARENT, OTHER]
    assert {context for topic, context in told if topic != "replies"} == {PARENT}
