"""What becomes of a ticket and its session, in whatever order the news of it come."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import permutations

import pytest

from domain.ticket_news import Effect, End, MoveTo, TakeIn, TicketAction, TicketNews, hear
from domain.tickets import Ticket, TicketStatus
from tests.builders import NOW, OTHER_TICKET, PSA_TICKET, a_ticket, news

CREATED, UPDATED, CLOSED, REOPENED, REASSIGNED, MERGED, DELETED = TicketAction
ENDS = {CLOSED: "ticket_closed", DELETED: "ticket_deleted", REASSIGNED: "ticket_reassigned"}


def at(minute: int) -> datetime:
    return NOW + timedelta(minutes=minute)


def known(**more: object) -> Ticket:
    """A PSA's ticket as it is known before anything was heard of it."""
    return a_ticket(**{"ref": PSA_TICKET} | more)


def heard(*told: TicketNews, ticket: Ticket | None = None) -> tuple[Ticket, list[Effect | None]]:
    """The ticket after all of the news, and what each of them asked for."""
    ticket = ticket or known()
    effects = []
    for item in told:
        ticket, effect = hear(ticket, item)
        effects.append(effect)
    return ticket, effects


def closed(minute: int | None) -> TicketNews:
    return news(CLOSED, at=None if minute is None else at(minute))


def reopened(minute: int | None) -> TicketNews:
    return news(REOPENED, at=None if minute is None else at(minute))


# -- what a ticket's end brings about --------------------------------------------------------


@pytest.mark.parametrize("action", ENDS)
def test_what_a_person_ends_ends_the_session(action: TicketAction) -> None:
    _, (effect,) = heard(news(action, at=at(1)))
    assert effect == End(ENDS[action])


@pytest.mark.parametrize("action", [CLOSED, DELETED, MERGED])
@pytest.mark.parametrize("minute", [1, None])
def test_a_ticket_that_ended_is_closed(action: TicketAction, minute: int | None) -> None:
    when = None if minute is None else at(minute)
    ticket, _ = heard(news(action, at=when, merged_into=OTHER_TICKET))
    assert ticket == known(status=TicketStatus.CLOSED, closed_at=when, updated_at=when)


@pytest.mark.parametrize("action", [CREATED, UPDATED, REASSIGNED])
@pytest.mark.parametrize("status", TicketStatus)
def test_nothing_else_opens_or_closes_one(action: TicketAction, status: TicketStatus) -> None:
    ticket, _ = heard(news(action, at=at(1)), ticket=known(status=status))
    assert ticket == known(status=status, updated_at=at(1))


def test_a_merged_ticket_s_session_moves() -> None:
    _, (effect,) = heard(news(MERGED, at=at(1), merged_into=OTHER_TICKET))
    assert effect == MoveTo(OTHER_TICKET)


@pytest.mark.parametrize("action", [CLOSED, DELETED])
def test_only_a_merge_moves_the_session(action: TicketAction) -> None:
    _, (effect,) = heard(news(action, at=at(1), merged_into=OTHER_TICKET))
    assert effect == End(ENDS[action])


def test_a_ticket_that_was_merged_into_itself_ends_its_session() -> None:
    _, (effect,) = heard(news(MERGED, at=at(1), merged_into=PSA_TICKET))
    assert effect == End("ticket_merged")


def test_a_ticket_that_was_merged_into_nothing_known_ends_its_session() -> None:
    ticket, (effect,) = heard(news(MERGED, at=at(1)))
    assert (ticket.status, effect) == (TicketStatus.CLOSED, End("ticket_merged"))


def test_an_update_asks_for_nothing() -> None:
    assert heard(news(UPDATED, at=at(1), title="No mail"))[1] == [None]


# -- what may be taken in --------------------------------------------------------------------


@pytest.mark.parametrize("action", [CREATED, REOPENED])
def test_a_new_ticket_may_be_taken_in_for_what_its_title_says(action: TicketAction) -> None:
    assert heard(news(action, at=at(1), title="No mail"))[1] == [TakeIn("No mail")]
    before = known(title="No phone")
    assert heard(news(action, at=at(1)), ticket=before)[1] == [TakeIn("No phone")]


@pytest.mark.parametrize("action", [CREATED, REOPENED])
def test_a_ticket_of_which_nothing_is_told_is_not_taken_in(action: TicketAction) -> None:
    assert heard(news(action, at=at(1)))[1] == [None]


# -- order -----------------------------------------------------------------------------------

OPEN, SHUT = TicketStatus.OPEN, TicketStatus.CLOSED
ENDED = End("ticket_closed")

STORIES: dict[str, tuple[Sequence[TicketNews], TicketStatus, Sequence[Effect | None]]] = {
    "closed": ([closed(1)], SHUT, [ENDED]),
    "closed, reopened": ([closed(1), reopened(2)], OPEN, [ENDED, None]),
    "reopened, and only then closed before": ([reopened(2), closed(1)], OPEN, [None, None]),
    "closed, and only then reopened before": ([closed(2), reopened(1)], SHUT, [ENDED, None]),
    "closed again after": ([closed(1), reopened(2), closed(3)], SHUT, [ENDED, None, ENDED]),
    "the first closing comes last": (
        [reopened(2), closed(3), closed(1)], SHUT, [None, ENDED, None],
    ),
    "the reopening comes last": ([closed(1), closed(3), reopened(2)], SHUT, [ENDED, ENDED, None]),
    "closed twice, the later first, then reopened in between": (
        [closed(3), closed(1), reopened(2)], SHUT, [ENDED, ENDED, None],
    ),
    "reopened twice": ([reopened(2), reopened(4), closed(3)], OPEN, [None, None, None]),
    "reopened twice, the later first": (
        [reopened(4), reopened(2), closed(3)], OPEN, [None, None, None],
    ),
    "closed, nobody says when": ([closed(None)], SHUT, [ENDED]),
    "reopened, closed, nobody says when": ([reopened(2), closed(None)], SHUT, [None, ENDED]),
    "closed, reopened, nobody says when": ([closed(1), reopened(None)], OPEN, [ENDED, None]),
    "reopened at the moment of the closing": ([closed(2), reopened(2)], OPEN, [ENDED, None]),
    "closed at the moment of the reopening": ([reopened(2), closed(2)], SHUT, [None, ENDED]),
}  # fmt: skip


@pytest.mark.parametrize(("told", "status", "effects"), STORIES.values(), ids=STORIES)
def test_an_end_acts_whenever_it_comes_unless_a_later_reopening_was_seen(
    told: Sequence[TicketNews], status: TicketStatus, effects: Sequence[Effect | None]
) -> None:
    ticket, asked = heard(*told)
    assert (ticket.status, asked) == (status, effects)


@pytest.mark.parametrize("action", ENDS)
def test_an_end_before_a_reopening_that_was_seen_asks_for_nothing(action: TicketAction) -> None:
    _, effects = heard(reopened(2), news(action, at=at(1)), news(action, at=at(3)))
    assert effects == [None, None, End(ENDS[action])]


def test_a_merge_before_a_reopening_that_was_seen_moves_nothing() -> None:
    ticket, effects = heard(reopened(2), news(MERGED, at=at(1), merged_into=OTHER_TICKET))
    assert (ticket.status, effects) == (OPEN, [None, None])


def test_whatever_comes_first_the_ticket_stands_as_it_was_left() -> None:
    for order in permutations([closed(1), reopened(2), closed(3), reopened(4)]):
        ticket, _ = heard(*order)
        assert (ticket.status, ticket.reopened_at, ticket.updated_at) == (OPEN, at(4), at(4))
        ended, _ = heard(*order, closed(5))
        assert (ended.status, ended.closed_at) == (SHUT, at(5))


def test_a_reopening_tells_when() -> None:
    ticket, _ = heard(closed(1), reopened(2))
    assert ticket == known(updated_at=at(2), closed_at=at(1), reopened_at=at(2))


def test_a_reopening_of_which_nobody_says_when_was_when_the_ticket_was_last_told_of() -> None:
    ticket, _ = heard(closed(1), reopened(None))
    assert ticket.reopened_at == at(1)
    ticket, _ = heard(reopened(None))
    assert ticket.reopened_at is not None, "whoever starts on it names the last session"


@pytest.mark.parametrize(
    "told",
    [closed(1), reopened(1), news(MERGED, at=at(1), merged_into=OTHER_TICKET)],
    ids=lambda item: item.action,
)
def test_what_is_heard_again_leaves_the_ticket_as_it_is(told: TicketNews) -> None:
    once, _ = heard(told)
    assert heard(told, told)[0] == once


# -- what is known of it ---------------------------------------------------------------------

FIELDS = {
    "title": "No mail",
    "psa_status": "New",
    "priority": "High",
    "owner": "Terry",
    "url": "https://psa.example/1",
}


@pytest.mark.parametrize("action", TicketAction)
def test_whatever_happened_its_fields_are_taken_in(action: TicketAction) -> None:
    ticket, _ = heard(news(action, at=at(1), **FIELDS))
    assert replace(ticket, status=OPEN, closed_at=None, reopened_at=None) == known(
        updated_at=at(1), **FIELDS
    )


@pytest.mark.parametrize("action", TicketAction)
def test_of_its_fields_the_later_news_win(action: TicketAction) -> None:
    before = known(updated_at=at(2), **FIELDS)
    later = dict.fromkeys(FIELDS, "later")
    for minute, stands in ((1, FIELDS), (2, later), (3, later)):
        ticket, _ = heard(news(action, at=at(minute), **later), ticket=before)
        assert {name: getattr(ticket, name) for name in FIELDS} == stands
        assert ticket.updated_at == max(at(minute), at(2))


@pytest.mark.parametrize("field", FIELDS)
def test_what_the_news_do_not_say_stays(field: str) -> None:
    before = known(updated_at=at(1), **FIELDS)
    ticket, _ = heard(news(UPDATED, at=at(2), **{field: "later"}), ticket=before)
    assert ticket == known(**FIELDS | {field: "later"}, updated_at=at(2))


def test_news_that_nobody_says_when_are_the_latest() -> None:
    ticket, _ = heard(news(UPDATED, at=at(2), title="No mail"), news(UPDATED, title="No phone"))
    assert ticket == known(title="No phone", updated_at=at(2))


def test_news_of_an_end_that_does_not_count_still_tell_of_the_fields() -> None:
    ticket, effects = heard(
        reopened(2), news(CLOSED, at=at(1), title="Stale"), ticket=known(title="No mail")
    )
    assert (ticket.title, effects[1]) == ("No mail", None)


# -- what firstline did itself ---------------------------------------------------------------


@pytest.mark.parametrize("action", TicketAction)
@pytest.mark.parametrize("status", TicketStatus)
def test_what_firstline_did_itself_changes_nothing(
    action: TicketAction, status: TicketStatus
) -> None:
    before = known(status=status, title="No mail", updated_at=at(1))
    own = news(action, at=at(2), merged_into=OTHER_TICKET, is_self=True, **FIELDS)
    assert heard(own, ticket=before) == (before, [None])
