"""Commands for Hypothesis to draw: few sessions, few tickets, and much to quarrel about."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from hypothesis import strategies as st

from domain.built_nodes import AI_UNAVAILABLE, NodeKind
from domain.commands import Command
from domain.sessions import Active, Escalated, Unborn
from domain.tickets import TicketRef
from tests import builders
from tests.builders import ACME, GLOBEX, NOW, an_id
from tests.model.world import (
    ADMIN,
    ARCHIVED_FLOW,
    CLOSED_PSA_TICKET,
    CLOSED_TICKET,
    ENGINEER,
    FLOW,
    FORMER,
    GLOBEX_FLOW,
    GLOBEX_PROPOSAL,
    GLOBEX_TECH,
    GLOBEX_TICKET,
    IDLE_ENGINEER,
    NOBODY,
    OPEN_TICKET,
    PROPOSAL,
    PSA_TICKETS,
    TECH,
    World,
)

Drawn = TypeVar("Drawn")

NOWHERE = an_id(0xC)
SESSIONS = {
    ACME: [an_id(number) for number in range(0x31, 0x3A)],
    GLOBEX: [an_id(number) for number in range(0x41, 0x44)],
}
_DICE = st.integers(0, 9).map(lambda dice: 9 - dice)  # what is likely is simplest
_ALL_SESSIONS = [*SESSIONS[ACME], *SESSIONS[GLOBEX]]

# Of what is listed more than once, there is more.
_PARTIES: list[tuple[str, str | None]] = [
    *[(ACME, TECH)] * 30,
    *[(ACME, ENGINEER)] * 10,
    *[(GLOBEX, GLOBEX_TECH)] * 12,
    (ACME, IDLE_ENGINEER),
    (ACME, ADMIN),
    (ACME, FORMER),
    (ACME, NOBODY),
    (ACME, GLOBEX_TECH),
    (GLOBEX, TECH),
    (NOWHERE, TECH),
    (ACME, None),
]
_FLOWS = {ACME: [FLOW], GLOBEX: [GLOBEX_FLOW]}
_PROPOSALS = {ACME: [PROPOSAL], GLOBEX: [GLOBEX_PROPOSAL]}
_TICKETS = {ACME: OPEN_TICKET, GLOBEX: GLOBEX_TICKET}
_STARTS: list[Callable[..., Command]] = [
    builders.start_flow, builders.start_flow, builders.start_flow,
    builders.start_ai_build, builders.start_ai_build, builders.start_ai_build,
    builders.start_proposal, builders.start_proposal,
    builders.start_adhoc, builders.start_adhoc,
    builders.escalate_without_walk,
    builders.intake, builders.intake, builders.intake,
]  # fmt: skip
_OTHERS: list[Callable[..., Command]] = [
    *[builders.record_step] * 14,
    *[builders.update_notes] * 3,
    builders.resolve,
    *[builders.escalate] * 3,
    builders.abandon,
    builders.next_node,
    builders.move_ticket,
    builders.end_with_ticket,
    *[builders.serve_node] * 4,
]
_MOVES: list[Callable[..., Command]] = [
    *[builders.claim] * 6,
    *[builders.release] * 4,
    *[builders.close] * 4,
    *[builders.hand_back] * 4,
    *[builders.renotify] * 2,
]
_ENGINEERS = [*[ENGINEER] * 6, IDLE_ENGINEER, TECH]
_SYSTEMS = {
    builders.move_ticket,
    builders.end_with_ticket,
    builders.renotify,
    builders.serve_node,
}
_NODES = [
    *[builders.a_node(id=an_id(number)) for number in range(0x61, 0x64)],
    builders.an_action(id=an_id(0x64)),
    builders.a_node(
        kind=NodeKind.ESCALATE, choices=(), reason_category=AI_UNAVAILABLE, id=an_id(0x65)
    ),
]
_CHOICES = {node.id: node.choices[0].id if node.choices else None for node in _NODES}
_FIELDS: dict[Callable[..., Command], dict[str, st.SearchStrategy[object]]] = {
    builders.start_ai_build: {"category": st.sampled_from([None, "email"])},
    builders.escalate_without_walk: {
        "reason": st.sampled_from([None, "At once."]),
        "reason_category": st.sampled_from(["network", "fire"]),
    },
    builders.record_step: {
        "node_id": st.sampled_from(["n1", "n2"]),
        "option_id": st.sampled_from(["y", None, "n"]),
        "question": st.sampled_from([None, "Does it — “open”?"]),
        "note": st.sampled_from([None, "Odd."]),
    },
    builders.update_notes: {"notes": st.sampled_from(["[]", '[{"text":"Ünïcode"}]'])},
    builders.resolve: {
        "helpful": st.sampled_from([True, False, None]),
        "resolution_notes": st.sampled_from(["", "Plugged it in."]),
    },
    builders.escalate: {"reason_category": st.sampled_from(["network", "fire"])},
    builders.abandon: {"reason": st.sampled_from([None, "Caller hung up.", "ticket_closed"])},
    builders.intake: {
        "problem_text": st.sampled_from(["No mail.", "The printer burns.", "Hm."]),
        "adhoc": st.sampled_from([False, False, True]),
    },
    builders.renotify: {"step": st.integers(1, 2)},
}


@st.composite
def stories(draw: st.DrawFn, shortest: int = 0, longest: int = 40) -> list[Command]:
    """Commands one after another, of people who mostly know what they do."""
    world = World()
    told: list[Command] = []
    for _ in range(draw(st.integers(shortest, longest))):
        told.append(draw(commands(world)))
        world.apply(told[-1], NOW)
    return told


@st.composite
def commands(  # noqa: C901 - what some commands need
    draw: st.DrawFn, world: World
) -> Command:
    """A command that mostly makes sense in this world, and may make none at all."""
    account_id, actor_id = draw(st.sampled_from(_PARTIES))
    escalated = any(isinstance(session, Escalated) for session in world.sessions.values())
    build = draw(st.sampled_from(_STARTS + _OTHERS + (_MOVES * 2 if escalated else [])))
    if build in _SYSTEMS:
        actor_id = _mostly(draw, [None], actor_id)
    elif build in _MOVES and account_id == ACME:
        actor_id = draw(st.sampled_from(_ENGINEERS))
    fields = {name: draw(strategy) for name, strategy in _FIELDS.get(build, {}).items()}
    if build in {*_STARTS, builders.move_ticket, builders.end_with_ticket}:
        fields["ticket"] = draw(st.sampled_from(_tickets(account_id)))
    if build is builders.intake:
        own = _FLOWS.get(account_id, [])
        fields["flow_id"] = _mostly(draw, [None, None, *own], GLOBEX_FLOW, ARCHIVED_FLOW)
    if build is builders.hand_back:
        free = [one for one in SESSIONS.get(account_id, []) if one not in world.sessions]
        fields["new_session_id"] = _mostly(draw, free, *_ALL_SESSIONS)
    if build is builders.start_flow:
        fields["flow_id"] = _mostly(draw, _FLOWS.get(account_id, []), GLOBEX_FLOW, ARCHIVED_FLOW)
    if build is builders.start_proposal:
        own = _PROPOSALS.get(account_id, [])
        fields["flow_proposal_id"] = _mostly(draw, own, GLOBEX_PROPOSAL, NOBODY)
    likely = [
        session_id
        for session_id in SESSIONS.get(account_id, [])
        if isinstance(world.session(session_id), _meant_for(build))
    ]
    if build is builders.serve_node:
        likely = [one for one in likely if _open_request(world, one)]
    session_id = _mostly(draw, likely, *_ALL_SESSIONS)
    if build is builders.serve_node:
        fields["request_id"] = _mostly(draw, _open_request(world, session_id), builders.REQUEST)
        fields["node"] = draw(st.sampled_from(_NODES))
    shown = getattr(world.session(session_id), "current_node_id", None)
    if build is builders.record_step and shown in _CHOICES:
        fields |= {"node_id": shown, "option_id": _CHOICES[shown]}
    command: Command = build(
        session_id=session_id,
        account_id=account_id,
        actor_id=actor_id,
        expected_version=_mostly(draw, [None], 0, 1, 2),
        **fields,
    )
    return command


def _open_request(world: World, session_id: str) -> list[str]:
    """The request that the session waits for, if it waits for one."""
    request_id = getattr(world.session(session_id), "request_id", None)
    return [] if request_id is None else [request_id]


def _meant_for(build: Callable[..., Command]) -> type:
    """The state of the sessions for which such a command makes sense."""
    if build in _STARTS:
        return Unborn
    return Escalated if build in _MOVES else Active


def _tickets(account_id: str) -> list[TicketRef]:
    own = [*PSA_TICKETS, _TICKETS.get(account_id, OPEN_TICKET)]
    return own * 4 + [GLOBEX_TICKET, CLOSED_TICKET, CLOSED_PSA_TICKET]


def _mostly(draw: st.DrawFn, likely: Sequence[Drawn], *others: Drawn) -> Drawn:
    """Something likely, where there is anything, nine times of ten."""
    options = others if not likely or draw(_DICE) == 0 else likely
    return draw(st.sampled_from(options))
