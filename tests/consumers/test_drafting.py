"""Helpful AI-built walks become proposal drafts, which go with their sessions."""

from collections.abc import Callable

import pytest

from tests.builders import ACME
from tests.consumers.desk import Desk, resolve
from tests.consumers.gate import Gate, at_once
from tests.consumers.wire import Json, command, new_id

YES = {"answer": "Yes", "option_id": "1"}


async def do(desk: Desk, kind: str, session: str, **more: object) -> Json:
    sent = command(kind, command_id=new_id(), session_id=session, **more)
    await desk.hear(sent)
    return await desk.answer(sent["command_id"])


async def walked(desk: Desk, *questions: str, category: str | None = "email") -> str:
    """An AI-built walk that was answered with yes so often, and is shown its end."""
    session = new_id()
    await do(desk, "start_ai_build", session, ticket_id=f"T-{session}", category=category)
    for question in questions:
        reply = await desk.serve(session, text=question)
        await do(desk, "record_step", session, node_id=reply["node"]["id"], **YES)
    await desk.serve(session, text="Now?")
    return session


async def drafts(desk: Desk) -> list[tuple[str, int, bool]]:
    """The proposals by title: how many questions each has, and whether it is validated."""
    rows = await desk.connection.fetch(
        """
        select title, validated_by_outcome,
            (
                select count(*) from jsonb_each(nodes) as n(id, node)
                where node->>'type' = 'question'
            ) as questions
        from flow_proposals order by title
        """
    )
    return [(row["title"], row["questions"], row["validated_by_outcome"]) for row in rows]


async def test_a_helpful_walk_becomes_a_draft_that_can_be_walked(desk: Desk) -> None:
    session = await walked(desk, "On?", "Loud?")
    await do(desk, "resolve", session, helpful=True)
    assert await drafts(desk) == [("No mail.", 2, False)]
    proposal = await desk.connection.fetchval("select id::text from flow_proposals")
    other = new_id()
    start = {"flow_proposal_id": proposal, "ticket_id": "T-2"}
    first = await do(desk, "start_proposal", other, **start)
    assert first["node"]["text"] == "On?"
    second = await do(desk, "record_step", other, node_id=first["node"]["id"], **YES)
    last = await do(desk, "record_step", other, node_id=second["node"]["id"], **YES)
    assert last["node"]["type"] == "resolve"
    await do(desk, "resolve", other, helpful=True)
    assert await drafts(desk) == [("No mail.", 2, True)]


async def test_intake_picks_no_draft(desk: Desk) -> None:
    session = await walked(desk, "On?", category="printing")
    await do(desk, "resolve", session, helpful=True)
    sought = {"category": "printing", "problem_text": "Paper jams."}
    taken_in = await do(desk, "intake", new_id(), ticket_id="T-2", **sought)
    assert taken_in["outcome"] == "aborted_no_kb"


@pytest.mark.parametrize("helpful", [False, None])
async def test_a_walk_that_did_not_help_leaves_nothing(desk: Desk, helpful: bool | None) -> None:  # noqa: FBT001
    session = await walked(desk, "On?")
    await do(desk, "resolve", session, helpful=helpful)
    assert await drafts(desk) == []


async def test_an_empty_and_an_escalated_walk_leave_nothing(desk: Desk) -> None:
    await do(desk, "resolve", await walked(desk), helpful=True)
    await do(desk, "escalate", await walked(desk, "On?"))
    await do(desk, "abandon", await walked(desk, "On?"))
    assert await drafts(desk) == []


async def test_walks_that_begin_alike_are_one_draft(desk: Desk) -> None:
    for questions in (["On?"], ["On?"], ["On?", "Loud?"], ["On?", "Loud?", "Red?"]):
        await do(desk, "resolve", await walked(desk, *questions), helpful=True)
    assert await drafts(desk) == [("No mail.", 3, False)]


async def test_walks_that_end_in_one_batch_are_one_draft(desk: Desk) -> None:
    sessions = [await walked(desk, "On?"), await walked(desk, "On?", "Loud?")]
    await desk.hear(*(command("resolve", command_id=new_id(), session_id=one) for one in sessions))
    assert await drafts(desk) == [("No mail.", 2, False)]


async def test_walks_without_a_category_are_one_draft(desk: Desk) -> None:
    for questions, category in ((["On?"], None), (["On?", "Loud?"], "")):
        await do(desk, "resolve", await walked(desk, *questions, category=category), helpful=True)
    assert await drafts(desk) == [("No mail.", 2, False)]


async def test_equal_walks_that_end_at_once_are_one_draft(
    desk: Desk, gate: Callable[..., Gate]
) -> None:
    """The second waits for who drafts for the account, and finds the draft."""
    sessions = [await walked(desk, "On?"), await walked(desk, "On?")]
    ends = [desk.batch(resolve(one, helpful=True), partition=at) for at, one in enumerate(sessions)]
    await at_once(desk, gate(), *ends)

    assert await drafts(desk) == [("No mail.", 1, False)]
    rows = await desk.connection.fetch("select session_id::text from proposal_drafts")
    assert {session for (session,) in rows} == set(sessions)


async def test_a_proposal_that_was_built_from_no_walk_is_left_alone(desk: Desk) -> None:
    await do(desk, "resolve", await walked(desk, "On?"), helpful=True)
    await desk.connection.execute(
        """
        with draft as (delete from flow_proposals returning *)
        insert into flow_proposals (id, account_id, title, category, start, nodes)
        select $1, account_id, 'By hand', category, start, nodes from draft
        """,
        new_id(),
    )
    await do(desk, "resolve", await walked(desk, "On?", "Loud?"), helpful=True)
    assert await drafts(desk) == [("By hand", 1, False), ("No mail.", 2, False)]


async def test_other_categories_and_other_beginnings_are_other_drafts(desk: Desk) -> None:
    for question, category in (("On?", "email"), ("On?", "network"), ("Red?", "email")):
        await do(desk, "resolve", await walked(desk, question, category=category), helpful=True)
    assert len(await drafts(desk)) == 3


async def test_a_draft_goes_with_the_first_of_its_sessions(desk: Desk) -> None:
    sessions = [await walked(desk, "On?"), await walked(desk, "On?", "Loud?")]
    for session in sessions:
        await do(desk, "resolve", session, helpful=True)
    await desk.connection.execute("delete from sessions where id = $1", sessions[1])
    assert await drafts(desk) == []
    await desk.connection.execute("delete from accounts where id = $1", ACME)


async def test_a_draft_that_somebody_walks_stays_and_is_left_alone(desk: Desk) -> None:
    session = await walked(desk, "On?")
    await do(desk, "resolve", session, helpful=True)
    proposal = await desk.connection.fetchval("select id::text from flow_proposals")
    start = {"flow_proposal_id": proposal, "ticket_id": "T-2"}
    await do(desk, "start_proposal", new_id(), **start)
    await do(desk, "resolve", await walked(desk, "On?", "Loud?"), helpful=True)
    assert [questions for _, questions, _ in await drafts(desk)] == [1, 2]
    await desk.connection.execute("delete from sessions where id = $1", session)
    assert len(await drafts(desk)) == 2


async def test_a_draft_on_which_a_walk_begins_meanwhile_is_left_alone(
    desk: Desk, gate: Callable[..., Gate]
) -> None:
    """Who drafts waits for the proposal, and sees who walks it once it may go on."""
    await do(desk, "resolve", await walked(desk, "On?"), helpful=True)
    proposal = await desk.connection.fetchval("select id::text from flow_proposals")
    longer = await walked(desk, "On?", "Loud?")
    start = command("start_proposal", command_id=new_id(), flow_proposal_id=proposal)
    batches = [desk.batch(start), desk.batch(resolve(longer, helpful=True), partition=1)]
    await at_once(desk, gate(), *batches)

    assert [questions for _, questions, _ in await drafts(desk)] == [1, 2]
