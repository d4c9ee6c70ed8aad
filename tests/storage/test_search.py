"""What an account knows about a problem is found in a real Postgres."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.intake import Candidate
from storage import search
from storage.database import begin, connect
from storage.search import Problem
from tests.storage.catalogue_files import (
    ARTICLE,
    Desk,
    Json,
    account,
    article,
    flow,
    proposal,
    user,
)
from tests.storage.rows import ACME, FLOW, GLOBEX, NOW, PROPOSAL, a_session, insert

OTHER = "00000000-0000-4000-8000-0000000000{:02}"
MAIL = Problem(ACME, "No mail since noon.", None)


@pytest.fixture
async def engine(desk: Desk) -> AsyncIterator[AsyncEngine]:
    engine = connect(desk.url)
    yield engine
    await engine.dispose()


LED: Json = {"start": "d", "nodes": {"d": {"type": "resolve", "text": "Solved."}}}


def trusted(**more: object) -> Json:
    return proposal(validated_by_outcome=True, **more)


async def know(desk: Desk, **sections: list[Json]) -> None:
    """Two accounts, the first of which knows what is told."""
    await desk.load(
        accounts=[account(), account(id=GLOBEX, name="Globex")], users=[user()], **sections
    )


async def found(engine: AsyncEngine, problem: Problem = MAIL) -> list[str]:
    """The ids of the candidates for a problem, as they come."""
    async with begin(engine) as tx:
        candidates = await search.find(tx, [problem])
    return [one.id for one in candidates[problem]]


async def test_the_newest_version_is_found_of_flows_in_use(desk: Desk, engine: AsyncEngine) -> None:
    archived = flow(id=OTHER.format(1), archived=True, **LED)
    renamed = [
        flow(id=OTHER.format(2), **LED),
        flow(id=OTHER.format(2), version=2, title="Fax", **LED),
    ]
    await know(desk, flows=[flow(**LED), flow(version=2, **LED), archived, *renamed])
    async with begin(engine) as tx:
        [one] = (await search.find(tx, [MAIL]))[MAIL]
    assert (one.id, one.version, one.title) == (FLOW, 2, "Mail")


async def test_a_flow_that_several_problems_find_is_there_for_each(
    desk: Desk, engine: AsyncEngine
) -> None:
    await know(desk, flows=[flow(**LED)], flow_proposals=[trusted(title="Mail is late")])
    problems = [MAIL, Problem(ACME, "Mail again.", "email"), Problem(ACME, "Fax.", None)]
    async with begin(engine) as tx:
        by_problem = await search.find(tx, problems)
    walks = [walks_of(by_problem[problem]) for problem in problems]
    assert walks == [{FLOW: {"d"}, PROPOSAL: {"d"}}] * 2 + [{}]


def walks_of(candidates: tuple[Candidate, ...]) -> dict[str, set[str]]:
    """The ids of the nodes of each candidate that can be walked."""
    return {one.id: set(one.flow.nodes) for one in candidates if one.flow}


async def test_three_at_most_are_found_of_a_kind_best_first(
    desk: Desk, engine: AsyncEngine
) -> None:
    bodies = ["Mail.", "Mail, mail and mail.", "Fax.", "Mail and mail.", "Old mail of last year."]
    articles = [
        article(id=OTHER.format(n), title="About", body=body) for n, body in enumerate(bodies)
    ]
    await know(desk, articles=articles)
    assert await found(engine) == [OTHER.format(1), OTHER.format(3), OTHER.format(0)]


async def test_a_proposal_that_helps_less_often_than_not_comes_last_and_is_found(
    desk: Desk, engine: AsyncEngine
) -> None:
    other = trusted(id=OTHER.format(1), title="Mail")
    await know(desk, flow_proposals=[trusted(title="Mail and more mail"), other])
    assert await found(engine) == [PROPOSAL, other["id"]]
    await walked(desk, helpful=True)
    await walked(desk, helpful=False)
    assert await found(engine) == [PROPOSAL, other["id"]]
    await walked(desk, helpful=False)
    assert await found(engine) == [other["id"], PROPOSAL]
    await desk.connection.execute("delete from flow_proposals where id = $1", other["id"])
    assert await found(engine) == [PROPOSAL]


async def walked(desk: Desk, *, helpful: bool) -> None:
    """A session that walked the proposal and is over."""
    number = await desk.connection.fetchval("select count(*) from sessions")
    session = a_session(
        id=OTHER.format(50 + number), kind="proposal", flow_proposal_id=PROPOSAL,
        status="resolved", helpful=helpful, resolution_notes="Done.", ended_at=NOW,
    )  # fmt: skip
    await insert(desk.connection, "sessions", **session)


async def test_what_a_problem_says_is_never_a_query(desk: Desk, engine: AsyncEngine) -> None:
    await know(desk, articles=[article(title="O'Brien's mail", body="Rules.")])
    for text in ("mail' | 'x", r"\' mail & !mail:*", "mail <-> ) (", "O'Brien's", "mail \\"):
        assert await found(engine, Problem(ACME, text, None)) == [ARTICLE]
    for text in ("", "the of and", "&|!", "'", "\\"):
        assert await found(engine, Problem(ACME, text, None)) == []


async def test_an_account_finds_what_is_its_own(desk: Desk, engine: AsyncEngine) -> None:
    await know(
        desk, flows=[flow(**LED)], flow_proposals=[trusted(title="Mail")], articles=[article()]
    )
    assert await found(engine) == [ARTICLE, FLOW, PROPOSAL]
    assert await found(engine, Problem(GLOBEX, MAIL.text, "email")) == []
