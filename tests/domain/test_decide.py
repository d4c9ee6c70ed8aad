"""What each command does to a session in each state."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from domain.commands import Command
from domain.context import Walkable
from domain.decisions import Code
from domain.events import Event
from domain.people import L1_COVERAGE, Actor, Role, User
from domain.sessions import SessionKind
from domain.tickets import TicketStatus
from tests.builders import (
    ENGINEER,
    FLOW,
    GLOBEX,
    GLOBEX_TECH,
    INTERNAL_TICKET,
    MAIL,
    OTHER_SESSION,
    PROPOSAL,
    PSA_TICKET,
    a_ticket,
    a_user,
    abandon,
    abandoned,
    answered,
    escalate,
    escalate_without_walk,
    escalated,
    intake,
    next_node,
    node_requested,
    notes_updated,
    record_step,
    resolve,
    resolved,
    start_adhoc,
    start_ai_build,
    start_flow,
    start_proposal,
    started,
    step_recorded,
    update_notes,
)
from tests.domain.given import Outcome, given

Build = Callable[..., Command]

STARTS: dict[str, Build] = {
    "start_flow": start_flow,
    "start_proposal": start_proposal,
    "start_adhoc": start_adhoc,
    "start_ai_build": start_ai_build,
    "escalate_without_walk": escalate_without_walk,
    "intake of a flow": partial(intake, flow_id=FLOW),
    "adhoc intake": partial(intake, adhoc=True),
}
OTHERS: dict[str, Command] = {
    "record_step": record_step(),
    "update_notes": update_notes(),
    "resolve": resolve(),
    "escalate": escalate(),
    "abandon": abandon(),
    "next_node": next_node(),
}
ENDS: dict[str, Event] = {
    "resolved": resolved(),
    "escalated": escalated(),
    "abandoned": abandoned(),
}


# -- starting --------------------------------------------------------------------------------


def test_a_flow_is_walked_at_the_version_that_is_newest_now() -> None:
    (
        given()
        .when(start_flow(), walkable=Walkable(MAIL, 7))
        .then(started(kind=SessionKind.FLOW, flow_id=FLOW, flow_version=7))
    )


@pytest.mark.parametrize("start", [start_flow, start_proposal])
def test_a_walk_begins_at_the_first_node(start: Build) -> None:
    second = replace(MAIL, start="n2")
    (event,) = events(given().when(start(), walkable=Walkable(second, 1)))
    assert getattr(event, "current_node_id", None) == "n2"


def test_a_flow_that_the_account_does_not_use_is_unknown() -> None:
    given().when(start_flow(), walkable=None).then(Code.UNKNOWN_FLOW)


def test_a_proposal_is_walked() -> None:
    (
        given()
        .when(start_proposal(), walkable=Walkable(MAIL))
        .then(started(kind=SessionKind.PROPOSAL, flow_proposal_id=PROPOSAL))
    )


def test_a_proposal_that_the_account_does_not_have_is_unknown() -> None:
    given().when(start_proposal(), walkable=None).then(Code.UNKNOWN_PROPOSAL)


def test_an_adhoc_session_needs_neither_flow_nor_proposal() -> None:
    given().when(start_adhoc(), walkable=None).then(started(kind=SessionKind.ADHOC))


def test_an_ai_built_walk_asks_for_its_first_node_at_once() -> None:
    (
        given()
        .when(start_ai_build(problem_text="No mail.", category="email"))
        .then(
            started(kind=SessionKind.AI_BUILD, problem_text="No mail.", category="email"),
            node_requested(),
        )
    )


def test_an_ai_built_walk_may_go_without_a_category() -> None:
    (
        given()
        .when(start_ai_build(problem_text="No mail."))
        .then(started(kind=SessionKind.AI_BUILD, problem_text="No mail."), node_requested())
    )


def test_escalating_without_a_walk_makes_an_adhoc_session_that_is_escalated() -> None:
    (
        given()
        .when(escalate_without_walk(reason="Server room on fire.", reason_category="fire"))
        .then(
            started(kind=SessionKind.ADHOC),
            escalated(reason="Server room on fire.", reason_category="fire"),
        )
    )


def test_escalating_without_a_walk_needs_no_reason() -> None:
    (
        given()
        .when(escalate_without_walk(reason_category="fire"))
        .then(
            started(kind=SessionKind.ADHOC),
            escalated(reason=None, reason_category="fire"),
        )
    )


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_start_accepts_version_zero(start: Build) -> None:
    outcome = given().when(start(expected_version=0))
    assert accepted(outcome)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_start_refuses_any_other_version(start: Build) -> None:
    (given().when(start(expected_version=1)).then(Code.STALE_VERSION))


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("end", [None, *ENDS.values()], ids=["active", *ENDS])
def test_a_start_needs_an_id_that_no_session_has(start: Build, end: Event | None) -> None:
    history = [started()] if end is None else [started(), end]
    given(*history).when(start()).then(Code.SESSION_EXISTS)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_an_id_that_a_session_of_another_account_has_is_taken(start: Build) -> None:
    (given(started(account_id=GLOBEX)).when(start()).then(Code.SESSION_EXISTS))


# -- tickets ---------------------------------------------------------------------------------


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("status", [s for s in TicketStatus if s is not TicketStatus.CLOSED])
def test_a_session_may_start_on_a_ticket_that_is_not_closed(
    start: Build, status: TicketStatus
) -> None:
    command = start(ticket=INTERNAL_TICKET)
    outcome = given().when(command, ticket=a_ticket(status=status))
    assert accepted(outcome)


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
@pytest.mark.parametrize("ref", [PSA_TICKET, INTERNAL_TICKET], ids=["psa", "internal"])
def test_no_session_starts_on_a_closed_ticket(start: Build, ref: object) -> None:
    closed = a_ticket(ref=ref, status=TicketStatus.CLOSED)
    (given().when(start(ticket=ref), ticket=closed).then(Code.TICKET_CLOSED))


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_ticket_of_ours_has_to_be_known(start: Build) -> None:
    (given().when(start(ticket=INTERNAL_TICKET), ticket=None).then(Code.UNKNOWN_TICKET))


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_ticket_of_a_psa_need_not_be_known(start: Build) -> None:
    assert accepted(given().when(start(), ticket=None))


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_ticket_has_one_active_session_and_the_refusal_names_it(start: Build) -> None:
    outcome = given().when(start(), active_session_id=OTHER_SESSION)
    outcome.then(Code.TICKET_HAS_ACTIVE_SESSION)
    assert getattr(outcome.decision, "active_session_id", None) == OTHER_SESSION


# -- walking ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [SessionKind.FLOW, SessionKind.PROPOSAL])
def test_a_step_is_recorded_as_it_was_answered(kind: SessionKind) -> None:
    (
        given(started(kind=kind))
        .when(record_step(node_id="n1", question="On?", answer="No", option_id="n", note="Odd."))
        .then(
            step_recorded(
                position=1,
                node_id="n1",
                question="On?",
                answer="No",
                option_id="n",
                note="Odd.",
                next_node_id="esc",
            )
        )
    )


@pytest.mark.parametrize("kind", [SessionKind.FLOW, SessionKind.PROPOSAL])
def test_a_step_without_a_question_has_that_of_its_node(kind: SessionKind) -> None:
    (
        given(started(kind=kind))
        .when(record_step(question=None))
        .then(answered(question="Does it ring?"))
    )


@pytest.mark.parametrize(
    ("kind", "along"),
    [
        (SessionKind.FLOW, {"question": "Hang up.", "next_node_id": "n3"}),
        (SessionKind.PROPOSAL, {"question": "Hang up.", "next_node_id": "n3"}),
    ],
)
def test_steps_are_counted_from_one_whatever_happens_in_between(
    kind: SessionKind, along: dict[str, str]
) -> None:
    walked = given(started(kind=kind), answered(position=1), notes_updated())
    (event, *_) = events(walked.when(record_step(node_id="n2", option_id=None)))
    assert event == step_recorded(position=2, node_id="n2", **along)


def test_an_adhoc_session_takes_no_steps() -> None:
    given(started()).when(record_step()).then(Code.WRONG_KIND)


def test_a_walk_may_have_as_many_steps_as_the_limit_says() -> None:
    walked = given(started(kind=SessionKind.FLOW), *steps(499))
    walked.when(record_step()).then(answered(position=500))


def test_a_walk_may_not_have_a_step_more() -> None:
    walked = given(started(kind=SessionKind.FLOW), *steps(500))
    walked.when(record_step()).then(Code.PATH_TOO_LONG)


@pytest.mark.parametrize("kind", [SessionKind.FLOW, SessionKind.PROPOSAL])
def test_an_authored_walk_asks_for_no_nodes(kind: SessionKind) -> None:
    given(started(kind=kind)).when(record_step()).then(answered())


@pytest.mark.parametrize("kind", SessionKind)
def test_notes_are_replaced_in_sessions_of_every_kind(kind: SessionKind) -> None:
    given(started(kind=kind)).when(update_notes(notes="[]")).then(notes_updated(notes="[]"))


# -- ending ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SessionKind)
@pytest.mark.parametrize("helpful", [True, False, None])
def test_a_session_of_every_kind_is_resolved(kind: SessionKind, helpful: bool | None) -> None:  # noqa: FBT001
    (
        given(started(kind=kind))
        .when(resolve(helpful=helpful, resolution_notes=""))
        .then(resolved(helpful=helpful, resolution_notes=""))
    )


@pytest.mark.parametrize("kind", SessionKind)
def test_a_session_of_every_kind_is_escalated(kind: SessionKind) -> None:
    (
        given(started(kind=kind))
        .when(escalate(reason="Why not.", reason_category="fire"))
        .then(escalated(reason="Why not.", reason_category="fire"))
    )


@pytest.mark.parametrize("kind", SessionKind)
@pytest.mark.parametrize("reason", ["Caller hung up.", None])
def test_a_session_of_every_kind_is_abandoned(kind: SessionKind, reason: str | None) -> None:
    given(started(kind=kind)).when(abandon(reason=reason)).then(abandoned(reason=reason))


@pytest.mark.parametrize("command", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("kind", SessionKind)
def test_after_the_end_nothing_happens_any_more(
    command: Command, end: Event, kind: SessionKind
) -> None:
    given(started(kind=kind), end).when(command).then(Code.NOT_ACTIVE)


# -- before the beginning, and in another account ----------------------------------------------


@pytest.mark.parametrize("command", OTHERS.values(), ids=OTHERS)
def test_a_session_that_nobody_started_is_unknown(command: Command) -> None:
    given().when(command).then(Code.UNKNOWN_SESSION)


@pytest.mark.parametrize("command", OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("end", [None, *ENDS.values()], ids=["active", *ENDS])
def test_a_session_of_another_account_is_unknown(command: Command, end: Event | None) -> None:
    theirs = started(account_id=GLOBEX)
    history = [theirs] if end is None else [theirs, end]
    given(*history).when(command).then(Code.UNKNOWN_SESSION)


# -- versions --------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [None, *ENDS.values()], ids=["active", *ENDS])
@pytest.mark.parametrize("expected", [0, 1, 4])
def test_a_command_for_another_version_is_stale(end: Event | None, expected: int) -> None:
    history: list[Event] = [started(), notes_updated(), *([] if end is None else [end])]
    assert len(history) not in {0, 1, 4}
    given(*history).when(resolve(expected_version=expected)).then(Code.STALE_VERSION)


def test_a_command_for_this_very_version_is_not() -> None:
    given(started(), notes_updated()).when(abandon(expected_version=2)).then(abandoned())


def test_a_command_that_names_no_version_is_for_any() -> None:
    given(started(), notes_updated()).when(abandon(expected_version=None)).then(abandoned())


# -- who may act -----------------------------------------------------------------------------


def test_a_technician_acts_as_nothing_else() -> None:
    started_by(a_user(role=Role.L1_TECH), Actor(a_user().id, "Terry", None))


@pytest.mark.parametrize("coverage", [True, False])
def test_coverage_means_nothing_for_a_technician(coverage: bool) -> None:  # noqa: FBT001
    user = a_user(role=Role.L1_TECH, l1_coverage=coverage)
    started_by(user, Actor(user.id, "Terry", None))


def test_an_engineer_who_covers_the_first_line_acts_as_that() -> None:
    user = a_user(id=ENGINEER, name="Erin", role=Role.ENGINEER, l1_coverage=True)
    started_by(user, Actor(ENGINEER, "Erin", L1_COVERAGE))


NOT_ALLOWED: dict[str, User | None] = {
    "nobody": None,
    "an engineer without coverage": a_user(role=Role.ENGINEER),
    "an admin": a_user(role=Role.ADMIN),
    "an admin with coverage": a_user(role=Role.ADMIN, l1_coverage=True),
    "an owner": a_user(role=Role.OWNER),
    "an owner with coverage": a_user(role=Role.OWNER, l1_coverage=True),
    "a technician who left": a_user(deleted=True),
    "a covering engineer who left": a_user(role=Role.ENGINEER, l1_coverage=True, deleted=True),
    "a technician of another account": a_user(id=GLOBEX_TECH, account_id=GLOBEX),
}


@pytest.mark.parametrize("user", NOT_ALLOWED.values(), ids=NOT_ALLOWED)
@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_nobody_else_starts_a_session(user: User | None, start: Build) -> None:
    given().when(start(), user=user).then(Code.FORBIDDEN)


@pytest.mark.parametrize("user", NOT_ALLOWED.values(), ids=NOT_ALLOWED)
@pytest.mark.parametrize("command", OTHERS.values(), ids=OTHERS)
def test_nobody_else_works_on_one(user: User | None, command: Command) -> None:
    given(started(kind=SessionKind.FLOW)).when(command, user=user).then(Code.FORBIDDEN)


@pytest.mark.parametrize("command", OTHERS.values(), ids=OTHERS)
def test_whoever_may_walk_may_work_on_sessions_that_others_started(command: Command) -> None:
    user = a_user(id=ENGINEER, role=Role.ENGINEER, l1_coverage=True)
    kind = SessionKind.AI_BUILD if command == next_node() else SessionKind.FLOW
    assert accepted(given(started(kind=kind)).when(command, user=user))


def test_the_system_may_abandon_a_session() -> None:
    (
        given(started())
        .when(abandon(actor_id=None, reason="idle"), user=None)
        .then(abandoned(reason="idle"))
    )


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_the_system_starts_nothing(start: Build) -> None:
    command = start(actor_id=None)
    given().when(command, user=None).then(Code.FORBIDDEN)


@pytest.mark.parametrize("name", [name for name in OTHERS if name != "abandon"])
def test_the_system_does_nothing_but_abandon(name: str) -> None:
    command = replace(OTHERS[name], actor_id=None)
    given(started(kind=SessionKind.FLOW)).when(command, user=None).then(Code.FORBIDDEN)


@pytest.mark.parametrize("history", [(), (started(),)], ids=["unborn", "active"])
def test_nor_does_it_anything_in_an_account_that_is_not_there(history: tuple[Event, ...]) -> None:
    """There is no actor to be looked for, in whom it would show."""
    command = abandon(actor_id=None)
    given(*history).when(command, user=None, account_known=False).then(Code.FORBIDDEN)


def started_by(user: User, actor: Actor) -> None:
    """Expect that the user may start a session, and as whom."""
    given().when(start_adhoc(actor_id=user.id), user=user).then(started(started_by=actor))


def steps(count: int) -> list[Event]:
    """As many steps, in order."""
    return [step_recorded(position=position) for position in range(1, count + 1)]


def events(outcome: Outcome) -> tuple[Event, ...]:
    """The events of a command that was accepted."""
    found: tuple[Event, ...] = outcome.decision.events  # type: ignore[union-attr]
    return found


def accepted(outcome: Outcome) -> bool:
    """Whether the command took effect."""
    return bool(events(outcome))
