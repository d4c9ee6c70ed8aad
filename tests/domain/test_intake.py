"""What an intake starts: what was asked for, else the best that the account knows."""

from dataclasses import replace

import pytest

from domain.context import Walkable
from domain.decisions import Code, NoKnowledge
from domain.intake import Candidate, FoundKind, pick
from domain.sessions import SessionKind
from domain.tickets import TicketStatus
from tests.builders import (
    FLOW,
    MAIL,
    OTHER_SESSION,
    PROPOSAL,
    PSA_TICKET,
    a_ticket,
    an_id,
    intake,
    node_requested,
    start_flow,
    started,
)
from tests.domain.given import given

OTHER_MAIL = replace(MAIL, start="n2")
A_FLOW = Candidate(FoundKind.FLOW, FLOW, "Mail", 0.1, OTHER_MAIL, 3)
A_PROPOSAL = Candidate(FoundKind.PROPOSAL, PROPOSAL, "Mail, perhaps", 0.5, OTHER_MAIL)
AN_ARTICLE = Candidate(FoundKind.ARTICLE, an_id(0x51), "On mail", 0.9)
ALL = (AN_ARTICLE, A_PROPOSAL, A_FLOW)

told = pytest.mark.parametrize("category", [None, "email"])


# -- what was asked for ----------------------------------------------------------------------


@told
@pytest.mark.parametrize("found", [(), ALL], ids=["nothing", "everything"])
def test_a_flow_that_is_named_is_walked(category: str | None, found: tuple[Candidate, ...]) -> None:
    (
        given()
        .when(
            intake(flow_id=FLOW, problem_text="No mail.", category=category),
            walkable=Walkable(MAIL, 7),
            candidates=found,
        )
        .then(
            started(
                kind=SessionKind.FLOW,
                flow_version=7,
                category=category,
                problem_text="No mail.",
            )
        )
    )


def test_a_flow_that_is_named_has_to_be_in_use() -> None:
    given().when(intake(flow_id=FLOW), walkable=None, candidates=ALL).then(Code.UNKNOWN_FLOW)


def test_a_flow_that_is_named_comes_before_the_wish_for_none() -> None:
    (
        given()
        .when(intake(flow_id=FLOW, adhoc=True))
        .then(started(kind=SessionKind.FLOW, problem_text="No mail."))
    )


@told
@pytest.mark.parametrize("found", [(), ALL], ids=["nothing", "everything"])
def test_an_adhoc_session_is_had_for_the_asking(
    category: str | None, found: tuple[Candidate, ...]
) -> None:
    (
        given()
        .when(intake(adhoc=True, category=category), walkable=None, candidates=found)
        .then(started(kind=SessionKind.ADHOC, category=category, problem_text="No mail."))
    )


# -- what is known ---------------------------------------------------------------------------


@told
def test_the_flow_that_was_found_is_walked_at_the_version_that_was_found(
    category: str | None,
) -> None:
    (
        given()
        .when(intake(category=category), walkable=None, candidates=ALL)
        .then(
            started(
                kind=SessionKind.FLOW,
                flow_version=3,
                current_node_id="n2",
                category=category,
                problem_text="No mail.",
            )
        )
    )


@told
def test_a_proposal_is_walked_where_no_flow_matches(category: str | None) -> None:
    (
        given()
        .when(intake(category=category), walkable=None, candidates=(AN_ARTICLE, A_PROPOSAL))
        .then(
            started(
                kind=SessionKind.PROPOSAL,
                current_node_id="n2",
                category=category,
                problem_text="No mail.",
            )
        )
    )


@told
def test_where_only_articles_match_a_walk_is_built(category: str | None) -> None:
    (
        given()
        .when(intake(category=category), walkable=None, candidates=(AN_ARTICLE,))
        .then(
            started(kind=SessionKind.AI_BUILD, category=category, problem_text="No mail."),
            node_requested(),
        )
    )


def test_where_nothing_matches_nothing_starts() -> None:
    given().when(intake(), walkable=None, candidates=()).then(NoKnowledge())


@pytest.mark.parametrize("found", [(), ALL], ids=["nothing", "everything"])
def test_whatever_is_known_the_ticket_has_to_be_free(found: tuple[Candidate, ...]) -> None:
    closed = a_ticket(ref=PSA_TICKET, status=TicketStatus.CLOSED)
    given().when(intake(), ticket=closed, candidates=found).then(Code.TICKET_CLOSED)
    busy = given().when(intake(), active_session_id=OTHER_SESSION, candidates=found)
    busy.then(Code.TICKET_HAS_ACTIVE_SESSION)


# -- the session before ----------------------------------------------------------------------


def test_a_session_on_a_reopened_ticket_is_linked_to_the_last_one() -> None:
    for_good = {"previous_session_id": OTHER_SESSION}
    given().when(start_flow(), **for_good).then(started(kind=SessionKind.FLOW, **for_good))
    given().when(intake(adhoc=True), **for_good).then(started(problem_text="No mail.", **for_good))


# -- what is picked --------------------------------------------------------------------------


@pytest.mark.parametrize("found", [(A_FLOW, A_PROPOSAL, AN_ARTICLE), ALL], ids=["best", "worst"])
def test_a_flow_is_picked_however_well_the_others_match(found: tuple[Candidate, ...]) -> None:
    assert pick(found) == A_FLOW


def test_of_one_kind_the_best_is_picked() -> None:
    better = replace(A_FLOW, id=an_id(1), score=0.2)
    assert pick((A_FLOW, better)) == pick((better, A_FLOW)) == better


def test_of_equals_always_the_same_is_picked() -> None:
    twin = replace(A_FLOW, id=an_id(0xFF))
    assert pick((A_FLOW, twin)) == pick((twin, A_FLOW)) == A_FLOW


def test_of_nothing_nothing_is_picked() -> None:
    assert pick(()) is None
