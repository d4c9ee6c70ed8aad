"""What engineers may do with an escalation, and when people are told of it again."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from domain.commands import Command
from domain.decisions import Accepted, Code
from domain.events import Event, SessionStarted
from domain.people import Actor, Role, User
from domain.sessions import SessionKind
from domain.tickets import TicketStatus
from tests.builders import (
    ENGINEER,
    GLOBEX,
    INTERNAL_TICKET,
    OTHER_SESSION,
    PSA_TICKET,
    SESSION,
    TECH,
    a_ticket,
    a_user,
    abandoned,
    claim,
    claimed,
    close,
    closed,
    escalated,
    hand_back,
    handed_back,
    node_requested,
    release,
    released,
    renotified,
    renotify,
    resolved,
    started,
)
from tests.domain.given import Outcome, Story, given

Build = Callable[..., Command]

ERIN = a_user(id=ENGINEER, name="Erin", role=Role.ENGINEER)
COVERING = a_user(id=ENGINEER, name="Erin", role=Role.ENGINEER, l1_coverage=True)
IDA = a_user(id=OTHER_SESSION, name="Ida", role=Role.ENGINEER)

MOVES: dict[str, Build] = {
    "claim": claim,
    "release": release,
    "close": close,
    "hand_back": hand_back,
}
BY_CLAIMER = {name: build for name, build in MOVES.items() if name != "claim"}
EFFECTS: dict[str, Event] = {
    "claim": claimed(),
    "release": released(),
    "close": closed(),
    "hand_back": handed_back(),
}
moves = pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
claimers_moves = pytest.mark.parametrize("move", BY_CLAIMER.values(), ids=BY_CLAIMER)


def escalation(*events: Event, **session: object) -> Story:
    """A session that Terry escalated, and what happened to the escalation."""
    return given(started(**session), escalated(), *events)


def by_erin(story: Story, command: Command, **knowing: object) -> Outcome:
    return story.when(command, user=ERIN, **knowing)


# -- claiming --------------------------------------------------------------------------------


@pytest.mark.parametrize("user", [ERIN, COVERING], ids=["without coverage", "covering"])
def test_any_engineer_of_the_account_claims(user: User) -> None:
    escalation().when(claim(), user=user).then(claimed(by=ENGINEER))


NOT_ALLOWED: dict[str, User | None] = {
    "nobody": None,
    "a technician": a_user(),
    "a technician with coverage": a_user(l1_coverage=True),
    "an admin": a_user(role=Role.ADMIN),
    "an owner": a_user(role=Role.OWNER),
    "an engineer who left": a_user(id=ENGINEER, role=Role.ENGINEER, deleted=True),
    "an engineer of another account": a_user(id=ENGINEER, role=Role.ENGINEER, account_id=GLOBEX),
}


@pytest.mark.parametrize("user", NOT_ALLOWED.values(), ids=NOT_ALLOWED)
@moves
def test_nobody_else_moves_an_escalation(move: Build, user: User | None) -> None:
    escalation().when(move(), user=user).then(Code.FORBIDDEN)


@pytest.mark.parametrize("move", [claim, close, hand_back])
def test_the_system_moves_no_escalation(move: Build) -> None:
    escalation(claimed()).when(move(actor_id=None), user=None).then(Code.FORBIDDEN)


def test_the_system_releases_what_nobody_can_move_any_more() -> None:
    """Whose claim it is may have left; a sweep asks for it."""
    escalation(claimed()).when(release(actor_id=None), user=None).then(released())
    escalation().when(release(actor_id=None), user=None).then(Code.NOT_CLAIMED)


def test_who_escalated_does_not_claim() -> None:
    own = given(started(), escalated(by=ENGINEER))
    own.when(claim(), user=COVERING).then(Code.FORBIDDEN)
    own.when(claim(actor_id=IDA.id), user=IDA).then(claimed(by=IDA.id))


def test_who_escalated_does_not_claim_whatever_became_of_it() -> None:
    for later in ([claimed(by=IDA.id)], [claimed(by=IDA.id), closed()]):
        own = given(started(), escalated(by=ENGINEER), *later)
        own.when(claim(), user=COVERING).then(Code.FORBIDDEN)


def test_who_started_the_session_may_claim_what_somebody_else_escalated() -> None:
    mine = given(started(started_by=Actor(ENGINEER, "Erin", "l1_coverage")), escalated())
    mine.when(claim(), user=COVERING).then(claimed())


def test_claiming_again_changes_nothing() -> None:
    by_erin(escalation(claimed()), claim()).then()


def test_the_first_claim_wins() -> None:
    by_erin(escalation(claimed(by=IDA.id)), claim()).then(Code.ALREADY_CLAIMED)


def test_what_was_released_is_claimed_by_whoever_comes() -> None:
    queue = escalation(claimed(by=IDA.id), released())
    by_erin(queue, claim()).then(claimed())


# -- by who claimed --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("move", "expected"),
    [(release(), released()), (close(resolution_notes="Ok."), closed(resolution_notes="Ok."))],
    ids=["release", "close"],
)
def test_who_claimed_moves_it_on(move: Command, expected: Event) -> None:
    by_erin(escalation(claimed()), move).then(expected)


@claimers_moves
def test_what_nobody_claimed_is_not_moved_on(move: Build) -> None:
    by_erin(escalation(), move()).then(Code.NOT_CLAIMED)
    by_erin(escalation(claimed(), released()), move()).then(Code.NOT_CLAIMED)


@claimers_moves
def test_what_somebody_else_claimed_is_not_moved_on(move: Build) -> None:
    by_erin(escalation(claimed(by=IDA.id)), move()).then(Code.ALREADY_CLAIMED)


@pytest.mark.parametrize("over", [closed(), handed_back()], ids=["closed", "handed back"])
@pytest.mark.parametrize("who", [ENGINEER, IDA.id], ids=["own", "somebody else's"])
@moves
def test_what_is_over_is_not_moved(move: Build, over: Event, who: str) -> None:
    by_erin(escalation(claimed(by=who), over), move()).then(Code.NOT_ESCALATED)


@pytest.mark.parametrize("end", [None, resolved(), abandoned()])
@moves
def test_what_was_not_escalated_is_not_moved(move: Build, end: Event | None) -> None:
    session = given(started(), *([] if end is None else [end]))
    by_erin(session, move()).then(Code.NOT_ESCALATED)


@moves
def test_an_escalation_of_another_account_is_unknown(move: Build) -> None:
    theirs = escalation(claimed(), account_id=GLOBEX)
    by_erin(theirs, move()).then(Code.UNKNOWN_SESSION)
    own = given(started(account_id=GLOBEX), escalated(by=ENGINEER))
    by_erin(own, move()).then(Code.UNKNOWN_SESSION)


@moves
def test_a_move_may_expect_a_version(move: Build) -> None:
    by_erin(escalation(claimed()), move(expected_version=2)).then(Code.STALE_VERSION)
    outcome = by_erin(escalation(claimed()), move(expected_version=3))
    assert isinstance(outcome.decision, Accepted)


@pytest.mark.parametrize("kind", SessionKind)
@pytest.mark.parametrize("name", ["claim", "release", "close"])
def test_sessions_of_every_kind_have_their_escalation_moved(kind: SessionKind, name: str) -> None:
    before = [] if name == "claim" else [claimed()]
    by_erin(escalation(*before, kind=kind), MOVES[name]()).then(EFFECTS[name])


# -- handing back ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", SessionKind)
def test_a_session_that_is_handed_back_goes_on_in_a_new_one(kind: SessionKind) -> None:
    story = escalation(claimed(), kind=kind, category="email", problem_text="No mail.")
    command = hand_back(instructions="Ask.", new_session_id=OTHER_SESSION)
    by_erin(story, command).then(
        handed_back(instructions="Ask.", new_session_id=OTHER_SESSION),
        started(
            session_id=OTHER_SESSION,
            kind=SessionKind.ADHOC,
            started_by=Actor(ENGINEER, "Erin"),
            category="email",
            problem_text="No mail.",
            previous_session_id=SESSION,
        ),
    )


def test_the_new_session_has_the_ticket_that_the_old_one_had_last() -> None:
    story = escalation(claimed(), ticket=INTERNAL_TICKET)
    outcome = by_erin(story, hand_back(), ticket=a_ticket(status=TicketStatus.ESCALATED))
    back, new = outcome.decision.events  # type: ignore[union-attr]
    assert back == handed_back()
    assert isinstance(new, SessionStarted)
    assert new.ticket == INTERNAL_TICKET


def test_the_new_session_needs_an_id_that_no_session_has() -> None:
    taken = by_erin(escalation(claimed()), hand_back(), new_session_taken=True)
    taken.then(Code.SESSION_EXISTS)


def test_the_new_session_needs_a_ticket_without_another() -> None:
    busy = by_erin(escalation(claimed()), hand_back(), active_session_id=SESSION)
    busy.then(Code.TICKET_HAS_ACTIVE_SESSION)
    assert getattr(busy.decision, "active_session_id", None) == SESSION


def test_the_new_session_needs_a_ticket_that_is_not_closed() -> None:
    ticket = a_ticket(ref=PSA_TICKET, status=TicketStatus.CLOSED)
    by_erin(escalation(claimed()), hand_back(), ticket=ticket).then(Code.TICKET_CLOSED)


# -- telling again ---------------------------------------------------------------------------

STANDINGS: dict[str, Sequence[Event]] = {
    "open": [],
    "claimed": [claimed()],
    "released": [claimed(), released()],
}


@pytest.mark.parametrize("before", STANDINGS.values(), ids=STANDINGS)
def test_people_are_told_again_once_a_step(before: Sequence[Event]) -> None:
    story = escalation(*before)
    story.when(renotify(step=1), user=None).then(renotified(step=1))
    again = escalation(*before, renotified(step=1))
    again.when(renotify(step=1), user=None).then()
    again.when(renotify(step=2), user=None).then(renotified(step=2))


def test_a_released_escalation_is_told_of_from_the_first_step() -> None:
    told = escalation(renotified(step=1), claimed(), renotified(step=2), released())
    told.when(renotify(step=1), user=None).then(renotified(step=1))


def test_a_step_that_was_left_out_does_not_come_any_more() -> None:
    escalation(renotified(step=3)).when(renotify(step=2), user=None).then()


@pytest.mark.parametrize("over", [closed(), handed_back()], ids=["closed", "handed back"])
def test_nobody_is_told_again_of_what_is_over(over: Event) -> None:
    escalation(claimed(), over).when(renotify(), user=None).then()


@pytest.mark.parametrize("end", [None, resolved(), abandoned()])
def test_nobody_is_told_again_of_what_was_not_escalated(end: Event | None) -> None:
    session = given(started(), *([] if end is None else [end]))
    session.when(renotify(), user=None).then(Code.NOT_ESCALATED)


@pytest.mark.parametrize("user", [a_user(), ERIN], ids=["a technician", "an engineer"])
def test_nobody_but_the_system_tells_again(user: User) -> None:
    escalation().when(renotify(actor_id=user.id), user=user).then(Code.FORBIDDEN)


# -- what the session keeps ------------------------------------------------------------------


def test_an_escalation_that_moves_is_no_activity_of_first_line() -> None:
    later = started().at + timedelta(hours=1)
    before = escalation().session
    moved = escalation(renotified(at=later), claimed(at=later), closed(at=later)).session
    at = "last_activity_at"
    assert getattr(moved, at) == getattr(before, at) == started().at


def test_the_escalation_remembers_who_escalated() -> None:
    assert getattr(escalation(claimed()).session, "escalated_by", None) == TECH
    built = given(started(kind=SessionKind.AI_BUILD), node_requested(), escalated(by=ENGINEER))
    assert getattr(built.session, "escalated_by", None) == ENGINEER
