"""A node is paid for once, kept before it is served, and never silently missing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from consumers.generating import Generating, GeneratingSettings
from domain.built_nodes import AI_UNAVAILABLE
from firstline.accounts import delete as delete_account
from integrations.generator import Case, NodeDraft, NodeOption, Unavailable, Usage
from producers.handover import CUT
from schemas.states import NodeRequest
from storage import accounts, node_results, outbox
from storage.database import APPLICATION_NAME, Transaction, begin
from storage.node_results import Budget, Claimant, Granted
from storage.outbox import Message
from tests.builders import ACME, GLOBEX, an_id
from tests.consumers.asking import asked_of, started
from tests.consumers.desk import Desk
from tests.consumers.generators import DRAFT, USAGE, Counting, always
from tests.consumers.wire import Json, command, new_id
from tests.waiting import until_waiting

DEFAULT = GeneratingSettings()
ARTICLE, GLOBEX_ARTICLE = an_id(0x71), an_id(0x72)


def consumer(
    desk: Desk,
    generator: Counting,
    holder: str = "one",
    settings: GeneratingSettings = DEFAULT,
) -> Generating:
    return Generating(desk.engine, generator, holder, settings)


async def do(desk: Desk, kind: str, session: str, **more: object) -> Json:
    """Send a command to the session; return its reply."""
    sent = command(kind, command_id=new_id(), session_id=session, **more)
    await desk.hear(sent)
    return await desk.answer(sent["command_id"])


async def served(desk: Desk) -> list[Json]:
    """The commands that serve nodes, in order."""
    return [one for one in await desk.asked() if one["type"] == "serve_node"]


async def shown(desk: Desk) -> Json:
    """Apply the last command that serves a node; return its reply."""
    *_, last = await served(desk)
    await desk.hear(last)
    return await desk.answer(last["command_id"])


async def used(desk: Desk) -> list[tuple[object, ...]]:
    rows = await desk.connection.fetch(
        """
        select account_id::text, calls, input_tokens, output_tokens, cost_microdollars
        from node_usage_by_account_and_day order by account_id
        """
    )
    return [tuple(row) for row in rows]


# -- once ------------------------------------------------------------------------------------


async def test_a_node_reaches_who_asked_for_it(desk: Desk) -> None:
    asked = await started(desk, correlation="chat-7")
    generator = Counting()
    assert await consumer(desk, generator).answer_once(asked) is None
    reply = await shown(desk)
    assert (reply["outcome"], reply["correlation"]) == ("accepted", "chat-7")
    assert reply["session"]["current_node_id"] == reply["node"]["id"]
    assert reply["node"] == {
        "id": reply["node"]["id"],
        "type": "question",
        "text": "Is it on?",
        "options": [{"id": "1", "label": "Yes"}, {"id": "2", "label": "No"}],
    }
    *_, event = await desk.messages("session-events", asked.session_id)
    assert event["type"] == "firstline.session.node_served.v1"
    assert event["data"]["node"] == reply["node"]
    assert generator.keys == [asked.request_id]
    again = await do(desk, "next_node", asked.session_id)
    assert (again["node"], again["version"]) == (reply["node"], reply["version"])


async def test_a_redelivered_request_calls_nobody(desk: Desk) -> None:
    asked = await started(desk)
    generator = Counting()
    for holder in ("one", "one", "other"):
        assert await consumer(desk, generator, holder).answer_once(asked) is None
    await desk.connection.execute("update node_results set claimed_until = claimed_at")
    assert await consumer(desk, generator, "other").answer_once(asked) is None, "long after it"
    await shown(desk)
    assert await consumer(desk, generator).answer_once(asked) is None
    assert (len(generator.asked), len(await served(desk))) == (1, 1)
    assert await used(desk) == [(ACME, 1, 100, 20, 7)]


async def test_two_consumers_at_once_make_one_call(desk: Desk) -> None:
    asked = await started(desk)
    generator = Counting()
    generator.gate.clear()
    first = asyncio.ensure_future(consumer(desk, generator).answer(asked))
    await generator.until_asked(1)
    left = await consumer(desk, generator, "other").answer_once(asked)
    assert left is not None
    assert left > 0
    second = asyncio.ensure_future(consumer(desk, generator, "other").answer(asked))
    generator.gate.set()
    async with asyncio.timeout(20):
        await asyncio.gather(first, second)
    assert (len(generator.asked), len(await served(desk))) == (1, 1)


async def test_storing_and_deleting_the_account_do_not_wait_for_each_other(
    desk: Desk, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await started(desk)
    generator = Counting()
    generator.gate.clear()
    answering = asyncio.ensure_future(consumer(desk, generator).answer(asked))
    await generator.until_asked(1)
    rounds = 0
    delete = accounts.delete_sessions

    async def gated(*arguments: Any) -> None:  # noqa: ANN401 - those of delete_sessions
        nonlocal rounds
        rounds += 1
        generator.gate.set()
        await until_waiting(desk.connection, "firstline")
        await asyncio.sleep(1.2)  # who waits looks for a deadlock after a second, and not again
        await delete(*arguments)

    monkeypatch.setattr(accounts, "delete_sessions", gated)
    assert await delete_account(database_url, ACME) == 1
    await answering
    assert (rounds, await served(desk), await used(desk)) == (1, [], [])


async def test_a_claim_that_ran_out_is_taken_over_and_one_result_stands(desk: Desk) -> None:
    asked = await started(desk)
    slow, quick = Counting(), Counting()
    slow.gate.clear()
    first = asyncio.ensure_future(consumer(desk, slow).answer(asked))
    await slow.until_asked(1)
    await desk.connection.execute("update node_results set claimed_until = claimed_at")
    await consumer(desk, quick, "other").answer(asked)
    slow.gate.set()
    await first
    assert len(await served(desk)) == 1
    assert await used(desk) == [(ACME, 2, 200, 40, 14)], "both were paid"


async def test_what_a_consumer_held_when_it_died_is_free_for_its_successor(desk: Desk) -> None:
    asked = await started(desk)
    stuck, generator = Counting(), Counting()
    stuck.gate.clear()
    died = asyncio.ensure_future(consumer(desk, stuck).answer(asked))
    await stuck.until_asked(1)
    died.cancel()
    other = consumer(desk, generator, "on")  # as worker-1 is to worker-10
    await other.take_place()
    await other.let_go()
    assert await other.answer_once(asked) is not None, "another's claims stand"
    successor = consumer(desk, generator)
    await successor.take_place()
    assert await successor.answer_once(asked) is None
    assert len(generator.asked) == 1


async def test_who_lost_its_place_frees_nothing_of_its_successor(desk: Desk) -> None:
    asked = await started(desk)
    lost, successor, stuck = consumer(desk, Counting()), Counting(), Counting()
    stuck.gate.clear()
    calling = asyncio.ensure_future(consumer(desk, stuck).answer(asked))
    await stuck.until_asked(1)
    await lost.let_go()
    assert await consumer(desk, successor, "other").answer_once(asked) is not None
    assert not successor.asked
    stuck.gate.set()
    await calling


async def test_what_postgres_refuses_of_an_answer_is_paid_for_once(desk: Desk) -> None:
    asked = await started(desk)
    generator = Counting(usage=Usage("stub", 10**30, 20, 7))
    async with asyncio.timeout(20):
        await consumer(desk, generator).answer(asked)
    assert len(generator.asked) == 1
    assert (await shown(desk))["node"]["reason_category"] == AI_UNAVAILABLE
    assert await used(desk) == []


async def test_a_result_whose_commit_nobody_heard_of_is_stored_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = await started(desk)
    generator = Counting()
    unheard = iter([False, True])

    @asynccontextmanager
    async def deaf(engine: AsyncEngine) -> AsyncIterator[Transaction]:
        async with begin(engine) as tx:
            yield tx
        if next(unheard, False):
            raise OSError

    monkeypatch.setattr("consumers.generating.begin", deaf)
    async with asyncio.timeout(20):
        await consumer(desk, generator).answer(asked)
    assert (len(generator.asked), len(await served(desk))) == (1, 1)
    assert await used(desk) == [(ACME, 1, 100, 20, 7)]


@pytest.mark.parametrize(
    "failure", [OSError(), asyncpg.SerializationError()], ids=["away", "a race lost"]
)
async def test_a_result_is_kept_until_the_database_takes_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    asked = await started(desk)
    generator = Counting()
    stage, failures = outbox.stage, iter([failure, failure])

    async def failing(tx: Transaction, messages: Sequence[Message], most: int) -> None:
        for error in failures:
            raise error
        await stage(tx, messages, most)

    monkeypatch.setattr(outbox, "stage", failing)
    assert await consumer(desk, generator).answer_once(asked) is None
    assert (len(generator.asked), len(await served(desk))) == (1, 1)


async def test_what_serves_a_node_has_the_id_of_what_it_answers(desk: Desk) -> None:
    """So that a result that was lost, as of a restored database, is served once all the same."""
    asked = await started(desk)
    await consumer(desk, Counting()).answer(asked)
    await desk.connection.execute("delete from node_results")
    await consumer(desk, Counting()).answer(asked)
    first, again = await served(desk)
    assert first["command_id"] == again["command_id"]


async def test_a_claim_outlasts_a_generator_that_takes_as_long_as_it_may(desk: Desk) -> None:
    """By as long as storing the result may take: it is paid, and nobody is to pay again."""
    await consumer(desk, Counting()).answer(await started(desk))
    claimed = await desk.connection.fetchval("select claimed_until - claimed_at from node_results")
    assert claimed.total_seconds() >= DEFAULT.seconds + 30


async def test_nobody_is_called_where_nobody_waits_any_more(desk: Desk) -> None:
    ended, elsewhere = await started(desk), await started(desk)
    await do(desk, "abandon", ended.session_id)
    generator = Counting()
    await consumer(desk, generator).answer(elsewhere)
    node = (await shown(desk))["node"]
    step = {"node_id": node["id"], "answer": "Yes", "option_id": "1"}
    await do(desk, "record_step", elsewhere.session_id, **step)
    passed_over = await asked_of(desk, elsewhere.session_id)
    await do(desk, "record_step", elsewhere.session_id, **step)
    unknown = passed_over.model_copy(update={"request_id": new_id()})
    served_otherwise = await started(desk)
    await desk.serve(served_otherwise.session_id)
    for asked in (ended, passed_over, unknown, served_otherwise):
        assert await consumer(desk, generator).answer_once(asked) is None
    assert len(generator.asked) == 1


async def test_what_another_walk_asked_for_later_puts_no_request_off(desk: Desk) -> None:
    generator = Counting()
    first = await started(desk)
    await consumer(desk, generator).answer(first)
    node = (await shown(desk))["node"]
    step = {"node_id": node["id"], "answer": "Yes", "option_id": "1"}
    await do(desk, "record_step", first.session_id, **step)
    other = await started(desk)
    assert await consumer(desk, generator).answer_once(other) is None
    assert [one.request_id for one in generator.asked] == [first.request_id, other.request_id]


async def test_a_late_node_is_refused_and_says_so_to_who_asked(desk: Desk) -> None:
    asked = await started(desk, correlation="chat-7")
    generator = Counting()
    generator.gate.clear()
    answering = asyncio.ensure_future(consumer(desk, generator).answer(asked))
    await generator.until_asked(1)
    await do(desk, "abandon", asked.session_id)
    generator.gate.set()
    await answering
    reply = await shown(desk)
    assert (reply["code"], reply["correlation"]) == ("not_active", "chat-7")


# -- what goes in ----------------------------------------------------------------------------


async def test_the_generator_is_told_of_its_own_account_and_session_alone(desk: Desk) -> None:
    await desk.connection.executemany(
        "insert into articles (id, account_id, title, category, body) values ($1, $2, $3, $4, $5)",
        [
            (ARTICLE, ACME, "Printers", None, "A printer that burns is switched off."),
            (GLOBEX_ARTICLE, GLOBEX, "Printers", "fire", "Our printer burns: secret."),
            (an_id(0x73), ACME, "Mail", "email", "Mail waits."),
        ],
    )
    asked = await started(desk, problem_text="The printer burns", category="fire")
    generator = Counting(always(NodeDraft("action", "Switch it off.", article_id=ARTICLE)))
    await consumer(desk, generator).answer(asked)
    reply = await shown(desk)
    assert reply["node"]["article_id"] == ARTICLE
    step = {"node_id": reply["node"]["id"], "answer": "Done", "note": "Hot."}
    await do(desk, "record_step", asked.session_id, **step)
    await consumer(desk, generator).answer(await asked_of(desk, asked.session_id))
    first, second = generator.asked
    assert [one.id for one in first.articles] == [ARTICLE]
    assert (first.account_id, first.category, first.path) == (ACME, "fire", ())
    assert [(one.question, one.answer, one.note) for one in second.path] == [
        ("Switch it off.", "Done", "Hot.")
    ]
    assert (first.nodes_left, second.nodes_left) == (12, 11)


async def test_what_a_request_says_of_its_account_and_session_is_not_believed(desk: Desk) -> None:
    """What was recorded is, and only the walk so far is taken from the message."""
    asked = await started(desk)
    forged: Json = {"account_id": GLOBEX, "session_id": new_id()}
    generator = Counting()
    await consumer(desk, generator).answer(asked.model_copy(update=forged))
    assert [one.account_id for one in generator.asked] == [ACME]
    (serving,) = await served(desk)
    assert (serving["account_id"], serving["session_id"]) == (ACME, asked.session_id)


async def test_of_a_walk_that_was_cut_the_generator_is_told_what_is_left(desk: Desk) -> None:
    asked = await started(desk)
    cut: Json = {"path": [{"cut": CUT}, {"question": "On?", "answer": "Yes"}]}
    generator = Counting()
    await consumer(desk, generator).answer(asked.model_copy(update=cut))
    (case,) = generator.asked
    assert [(one.question, one.answer, one.note) for one in case.path] == [("On?", "Yes", None)]


# -- what comes back -------------------------------------------------------------------------


def fails(error: Exception) -> Callable[[Case], NodeDraft]:
    def say(_: Case) -> NodeDraft:
        raise error

    return say


FAILURES: dict[str, Callable[[Case], NodeDraft]] = {
    "nobody answers": fails(Unavailable("away")),
    "nobody answers, for money": fails(Unavailable("nonsense", USAGE)),
    "a fault of the generator": fails(ZeroDivisionError()),
    "a foreign article": always(NodeDraft("action", "Go.", article_id=GLOBEX_ARTICLE)),
    "no text": always(NodeDraft("action", " ")),
    "one option": always(NodeDraft("question", "On?", (NodeOption("Yes"),))),
    "a text that nobody can store": always(NodeDraft("action", "\0")),
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_without_a_node_escalation_is_offered_and_asking_again_works(
    desk: Desk, failure: str
) -> None:
    asked = await started(desk)
    await consumer(desk, Counting(FAILURES[failure])).answer(asked)
    reply = await shown(desk)
    assert (reply["node"]["type"], reply["node"]["reason_category"]) == (
        "escalate",
        AI_UNAVAILABLE,
    )
    assert (await do(desk, "next_node", asked.session_id)).get("node") is None
    again = Counting()
    await consumer(desk, again).answer(await asked_of(desk, asked.session_id))
    assert (await shown(desk))["node"]["text"] == DRAFT.text
    assert [one.nodes_left for one in again.asked] == [DEFAULT.ai_nodes]
    paid = failure not in {"nobody answers", "a fault of the generator"}
    assert await used(desk) == [(ACME, 1 + paid, 100 * (1 + paid), 20 * (1 + paid), 7 * (1 + paid))]


async def test_who_is_asked_again_is_told_of_the_walk_so_far(desk: Desk) -> None:
    asked = await started(desk)
    await consumer(desk, Counting()).answer(asked)
    node = (await shown(desk))["node"]
    step = {"node_id": node["id"], "answer": "Yes", "option_id": "1"}
    await do(desk, "record_step", asked.session_id, **step)
    away = Counting(FAILURES["nobody answers"])
    await consumer(desk, away).answer(await asked_of(desk, asked.session_id))
    await shown(desk)
    await do(desk, "next_node", asked.session_id)
    again = Counting()
    await consumer(desk, again).answer(await asked_of(desk, asked.session_id))
    assert [[one.answer for one in case.path] for case in away.asked + again.asked] == [["Yes"]] * 2


async def test_a_generator_that_takes_too_long_is_not_waited_for(desk: Desk) -> None:
    asked = await started(desk)
    stuck = Counting()
    stuck.gate.clear()
    await consumer(desk, stuck, settings=GeneratingSettings(seconds=0.01)).answer(asked)
    assert (await shown(desk))["node"]["reason_category"] == AI_UNAVAILABLE


async def test_a_step_that_does_harm_becomes_an_escalation(desk: Desk) -> None:
    asked = await started(desk)
    await consumer(desk, Counting(always(NodeDraft("action", "Wipe the disk.")))).answer(asked)
    node = (await shown(desk))["node"]
    assert (node["type"], node["reason_category"]) == ("escalate", "needs_engineer")


# -- budgets ---------------------------------------------------------------------------------


async def answered(
    desk: Desk, generator: Counting, account: str, settings: GeneratingSettings = DEFAULT
) -> str:
    """The type of the node that a new walk of the account gets."""
    asked = await started(desk, account)
    await consumer(desk, generator, settings=settings).answer(asked)
    node = (await shown(desk))["node"]
    return str(node.get("reason_category", node["type"]))


@pytest.mark.parametrize("budget", [Budget(2, 1_000), Budget(1_000, 14)])
async def test_an_account_that_used_up_its_day_is_offered_escalation(
    desk: Desk, budget: Budget
) -> None:
    generator, settings = Counting(), GeneratingSettings(budget=budget)
    got = [await answered(desk, generator, ACME, settings) for _ in range(3)]
    assert got == ["question", "question", AI_UNAVAILABLE]
    assert await answered(desk, generator, GLOBEX, settings) == "question"
    await desk.connection.execute("update node_usage set used_at = used_at - interval '1 day'")
    assert await answered(desk, generator, ACME, settings) == "question"
    assert len(generator.asked) == 4


@pytest.mark.parametrize("policy", [{"ai_nodes_per_day": 0}, {"ai_microdollars_per_day": 0}])
async def test_an_account_may_say_what_its_day_is(desk: Desk, policy: dict[str, int]) -> None:
    await desk.set_policy(ACME, **policy)
    generator = Counting()
    assert await answered(desk, generator, ACME) == AI_UNAVAILABLE
    assert await answered(desk, generator, GLOBEX) == "question"


async def test_calls_under_way_count(desk: Desk) -> None:
    first, second = await started(desk), await started(desk)
    generator = Counting()
    generator.gate.clear()
    one_a_day = GeneratingSettings(budget=Budget(1, 1_000))
    answering = asyncio.ensure_future(consumer(desk, generator, settings=one_a_day).answer(first))
    await generator.until_asked(1)
    await consumer(desk, generator, settings=one_a_day).answer(second)
    assert (await shown(desk))["node"]["reason_category"] == AI_UNAVAILABLE
    generator.gate.set()
    await answering
    assert len(generator.asked) == 1


async def test_calls_under_way_for_another_account_do_not(desk: Desk) -> None:
    ours, theirs = await started(desk), await started(desk, GLOBEX)
    generator, another = Counting(), Counting()
    generator.gate.clear()
    one_a_day = GeneratingSettings(budget=Budget(1, 1_000))
    answering = asyncio.ensure_future(consumer(desk, generator, settings=one_a_day).answer(ours))
    await generator.until_asked(1)
    await consumer(desk, another, settings=one_a_day).answer(theirs)
    generator.gate.set()
    await answering
    assert (len(generator.asked), len(another.asked)) == (1, 1)


async def test_claims_of_an_account_take_turns_and_count_until_they_run_out(desk: Desk) -> None:
    asked = [await started(desk) for _ in range(3)]

    async def within_budget(tx: Transaction, request: NodeRequest) -> bool:
        claimant = Claimant("one", new_id(), 30)
        granted = await node_results.claim(tx, request.request_id, claimant, Budget(1, 10**9))
        assert isinstance(granted, Granted)
        return granted.within_budget

    async def at_once(request: NodeRequest) -> bool:
        async with begin(desk.engine) as tx:
            return await within_budget(tx, request)

    async with begin(desk.engine) as tx:
        assert await within_budget(tx, asked[0])
        second = asyncio.ensure_future(at_once(asked[1]))
        await until_waiting(desk.connection, APPLICATION_NAME)
    assert not await second
    await desk.connection.execute("update node_results set claimed_until = claimed_at")
    assert await at_once(asked[2])


# -- what is gone ----------------------------------------------------------------------------


async def test_what_was_paid_outlives_the_session_and_nothing_else_does(desk: Desk) -> None:
    asked = await started(desk)
    await consumer(desk, Counting()).answer(asked)
    await shown(desk)
    await desk.connection.execute("delete from sessions")
    counts = await desk.connection.fetchrow(
        """
        select (select count(*) from node_requests), (select count(*) from node_results),
            (select count(*) from served_nodes), (select count(*) from node_usage)
        """
    )
    assert tuple(counts) == (0, 0, 0, 1)
