"""Of several faults at once, the sender is told the first in the contract's order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations

import pytest

from domain.commands import Command
from domain.context import Limits
from domain.decide import decide
from domain.decisions import Code, Rejected
from domain.events import Event
from domain.people import Role
from domain.sessions import SessionKind
from domain.tickets import TicketStatus
from tests.builders import (
    ENGINEER,
    FLOW,
    GLOBEX,
    INTERNAL_TICKET,
    OTHER_SESSION,
    TECH,
    a_ticket,
    a_user,
    abandon,
    claim,
    claimed,
    close,
    closed,
    end_with_ticket,
    escalate,
    escalate_without_walk,
    escalated,
    hand_back,
    handed_back,
    intake,
    move_ticket,
    next_node,
    node_requested,
    record_step,
    release,
    released,
    renotify,
    resolve,
    resolved,
    serve_node,
    start_adhoc,
    start_ai_build,
    start_flow,
    start_proposal,
    started,
    update_notes,
)
from tests.domain.given import a_context, after

ORDER = [
    "invalid",
    "key_mismatch",
    "notes_too_large",
    "command_id_reused",
    "forbidden",
    "unknown_session",
    "session_exists",
    "stale_version",
    "not_active",
    "not_escalated",
    "already_claimed",
    "not_claimed",
    "wrong_kind",
    "unknown_flow",
    "unknown_proposal",
    "unknown_ticket",
    "ticket_closed",
    "ticket_has_active_session",
    "stale_node",
    "unknown_option",
    "path_too_long",
    "discarded",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """What makes a code apply: fields of the session, the command and the context.

    ``history`` stands in the place of the one that the command is meant for.
    """

    code: Code
    history: Sequence[Callable[..., Event]] | None = None
    origin: Mapping[str, object] = field(default_factory=dict)
    command: Mapping[str, object] = field(default_factory=dict)
    context: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """A command that would be accepted after this history, and what may be wrong with it."""

    build: Callable[..., Command]
    faults: Sequence[Fault]
    history: Sequence[Callable[..., Event]] = (started,)
    kind: SessionKind = SessionKind.FLOW
    context: Mapping[str, object] = field(default_factory=dict)


FORBIDDEN = Fault(Code.FORBIDDEN, context={"user": None})
STALE = Fault(Code.STALE_VERSION, command={"expected_version": 9})

EXISTS = Fault(Code.SESSION_EXISTS, history=[started])
NO_FLOW = Fault(Code.UNKNOWN_FLOW, context={"walkable": None})
NO_PROPOSAL = Fault(Code.UNKNOWN_PROPOSAL, context={"walkable": None})
NO_TICKET = Fault(Code.UNKNOWN_TICKET, command={"ticket": INTERNAL_TICKET})
CLOSED = Fault(Code.TICKET_CLOSED, context={"ticket": a_ticket(status=TicketStatus.CLOSED)})
TAKEN = Fault(Code.TICKET_HAS_ACTIVE_SESSION, context={"active_session_id": OTHER_SESSION})
ON_TICKET = [FORBIDDEN, EXISTS, STALE, NO_TICKET, CLOSED, TAKEN]

FOREIGN = Fault(Code.UNKNOWN_SESSION, origin={"account_id": GLOBEX})
ENDED = Fault(Code.NOT_ACTIVE, history=[started, resolved])
WRONG_KIND = Fault(Code.WRONG_KIND, origin={"kind": SessionKind.ADHOC})
STALE_NODE = Fault(Code.STALE_NODE, command={"node_id": "n2"})
UNKNOWN_OPTION = Fault(Code.UNKNOWN_OPTION, command={"option_id": "perhaps"})
TOO_LONG = Fault(Code.PATH_TOO_LONG, context={"limits": Limits(steps=0)})
ON_SESSION = [FORBIDDEN, FOREIGN, STALE, ENDED]

NOT_YET = Fault(Code.NOT_ESCALATED, history=[started])
NEVER = Fault(Code.NOT_ESCALATED, history=[started, resolved])
CLOSED_BEFORE = Fault(Code.NOT_ESCALATED, history=[started, escalated, claimed, closed])
HANDED_BACK = Fault(Code.NOT_ESCALATED, history=[started, escalated, claimed, handed_back])
OTHERS_CLAIM = Fault(
    Code.ALREADY_CLAIMED, history=[started, escalated, partial(claimed, by=OTHER_SESSION)]
)
UNCLAIMED = Fault(Code.NOT_CLAIMED, history=[started, escalated])
RELEASED = Fault(Code.NOT_CLAIMED, history=[started, escalated, claimed, released])
OWN = Fault(Code.FORBIDDEN, history=[started, partial(escalated, by=ENGINEER)])
NEW_ID_TAKEN = Fault(Code.SESSION_EXISTS, context={"new_session_taken": True})
ON_ESCALATION = [FORBIDDEN, FOREIGN, STALE, NOT_YET, NEVER, CLOSED_BEFORE, HANDED_BACK]
ON_CLAIM = [*ON_ESCALATION, OTHERS_CLAIM, UNCLAIMED, RELEASED]
ENGINEERS = {"user": a_user(id=ENGINEER, role=Role.ENGINEER)}

NOT_BUILT = Fault(Code.WRONG_KIND, history=[started], origin={"kind": SessionKind.ADHOC})
NOT_ASKED = Fault(Code.STALE_NODE, history=[started])
ASKED_ELSE = Fault(Code.STALE_NODE, command={"request_id": OTHER_SESSION})
A_PERSON = Fault(Code.FORBIDDEN, command={"actor_id": TECH})

CASES: dict[str, Case] = {
    **{
        name: Case(build, faults, history=())
        for name, build, faults in (
            ("start_flow", start_flow, [*ON_TICKET, NO_FLOW]),
            ("start_proposal", start_proposal, [*ON_TICKET, NO_PROPOSAL]),
            ("start_adhoc", start_adhoc, ON_TICKET),
            ("start_ai_build", start_ai_build, ON_TICKET),
            ("escalate_without_walk", escalate_without_walk, ON_TICKET),
            ("intake", intake, ON_TICKET),
            ("intake of a flow", partial(intake, flow_id=FLOW), [*ON_TICKET, NO_FLOW]),
        )
    },
    "record_step": Case(
        record_step, [*ON_SESSION, WRONG_KIND, STALE_NODE, UNKNOWN_OPTION, TOO_LONG]
    ),
    "update_notes": Case(update_notes, ON_SESSION),
    "resolve": Case(resolve, ON_SESSION),
    "escalate": Case(escalate, ON_SESSION),
    "abandon": Case(abandon, ON_SESSION),
    "next_node": Case(next_node, [*ON_SESSION, WRONG_KIND], kind=SessionKind.AI_BUILD),
    "claim": Case(
        claim, [*ON_ESCALATION, OTHERS_CLAIM, OWN], [started, escalated], context=ENGINEERS
    ),
    "release": Case(release, ON_CLAIM, [started, escalated, claimed], context=ENGINEERS),
    "close": Case(close, ON_CLAIM, [started, escalated, claimed], context=ENGINEERS),
    "hand_back": Case(
        hand_back,
        [*ON_CLAIM, NEW_ID_TAKEN, CLOSED, TAKEN],
        [started, escalated, claimed],
        context=ENGINEERS,
    ),
    "move_ticket": Case(move_ticket, [A_PERSON, FOREIGN, STALE, ENDED]),
    "end_with_ticket": Case(end_with_ticket, [A_PERSON, FOREIGN, STALE, ENDED]),
    "serve_node": Case(
        serve_node,
        [A_PERSON, FOREIGN, STALE, ENDED, NOT_BUILT, NOT_ASKED, ASKED_ELSE],
        [started, node_requested],
        SessionKind.AI_BUILD,
    ),
    "renotify": Case(renotify, [A_PERSON, FOREIGN, STALE, NOT_YET, NEVER], [started, escalated]),
}


def test_the_codes_are_listed_in_the_order_in_which_they_are_looked_at() -> None:
    assert [*Code] == ORDER


def rank(fault: Fault) -> int:
    return ORDER.index(fault.code)


def subsets() -> Iterator[object]:
    """Each fault of each command, and each two that can hold at the same time."""
    for name, case in CASES.items():
        for several in (*combinations(case.faults, 1), *combinations(case.faults, 2)):
            if {NO_TICKET.code, CLOSED.code} <= {fault.code for fault in several}:
                continue  # a ticket that nobody knows is not known to be closed
            if OWN in several and FOREIGN in several:
                continue  # who escalated in another account is no concern of this one
            if sum(fault.history is not None for fault in several) > 1:
                continue  # a session has one history
            ordered = sorted(several, key=rank)
            yield pytest.param(case, ordered, id=f"{name}-{'+'.join(one.code for one in ordered)}")


@pytest.mark.parametrize(("case", "faults"), list(subsets()))
def test_the_first_code_that_applies_is_told(case: Case, faults: Sequence[Fault]) -> None:
    decision = decided(case, faults)
    assert isinstance(decision, Rejected)
    assert decision.code is faults[0].code


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_without_a_fault_nothing_is_refused(case: Case) -> None:
    assert not isinstance(decided(case, ()), Rejected)


def decided(case: Case, faults: Sequence[Fault]) -> object:
    """What comes of the command with these faults."""
    history = case.history
    origin: dict[str, object] = {"kind": case.kind}
    command: dict[str, object] = {}
    context = dict(case.context)
    for fault in faults:
        history = history if fault.history is None else fault.history
        origin |= fault.origin
        command |= fault.command
        context |= fault.context
    session = after([make(**origin) if make is started else make() for make in history])
    return decide(session, case.build(**command), a_context(**context))
