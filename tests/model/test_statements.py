"""A batch takes as many statements as there are things to do, however many commands it has."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Table

from consumers.apply import apply_batch
from domain.commands import Command, Start
from domain.tickets import TicketKind, TicketRef
from producers.ids import event_id
from producers.relay import RelaySettings, open_relay
from storage import outbox
from storage.database import Transaction, begin
from storage.outbox import Message
from tests.builders import (
    ACME,
    NODE,
    NOW,
    abandon,
    an_id,
    escalate,
    escalate_without_walk,
    record_step,
    resolve,
    serve_node,
    start_adhoc,
    start_ai_build,
    start_flow,
    start_proposal,
    update_notes,
)
from tests.model.bench import Bench
from tests.model.logs import Delivered
from tests.model.outlets import Recorder
from tests.model.tables import read_outbox
from tests.model.wire import INTERNAL, Sent, value_of
from tests.model.world import FLOW, LIMITS, PROPOSAL, TECH

Build = Callable[..., Command]

SIZES = (1, 10, 1_000)
FLOW_START = partial(start_flow, flow_id=FLOW)
PROPOSAL_START = partial(start_proposal, flow_proposal_id=PROPOSAL)
ANSWER = partial(record_step, node_id=NODE, option_id="1")


def SERVE(command_id: str, **fields: Any) -> Command:  # noqa: N802, ANN401 - one of the builders
    """The node that the session's start, which is the command before, asked for."""
    start = an_id(int(command_id[-12:], 16) - 1)
    named = {"request_id": event_id(start, 1), "actor_id": None}
    return serve_node(command_id=command_id, **fields | named)


STORIES: dict[str, tuple[Sequence[Build], Sequence[Build]]] = {
    "starts of flows": ([], [FLOW_START]),
    "starts of proposals": ([], [PROPOSAL_START]),
    "starts of adhoc sessions": ([], [start_adhoc]),
    "starts of AI-built walks": ([], [start_ai_build]),
    "escalations without a walk": ([], [escalate_without_walk]),
    "steps of flows": ([FLOW_START], [record_step]),
    "nodes of AI-built walks": ([], [start_ai_build, SERVE]),
    "steps of AI-built walks": ([start_ai_build, SERVE], [ANSWER]),
    "notes": ([start_adhoc], [update_notes]),
    "resolutions": ([PROPOSAL_START, record_step], [resolve]),
    "escalations": ([start_ai_build, SERVE, ANSWER, update_notes], [escalate]),
    "ends without an outcome": ([start_adhoc], [abandon]),
    "whole walks": ([], [start_ai_build, SERVE, ANSWER, ANSWER, update_notes, escalate]),
}
"""What happened to a number of sessions before, and what one batch then does to all of them."""


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that a transaction sends from now on; rows appended by their table."""
    sent: list[str] = []
    fetch, execute = Transaction.fetch, Transaction.execute
    append, execute_later = Transaction.append, Transaction.execute_later

    async def counted_fetch(tx: Transaction, sql: str, *arguments: object) -> object:
        sent.append(sql)
        return await fetch(tx, sql, *arguments)

    async def counted_execute(tx: Transaction, sql: str, *arguments: object) -> None:
        sent.append(sql)
        await execute(tx, sql, *arguments)

    async def counted_later(tx: Transaction, table: Table, sql: str, *arguments: object) -> None:
        sent.append(table.name)
        await execute_later(tx, table, sql, *arguments)

    async def counted_append(
        tx: Transaction, table: Table, columns: tuple[str, ...], rows: Sequence[Sequence[object]]
    ) -> None:
        before = len(sent)
        await append(tx, table, columns, rows)
        if rows and len(sent) == before:
            sent.append(table.name)

    monkeypatch.setattr(Transaction, "fetch", counted_fetch)
    monkeypatch.setattr(Transaction, "execute", counted_execute)
    monkeypatch.setattr(Transaction, "append", counted_append)
    monkeypatch.setattr(Transaction, "execute_later", counted_later)
    return sent


@pytest.mark.parametrize(("before", "then"), STORIES.values(), ids=STORIES)
def test_a_thousand_commands_take_the_statements_of_one(
    bench: Bench, statements: list[str], before: Sequence[Build], then: Sequence[Build]
) -> None:
    taken = []
    for sessions in (1, *SIZES):  # at first, what is remembered is read
        bench.clear()
        bench.run(bench.connection.executemany(_KEEP, [(ticket(n).id,) for n in range(sessions)]))
        earlier = written(before, sessions, start=1)
        apply(bench, [sent(abandon(session_id=an_id(1)), offset=0), *earlier])
        statements.clear()
        apply(bench, written(then, sessions, start=1 + len(earlier)))
        taken.append(list(statements))
        assert accepted(bench) == len([*before, *then]) * sessions
    assert taken[1]
    assert taken[1:] == [taken[1]] * len(SIZES)


def test_a_refusal_takes_a_dozen_statements_at_most(bench: Bench, statements: list[str]) -> None:
    bench.clear()
    apply(bench, [sent(abandon(session_id=an_id(1)), offset=0)])
    statements.clear()
    apply(bench, [sent(abandon(session_id=an_id(1), command_id=an_id(2)), offset=1)])
    assert len(statements) <= 12


def test_a_thousand_messages_take_the_statements_of_one(
    bench: Bench, recorder: Recorder, statements: list[str]
) -> None:
    async def relay(messages: int) -> list[str]:
        async with AsyncExitStack() as stack:
            relay = await open_relay(stack, bench.engine, recorder.kafka, 0, RelaySettings())
            for _ in range(2):
                async with begin(bench.engine) as tx:
                    await outbox.stage(tx, [Message("replies", b"key", b"{}")] * messages, 1_000)
                statements.clear()
                assert await relay.relay_once() == messages
        return list(statements)

    taken = []
    for messages in SIZES:
        bench.clear()
        taken.append(bench.run(relay(messages)))
    assert taken == [taken[0]] * len(SIZES)


_KEEP = f"insert into tickets (account_id, kind, id) values ('{ACME}', 'internal', $1)"


def ticket(number: int) -> TicketRef:
    return TicketRef(TicketKind.INTERNAL, an_id(0x20000 + number))


def written(story: Sequence[Build], sessions: int, *, start: int) -> list[Sent]:
    """The story's commands for as many sessions, each on a ticket of its own."""
    records: list[Sent] = []
    for number in range(sessions):
        for build in story:
            offset = start + len(records)
            fields: dict[str, Any] = {"session_id": an_id(0x30000 + number), "actor_id": TECH}
            command = build(command_id=an_id(0x40000 + offset), **fields)
            if isinstance(command, Start):
                command = build(command_id=command.command_id, ticket=ticket(number), **fields)
            records.append(sent(command, offset))
    return records


def sent(command: Command, offset: int) -> Sent:
    key = command.session_id.encode()
    return Sent(INTERNAL, 0, offset, key, value_of(command), command)


def apply(bench: Bench, records: Sequence[Sent]) -> None:
    """Apply the records as one batch."""
    span = range(records[0].offset, records[-1].offset + 1)
    batch = Delivered(records, {(INTERNAL, 0): span}).batch()
    bench.run(apply_batch(bench.engine, batch, NOW, LIMITS))


def accepted(bench: Bench) -> int:
    """How many commands took effect."""
    replies: list[Any] = [
        said
        for _, (topic, _), said in bench.run(read_outbox(bench.connection))
        if topic == "replies"
    ]
    return sum(reply["outcome"] == "accepted" for reply in replies)
