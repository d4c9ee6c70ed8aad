"""What goes wrong, each really brought about, and what becomes of the batch."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager

import asyncpg
import pytest
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncEngine

from consumers.apply import Batch
from consumers.isolate import Applier, DeploymentWrong, TookTooLong, TryLater
from consumers.worker import Worker, WorkerSettings
from domain.commands import Command
from domain.context import Context, Limits
from domain.decide import decide
from domain.decisions import Decision
from domain.sessions import Session
from firstline.errors import explain
from producers.kafka import Kafka
from storage import database
from storage.database import APPLICATION_NAME, begin, connect
from storage.faults import Fault, classify, describe, took_too_long
from tests.builders import ACME, FLOW, NOW, TECH, an_id
from tests.consumers.desk import Desk, notes, outcomes, start
from tests.consumers.gate import Gate, at_once
from tests.consumers.parked import bad
from tests.consumers.wire import command, new_id
from tests.muted import muted
from tests.waiting import until_waiting

CANARY = "canary7Q2x"


# -- again ------------------------------------------------------------------------------------


async def test_one_command_in_two_batches_at_once_has_one_effect_and_two_answers(
    desk: Desk, gate: Callable[..., Gate]
) -> None:
    """Both find the id unknown, and the primary key decides."""
    one = start()
    batches = [desk.batch(one, start(), partition=number) for number in (0, 1)]
    await at_once(desk, gate(), *batches)

    answers = [reply for reply in await desk.replies() if reply["command_id"] == one["command_id"]]
    assert [answer["outcome"] for answer in answers] == ["accepted"] * 2
    assert sorted(answer["duplicate"] for answer in answers) == [False, True]
    assert await desk.events(one["session_id"]) == ["started"]
    assert (await desk.counts())["sessions"] == 3


@pytest.mark.usefixtures("poison")
async def test_what_another_worker_is_about_to_park_is_not_overtaken(
    desk: Desk, gate: Callable[..., Gate]
) -> None:
    """It has the same partition, and has read further: it knows of the poison once it may go on."""
    session = start()["session_id"]
    parks = desk.batch(bad(session))
    behind = desk.batch(start(session))
    (partition,) = parks.spans
    both = Batch([*parks.items, *behind.items], {partition: range(2)})
    await at_once(desk, gate(), parks, both)

    assert [letter["reason"] for letter in await desk.letters()] == ["poison", "parked"]
    assert await desk.answers() == []


async def test_of_two_starts_on_one_ticket_at_once_one_comes_to_be(
    desk: Desk, gate: Callable[..., Gate]
) -> None:
    """The second waits for the ticket, and sees what the first did."""
    sent = [start(ticket_id="10045"), start(ticket_id="10045")]
    batches = [desk.batch(one, partition=number) for number, one in enumerate(sent)]
    await at_once(desk, gate(), *batches)

    assert await desk.answers() == [
        (sent[0]["command_id"], "accepted"),
        (sent[1]["command_id"], "ticket_has_active_session"),
    ]


async def test_a_user_who_is_deleted_during_a_start_may_not_start(
    desk: Desk, gate: Callable[..., Gate]
) -> None:
    """The foreign key fails the batch, and the next try finds nobody."""
    one = start()
    saving = gate()
    applying = asyncio.ensure_future(desk.apply(one))
    await saving.reached.wait()
    await desk.connection.execute("delete from users where id = $1", TECH)
    saving.opened.set()
    await applying

    assert await desk.answers() == outcomes([one], "forbidden")


async def test_a_flow_that_is_deleted_during_a_start_is_unknown(
    desk: Desk, gate: Callable[..., Gate]
) -> None:
    one = command("start_flow", command_id=new_id(), session_id=new_id())
    saving = gate()
    applying = asyncio.ensure_future(desk.apply(one))
    await saving.reached.wait()
    await desk.connection.execute("delete from flows where id = $1", FLOW)
    saving.opened.set()
    await applying

    assert await desk.answers() == outcomes([one], "unknown_flow")


async def test_an_account_that_is_being_deleted_is_waited_for(desk: Desk) -> None:
    one = start()
    deleting = desk.connection.transaction()
    await deleting.start()
    await desk.connection.execute("delete from accounts where id = $1", ACME)
    applying = asyncio.ensure_future(desk.apply(one))
    await until_waiting(desk.connection, APPLICATION_NAME)
    await deleting.commit()
    await applying

    assert await desk.answers() == outcomes([one], "forbidden")


async def test_a_deadlock_is_tried_again(desk: Desk) -> None:
    sessions = sorted([new_id(), new_id()])
    await desk.apply(*(start(session) for session in sessions))
    other = desk.connection
    await other.execute("set deadlock_timeout = '20s'")  # so that it is the batch that gives up
    locking = other.transaction()
    await locking.start()
    await lock(other, sessions[1])
    sent = [notes(session) for session in sessions]
    applying = asyncio.ensure_future(desk.apply(*sent))
    await until_waiting(desk.connection, APPLICATION_NAME)
    await lock(other, sessions[0])
    await locking.commit()
    applied = await applying

    assert applied.records == 2
    assert (await desk.answers())[2:] == outcomes(sent)


async def test_statements_that_were_prepared_before_the_schema_changed_are_tried_again(
    desk: Desk,
) -> None:
    await desk.apply(start())
    await desk.connection.execute("alter table users alter column name type varchar(300)")
    one = start()
    await desk.apply(one)

    assert (await desk.answers())[1:] == outcomes([one])


# -- wait -------------------------------------------------------------------------------------


async def test_a_connection_that_is_ended_before_the_commit_leaves_nothing_behind(
    desk: Desk, gate: Callable[..., Gate]
) -> None:
    batch = desk.batch(*(sent := [start(), start()]))
    saving = gate()
    applying = asyncio.ensure_future(desk.applier.apply(batch, NOW))
    await saving.reached.wait()
    before = await desk.counts()
    await desk.connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'firstline' and datname = current_database()"
    )
    saving.opened.set()
    with pytest.raises(TryLater):
        await applying
    assert await desk.counts() == before

    applied = await desk.applier.apply(batch, NOW)

    assert (applied.records, applied.repeated) == (2, 0)
    assert await desk.answers() == outcomes(sent)


@pytest.mark.parametrize("committed", [True, False])
async def test_a_connection_that_is_cut_during_the_commit_leaves_the_answer_to_the_positions(
    desk: Desk,
    database_url: str,
    committed: bool,  # noqa: FBT001 - an example
) -> None:
    sent = [start(), start()]
    batch = desk.batch(*sent)
    async with cutting_proxy(database_url, behind_commit=committed) as url:
        engine = connect(url)
        with pytest.raises(TryLater):
            await Desk(engine, desk.connection).applier.apply(batch, NOW)
        await engine.dispose()
    assert await desk.answers() == (outcomes(sent) if committed else [])

    applied = await desk.applier.apply(batch, NOW)

    assert (applied.records, applied.repeated) == ((0, 2) if committed else (2, 0))
    assert await desk.answers() == outcomes(sent)
    assert (await desk.counts())["sessions"] == 2


async def test_a_server_that_is_not_there_is_waited_for(desk: Desk, database_url: str) -> None:
    nobody = make_url(database_url).set(port=1).render_as_string(hide_password=False)
    engine = connect(nobody)
    with pytest.raises(TryLater):
        await Desk(engine, desk.connection).apply(start())
    assert await desk.letters() == []


async def test_a_server_that_only_reads_is_waited_for(desk: Desk, database_url: str) -> None:
    """As one does that was demoted a moment ago."""
    await desk.connection.execute(
        f"alter database {make_url(database_url).database} set default_transaction_read_only = on"
    )
    batch = desk.batch(one := start())
    with pytest.raises(TryLater, match="25006"):
        await desk.applier.apply(batch, NOW)
    assert await desk.letters() == []
    await desk.connection.execute(
        f"alter database {make_url(database_url).database} set default_transaction_read_only = off"
    )
    await desk.engine.dispose()
    await desk.applier.apply(batch, NOW)
    assert await desk.answers() == outcomes([one])


async def test_a_process_that_stood_still_in_a_transaction_tries_again(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Postgres has ended its connection meanwhile, and says so at the next statement."""
    monkeypatch.setitem(database._SESSION_SETTINGS, "idle_in_transaction_session_timeout", "200ms")
    engine = connect(database_url)

    def standing_still(session: Session, command: Command, context: Context) -> Decision:
        time.sleep(1)
        return decide(session, command, context)

    monkeypatch.setattr("consumers.fold.decide", standing_still)
    batch = desk.batch(one := start())
    with pytest.raises(TryLater, match="25P03"):
        await Applier(engine, Limits()).apply(batch, NOW)
    monkeypatch.undo()
    await Applier(engine, Limits()).apply(batch, NOW)
    await engine.dispose()
    assert await desk.answers() == outcomes([one])


async def test_a_race_without_an_end_is_waited_for(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def racing(*_: object) -> None:
        raise asyncpg.SerializationError

    monkeypatch.setattr("consumers.apply.save", racing)
    with pytest.raises(TryLater):
        await desk.apply(start(), start())
    assert (await desk.counts())["dead_letters"] == 0


# -- stop -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "alter table outbox rename to elsewhere",
        "alter table sessions drop column reason cascade",
        "drop view session_walks; drop table session_notes",
    ],
)
async def test_a_database_that_is_not_as_it_should_be_stops_the_worker(
    desk: Desk, statement: str
) -> None:
    one = start()
    await desk.apply(one)
    await desk.connection.execute(statement)
    with pytest.raises(DeploymentWrong):
        await desk.apply(notes(one["session_id"]))
    assert await desk.position() == 1
    assert await desk.letters() == []


@pytest.mark.parametrize(
    ("database", "username", "state"), [("nowhere", None, "3D000"), (None, "nobody", "28")]
)
async def test_a_server_that_lets_nobody_in_is_no_matter_of_the_schema(
    desk: Desk, database_url: str, database: str | None, username: str | None, state: str
) -> None:
    elsewhere = make_url(database_url).set(database=database, username=username)
    engine = connect(elsewhere.render_as_string(hide_password=False))
    with pytest.raises(DeploymentWrong, match=state) as stopped:
        await Desk(engine, desk.connection).apply(start())
    await engine.dispose()
    sentence = explain(stopped.value)
    assert sentence is not None
    assert sentence.endswith("; look at FIRSTLINE_DATABASE_URL")


# -- the classes, statement by statement ------------------------------------------------------

OWN, AGAIN, WAIT, STOP = Fault.OWN, Fault.AGAIN, Fault.WAIT, Fault.STOP


STATEMENTS = {
    f"select '{CANARY}'::uuid": OWN,
    f"select '{CANARY}'::json": OWN,
    "select '\"\\u0000\"'::jsonb ->> 0": OWN,
    "select 1 / 0": OWN,
    "select 9223372036854775807 + 1": OWN,
    "select '294276-13-01'::timestamptz": OWN,
    "insert into accounts (id) values (gen_random_uuid())": OWN,
    "insert into positions values ('t', 0, -1)": OWN,
    "insert into accounts select * from accounts": AGAIN,
    f"insert into articles values ('{an_id(1)}', '{an_id(2)}', '', null, '')": AGAIN,
    "set local lock_timeout = '1ms'; lock table inbox": AGAIN,
    "set local statement_timeout = '1ms'; select pg_sleep(1)": WAIT,
    "select pg_terminate_backend(pg_backend_pid())": WAIT,
    "select pg_cancel_backend(pg_backend_pid())": WAIT,
    "set transaction read only; delete from positions": WAIT,
    "select * from nowhere": STOP,
    "select nothing from accounts": STOP,
    "select no_such_function()": STOP,
    "selec": STOP,
}


async def test_an_error_of_postgres_has_its_class(desk: Desk) -> None:
    found = {}
    async with desk.connection.transaction():
        await desk.connection.execute("lock table inbox")
        for statement in STATEMENTS:
            error = await failure(desk.engine, statement)
            found[statement] = classify(error)
            assert CANARY not in describe(error)
    assert found == STATEMENTS


async def test_where_no_server_is_the_primary_every_batch_waits(database_url: str) -> None:
    """As between the end of one and the promotion of another; here, none is a standby."""
    url = make_url(database_url).update_query_dict({"target_session_attrs": "standby"})
    engine = connect(url.render_as_string(hide_password=False))
    error = await failure(engine, "select 1")
    assert (classify(error), describe(error)) == (WAIT, "TargetServerAttributeNotMatched")
    await engine.dispose()


@pytest.mark.parametrize(
    ("error", "too_long"),
    [
        (asyncpg.QueryCanceledError(), True),
        (asyncpg.TransactionTimeoutError(), True),
        (asyncpg.LockNotAvailableError(), False),
        (TimeoutError(), False),
    ],
)
def test_what_took_too_long_may_be_quick_in_parts(error: Exception, *, too_long: bool) -> None:
    assert took_too_long(error) is too_long


@pytest.mark.parametrize("value", ["\ud800", 7])
async def test_a_value_that_the_driver_refuses_is_the_record_s_own_fault(
    desk: Desk, value: object
) -> None:
    assert classify(await failure(desk.engine, "select $1::text", value)) is OWN


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ConnectionResetError(), WAIT),
        (ConnectionRefusedError(), WAIT),
        (TimeoutError(), WAIT),
        (asyncpg.InterfaceError("connection is closed"), WAIT),
        (asyncpg.TooManyConnectionsError(), WAIT),
        (asyncpg.CannotConnectNowError(), WAIT),
        (asyncpg.DiskFullError(), WAIT),
        (asyncpg.OutOfMemoryError(), WAIT),
        (asyncpg.AdminShutdownError(), WAIT),
        (asyncpg.CrashShutdownError(), WAIT),
        (asyncpg.IdleInTransactionSessionTimeoutError(), WAIT),
        (asyncpg.TransactionTimeoutError(), WAIT),
        # For a moment after the server has said that it ends an idle connection.
        (asyncpg.InternalClientError("cannot switch to state 15; another operation (2)"), WAIT),
        (asyncpg.SerializationError(), AGAIN),
        (asyncpg.DeadlockDetectedError(), AGAIN),
        (asyncpg.StatementTooComplexError(), OWN),
        (asyncpg.InsufficientPrivilegeError(), STOP),
        (asyncpg.InvalidPasswordError(), STOP),
        (RuntimeError(CANARY), OWN),
        (RecursionError(), OWN),
        (KeyError(CANARY), OWN),
    ],
)
def test_an_error_has_its_class(error: Exception, fault: Fault) -> None:
    assert classify(error) is fault
    assert CANARY not in describe(error)


# -- the ways to bring it about ---------------------------------------------------------------


async def failure(engine: AsyncEngine, statement: str, *arguments: object) -> Exception:
    """What a transaction raises."""
    try:
        async with begin(engine) as tx:
            await tx.execute(statement, *arguments)
    except Exception as error:  # noqa: BLE001 - that is the point
        return error
    pytest.fail("nothing went wrong")


async def lock(connection: asyncpg.Connection, session_id: str) -> None:
    await connection.execute("select from sessions where id = $1 for update", session_id)


@asynccontextmanager
async def cutting_proxy(database_url: str, *, behind_commit: bool) -> AsyncIterator[str]:
    """A way to the database that ends at the first COMMIT: before it arrives, or behind it."""
    server = make_url(database_url)
    ways: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(server.host, server.port)
        cut = asyncio.Event()
        forth = asyncio.ensure_future(_requests(reader, back, cut, behind_commit=behind_commit))
        ways.update((forth, home := asyncio.ensure_future(_answers(there, writer, cut))))
        await asyncio.wait({forth, home}, return_when=asyncio.FIRST_COMPLETED)
        writer.close()
        back.close()

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = proxy.sockets[0].getsockname()[1]
    try:
        yield server.set(host="127.0.0.1", port=port).render_as_string(hide_password=False)
    finally:
        proxy.close()
        await asyncio.gather(*ways, return_exceptions=True)


async def _requests(
    client: asyncio.StreamReader,
    server: asyncio.StreamWriter,
    cut: asyncio.Event,
    *,
    behind_commit: bool,
) -> None:
    while data := await client.read(65_536):
        if b"commit\0" in data:
            if not behind_commit:
                return
            cut.set()
        server.write(data)
        await server.drain()


async def _answers(
    server: asyncio.StreamReader, client: asyncio.StreamWriter, cut: asyncio.Event
) -> None:
    while data := await server.read(65_536):
        if cut.is_set():
            return  # it has committed, and nobody is told
        client.write(data)
        await client.drain()


# -- what takes too long ----------------------------------------------------------------------


async def test_a_batch_that_takes_a_statement_too_long_is_applied_in_halves(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many intakes at once do, each of which is quick. In between, Kafka is polled."""

    async def search(_: object, problems: Collection[object]) -> dict[object, tuple[()]]:
        if len(problems) > 2:
            raise asyncpg.QueryCanceledError
        return dict.fromkeys(problems, ())

    monkeypatch.setattr("storage.search.find", search)
    worker = Worker(
        Kafka("127.0.0.1:1", "t."), database_url, Applier(desk.engine, Limits()), WorkerSettings()
    )
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(worker, "_wait_and_poll", wait)
    sent = [
        command("intake", command_id=new_id(), session_id=new_id(), ticket_id=f"T-{n}",
                problem_text=f"Number {n}")
        for n in range(7)
    ]  # fmt: skip

    assert await worker._apply(desk.batch(*sent))

    assert await desk.answers() == [(one["command_id"], "aborted_no_kb") for one in sent]
    assert len(waits) == 3


async def test_one_command_that_takes_a_statement_too_long_is_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        raise asyncpg.QueryCanceledError

    monkeypatch.setattr("storage.search.find", never)
    with pytest.raises(TryLater) as told:
        await desk.apply(command("intake", command_id=new_id(), session_id=new_id()))
    assert not isinstance(told.value, TookTooLong)


async def test_a_server_that_is_gone_without_a_word_is_not_waited_for_longer_than_it_may_take(
    desk: Desk, database_url: str
) -> None:
    """What it was asked meanwhile is never heard of any more."""
    async with muted(database_url) as (url, silent):
        engine = connect(url, answer_seconds=1)
        applier = Applier(engine, Limits())
        await applier.apply(desk.batch(start()), NOW)
        silent.set()
        batch = desk.batch(one := start())
        async with asyncio.timeout(60):
            with pytest.raises(TryLater):
                await applier.apply(batch, NOW)
            silent.clear()
            await applier.apply(batch, NOW)
        await engine.dispose()
    *_, last = await desk.answers()
    assert last == (one["command_id"], "accepted")


async def test_a_command_id_that_was_forgotten_stops_nobody_else(desk: Desk) -> None:
    """Its node request has the id of one that is there still: Postgres refuses it every time."""
    one = command("start_ai_build", command_id=new_id(), session_id=new_id(), ticket_id="A")
    await desk.apply(one)
    await desk.connection.execute("delete from inbox")
    again = one | {"session_id": new_id(), "ticket_id": "B"}
    await desk.apply(again, other := start())
    *_, last = await desk.answers()
    assert last == (other["command_id"], "accepted")
    assert [letter["reason"] for letter in await desk.letters()] == ["poison"]
