"""The figures' definitions, on sessions that can be counted by hand."""

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.builders import GLOBEX
from tests.reporting.desk import DAY, MONDAY, WEEK, Desk

FIRST, SECOND = date(2026, 2, 2), date(2026, 2, 9)
VIEWS = (
    *("ended_sessions", "weekly_first_level_resolution", "weekly_escalation"),
    *("weekly_time_to_outcome", "weekly_steps_to_outcome", "weekly_abandonment"),
    *("weekly_reopening", "weekly_flow_hits"),
)


async def test_first_level_resolution_is_the_share_resolved_and_not_reopened(desk: Desk) -> None:
    for status in ("resolved", "resolved", "escalated", "abandoned", "active"):
        await desk.session(status)
    await desk.session("resolved", ticket_id="back")
    await desk.ticket("back", reopened_at=MONDAY + DAY)
    await desk.session("resolved", ended_at=MONDAY + WEEK)

    assert await desk.rows("weekly_first_level_resolution") == [
        (FIRST, 5, 2, 0.4),
        (SECOND, 1, 1, 1),
    ]


async def test_what_an_engineer_handed_back_is_no_first_level_resolution(desk: Desk) -> None:
    escalated = await desk.session("escalated", ticket_id="one")
    again = await desk.session("resolved", previous_session_id=escalated, ended_at=MONDAY + DAY)
    await desk.hand_back(escalated, again)

    assert await desk.rows("weekly_first_level_resolution") == [(FIRST, 1, 0, 0)]
    assert await desk.rows("weekly_escalation") == [(FIRST, None, 1, 1, 1)]
    assert await desk.rows("weekly_flow_hits") == [(FIRST, 1, 0, 0, 0)]


async def test_a_session_on_a_reopened_ticket_is_no_follow_up_of_an_engineer(desk: Desk) -> None:
    before = await desk.session("resolved", ticket_id="back")
    await desk.session(
        "resolved", ticket_id="back", previous_session_id=before, ended_at=MONDAY + DAY
    )

    assert await desk.rows("weekly_first_level_resolution") == [(FIRST, 2, 1, 0.5)]


async def test_escalation_is_counted_by_the_category_of_the_problem(desk: Desk) -> None:
    await desk.session("escalated", "flow")
    await desk.session("resolved", "flow")
    await desk.session("resolved", "flow", category="network")
    await desk.session("escalated", "proposal")
    await desk.session("escalated", "ai_build", category="network")
    await desk.session("abandoned")
    await desk.session("active", "flow")

    assert await desk.rows("weekly_escalation") == [
        (FIRST, "email", 2, 1, 0.5),
        (FIRST, "network", 2, 1, 0.5),
        (FIRST, "printing", 1, 1, 1),
        (FIRST, None, 1, 0, 0),
    ]


async def test_time_to_outcome_is_measured_from_start_to_end(desk: Desk) -> None:
    for minutes in (10, 20, 40):
        await desk.session("resolved", took=timedelta(minutes=minutes))
    await desk.session("escalated", took=timedelta(minutes=5))
    await desk.session("resolved", took=timedelta(minutes=1), ended_at=MONDAY + WEEK)

    assert await desk.rows("weekly_time_to_outcome") == [
        (FIRST, "escalated", 1, 300, 300),
        (FIRST, "resolved", 3, 1200, 2160),
        (SECOND, "resolved", 1, 60, 60),
    ]


async def test_an_escalation_without_a_walk_took_no_time_to_speak_of(desk: Desk) -> None:
    await desk.session("escalated", took=timedelta(0))
    await desk.session("escalated", took=timedelta(minutes=8))

    assert await desk.rows("weekly_time_to_outcome") == [(FIRST, "escalated", 1, 480, 480)]
    assert await desk.rows("weekly_escalation") == [(FIRST, None, 2, 2, 1)]


async def test_steps_to_outcome_are_those_of_sessions_that_take_steps(desk: Desk) -> None:
    for steps in (1, 2, 5):
        await desk.session("resolved", "flow", steps=steps)
    await desk.session("abandoned", "ai_build", steps=3)
    await desk.session("resolved", "adhoc")

    assert await desk.rows("weekly_steps_to_outcome") == [
        (FIRST, "abandoned", 1, 3, 3),
        (FIRST, "resolved", 3, 2, 4.4),
    ]


async def test_abandonment_counts_sessions_that_ended_however_they_did(desk: Desk) -> None:
    for status in ("resolved", "escalated", "abandoned", "active", "active"):
        await desk.session(status)
    await desk.session("abandoned", reason="ticket_closed")

    assert await desk.rows("weekly_abandonment") == [(FIRST, 4, 2, 0.5)]


@pytest.mark.parametrize(
    ("after", "reopened"),
    [(-DAY, 0), (timedelta(hours=1), 1), (14 * DAY, 1), (14 * DAY + timedelta(seconds=1), 0)],
)
async def test_a_ticket_that_its_source_reopens_within_14_days_was_reopened(
    desk: Desk, after: timedelta, reopened: int
) -> None:
    await desk.session("resolved", ticket_id="back")
    await desk.ticket("back", reopened_at=MONDAY + after)
    await desk.session("resolved")

    assert await desk.rows("weekly_reopening") == [(FIRST, 2, reopened, reopened / 2)]


@pytest.mark.parametrize(
    ("after", "reopened"), [(timedelta(0), 1), (14 * DAY, 1), (14 * DAY + timedelta(seconds=1), 0)]
)
async def test_another_session_on_the_ticket_within_14_days_is_a_reopening(
    desk: Desk, after: timedelta, reopened: int
) -> None:
    await desk.session("resolved", ticket_id="back")
    took = timedelta(minutes=5)
    await desk.session("active", ticket_id="back", took=took, ended_at=MONDAY + after + took)

    assert await desk.rows("weekly_reopening") == [(FIRST, 1, reopened, reopened)]


async def test_the_session_that_a_resolution_came_from_reopens_nothing(desk: Desk) -> None:
    await desk.session("abandoned", ticket_id="one", ended_at=MONDAY - DAY)
    await desk.session("resolved", ticket_id="one")

    assert await desk.rows("weekly_reopening") == [(FIRST, 1, 0, 0)]


async def test_only_resolved_sessions_reopen(desk: Desk) -> None:
    await desk.session("escalated", ticket_id="back")
    await desk.ticket("back", reopened_at=MONDAY + DAY)

    assert await desk.rows("weekly_reopening") == []


async def test_a_flow_hit_is_a_session_that_walked_a_published_flow(desk: Desk) -> None:
    await desk.session("resolved", "flow", current_node_id="done", steps=1)
    await desk.session("abandoned", "flow")
    await desk.session("resolved", "proposal", current_node_id="done", steps=1)
    await desk.session("escalated", took=timedelta(0))
    await desk.session("active", "flow")

    assert await desk.rows("weekly_flow_hits") == [(FIRST, 4, 2, 1, 0.5)]


async def test_a_week_begins_on_monday_in_utc(desk: Desk) -> None:
    last_moment = datetime(2026, 2, 8, 23, 59, 59, tzinfo=UTC)
    await desk.session("abandoned", ended_at=last_moment)
    await desk.session("resolved", ended_at=last_moment + timedelta(seconds=1))

    assert await desk.rows("weekly_abandonment") == [(FIRST, 1, 1, 1), (SECOND, 1, 0, 0)]


@pytest.mark.parametrize("view", VIEWS)
async def test_an_account_in_which_nothing_ended_has_no_row(desk: Desk, view: str) -> None:
    await desk.session("active")
    await desk.session("resolved", account_id=GLOBEX)

    assert await desk.rows(view) == []


async def test_two_accounts_are_never_mixed(desk: Desk) -> None:
    """Although their tickets are called the same, and one's comes back."""
    await desk.session("resolved", "flow", ticket_id="same", steps=1)
    alone = [await desk.rows(view) for view in VIEWS]

    for status, ended_at in (("escalated", MONDAY), ("resolved", MONDAY + DAY)):
        await desk.session(status, account_id=GLOBEX, ticket_id="same", ended_at=ended_at)

    assert [await desk.rows(view) for view in VIEWS] == alone
    assert await desk.rows("weekly_first_level_resolution", GLOBEX) == [(FIRST, 2, 1, 0.5)]


async def test_every_view_says_what_it_counts(desk: Desk) -> None:
    for view in VIEWS:
        (comment,) = await desk.values(f"select obj_description('{view}'::regclass)")
        assert len(str(comment)) > 100
