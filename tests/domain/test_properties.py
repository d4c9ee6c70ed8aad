"""What holds after any sequence of commands whatsoever."""

from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

from hypothesis import given, seed, settings

from domain.built_walks import generated
from domain.commands import Command, EscalationMove, HandBack, Renotify, Start
from domain.decisions import Code, Rejected
from domain.events import Event, HandedBack, SessionEscalated, SessionStarted
from domain.sessions import (
    Abandoned,
    Active,
    Born,
    Escalated,
    Resolved,
    SessionKind,
    Unborn,
)
from tests.builders import ACME, GLOBEX, MAIL, NOW
from tests.model.drafts import SESSIONS, stories
from tests.model.world import LIMITS, World

SECOND = timedelta(seconds=1)
_MOVES = (EscalationMove, Renotify)


def test_the_stories_come_by_every_refusal_and_every_event() -> None:
    """Or else the tests below would show little. The same each time, as many as it takes."""
    not_of_a_decision = {
        Code.INVALID,
        Code.KEY_MISMATCH,
        Code.NOTES_TOO_LARGE,
        Code.COMMAND_ID_REUSED,
        Code.DISCARDED,
    }
    unseen: set[object] = ({*Code} - not_of_a_decision) | {*get_args(Event)}

    @settings(max_examples=100, database=None)
    @given(stories(shortest=20))
    def look(story: list[Command]) -> None:
        world = World()
        for command in story:
            decision, events = world.apply(command, NOW)
            unseen.difference_update(type(one.event) for one in events)
            if isinstance(decision, Rejected):
                assert decision.code not in not_of_a_decision
                unseen.discard(decision.code)

    for number in range(20):
        if unseen:
            seed(number)(look)()
    assert unseen == set()


@given(stories())
def test_versions_count_events(story: list[Command]) -> None:
    world = World()
    for count, command in enumerate(story):
        before = {id_: session.version for id_, session in world.sessions.items()}
        _, happened = world.apply(command, NOW + count * SECOND)
        for one in happened:
            id_ = one.session.origin.session_id
            assert one.session.version == before.get(id_, 0) + 1
            before[id_] = one.session.version


@given(stories())
def test_no_sequence_of_commands_reaches_an_illegal_state(story: list[Command]) -> None:
    world = World()
    for count, command in enumerate(story):
        before = dict(world.sessions)
        decision, happened = world.apply(command, NOW + count * SECOND)
        for one in happened:
            assert_legal(one.session, one.event, NOW + count * SECOND)
        if isinstance(decision, Rejected):
            assert world.sessions == before
        changed = {id_ for id_ in world.sessions if world.sessions[id_] != before.get(id_)}
        new = {command.new_session_id} if isinstance(command, HandBack) else set()
        assert changed <= {command.session_id} | new
        allowed = Unborn | Active | (Escalated if isinstance(command, _MOVES) else Unborn)
        assert all(isinstance(before.get(id_, Unborn()), allowed) for id_ in changed)
    active = [one.origin for one in world.sessions.values() if isinstance(one, Active)]
    assert len(active) == len({(origin.account_id, origin.ticket) for origin in active})


def assert_legal(session: Born, event: Event, now: object) -> None:
    """Expect the session to hold what its kind and its state call for, and nothing else."""
    origin = session.origin
    assert (origin.kind is SessionKind.FLOW) == (origin.flow_id is not None)
    assert (origin.kind is SessionKind.FLOW) == (origin.flow_version is not None)
    assert (origin.kind is SessionKind.PROPOSAL) == (origin.flow_proposal_id is not None)
    assert origin.kind is not SessionKind.AI_BUILD or origin.problem_text is not None
    assert session.steps <= LIMITS.steps
    assert session.steps < session.version
    assert session.steps == 0 or origin.kind is not SessionKind.ADHOC
    led = origin.kind in {SessionKind.FLOW, SessionKind.PROPOSAL}
    assert (session.current_node_id is not None) or not led
    assert not led or session.current_node_id in MAIL.nodes
    match session:
        case Active(request_id=requested, walked=walked, nodes=nodes):
            assert session.last_activity_at == now
            assert requested is None or session.current_node_id is None
            assert not (requested or nodes) or origin.kind is SessionKind.AI_BUILD
            assert generated(session) <= LIMITS.ai_nodes
            assert len(walked) <= session.steps
            assert bool(walked) == (session.steps > 0)
        case Resolved() | Abandoned():
            assert session.ended_at == session.last_activity_at == now
        case Escalated(escalation=escalation):
            assert session.ended_at == session.last_activity_at
            assert (session.ended_at == now) or not isinstance(event, SessionEscalated)
            assert getattr(escalation, "by", "") != session.escalated_by


@given(stories(shortest=1))
def test_a_refusal_quotes_nothing_that_a_sender_wrote(story: list[Command]) -> None:
    *before, command = story
    canary = "canary"
    world = World()
    for earlier in before:
        world.apply(earlier, NOW)
    written: dict[str, Any] = {
        name: canary
        for name in (
            *("answer", "question", "note", "reason", "reason_category", "node_id", "option_id"),
            *("problem_text", "instructions", "resolution_notes"),
        )
        if hasattr(command, name)
    }
    decision, _ = world.apply(replace(command, **written), NOW)
    assert not isinstance(decision, Rejected) or canary not in decision.message


@settings(max_examples=200)
@given(stories())
def test_two_accounts_never_touch(story: list[Command]) -> None:
    """What one account's commands come to is the same without those of all others.

    Only ids are shared: whoever starts a session first has its id, so nobody here starts one with
    an id of the other's.
    """
    theirs = [command for command in story if not takes_an_id_of(command, ACME)]
    both, alone = World(), World()
    for command in theirs:
        decision, _ = both.apply(command, NOW)
        if command.account_id == ACME:
            assert decision == alone.apply(command, NOW)[0]
    assert of_account(both, ACME) == of_account(alone, ACME)


@given(stories(shortest=1))
def test_no_command_changes_or_shows_what_belongs_to_another_account(
    story: list[Command],
) -> None:
    *before, command = story
    world = World()
    for earlier in before:
        world.apply(earlier, NOW)
    session = world.session(command.session_id)
    others = [account for account in (ACME, GLOBEX) if account != command.account_id]
    kept = [of_account(world, account) for account in others]
    decision, happened = world.apply(command, NOW)
    assert [of_account(world, account) for account in others] == kept
    for one in happened:
        assert one.session.origin.account_id == command.account_id
    if not isinstance(session, Unborn) and session.origin.account_id in others:
        assert isinstance(decision, Rejected)
        assert decision.code in {"forbidden", "unknown_session", "session_exists"}


def takes_an_id_of(command: Command, account_id: str) -> bool:
    """Whether somebody else's command would start a session with an id of the account's."""
    foreign = command.account_id != account_id
    if isinstance(command, HandBack):
        return foreign == (command.new_session_id in SESSIONS[account_id])
    return isinstance(command, Start) and foreign == (command.session_id in SESSIONS[account_id])


def of_account(world: World, account_id: str) -> object:
    """Everything that belongs to the account."""
    sessions = {
        id_: (session, tuple(world.walks[id_]), world.notes.get(id_))
        for id_, session in world.sessions.items()
        if session.origin.account_id == account_id
    }
    tickets = {key: ticket for key, ticket in world.tickets.items() if key[0] == account_id}
    return sessions, tickets


@given(stories())
def test_the_first_event_of_a_session_is_its_start_and_no_other_is(
    story: list[Command],
) -> None:
    world = World()
    for command in story:
        for one in world.apply(command, NOW)[1]:
            assert isinstance(one.event, SessionStarted) == (one.session.version == 1)


@given(stories())
def test_what_is_handed_back_goes_on_in_the_session_that_it_names(story: list[Command]) -> None:
    world = World()
    for command in story:
        for one in world.apply(command, NOW)[1]:
            if isinstance(one.event, HandedBack):
                new = world.sessions[one.event.new_session_id].origin
                assert new.previous_session_id == one.session.origin.session_id
                assert new.ticket == one.session.origin.ticket
                assert new.account_id == one.session.origin.account_id
