"""Of several faults at once, the sender is told the first in the contract's order."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import pytest

from domain.commands import Command
from domain.decide import Limits, decide
from domain.decisions import Code, Rejected
from domain.events import Event
from domain.sessions import SessionKind
from domain.tickets import TicketStatus
from tests.builders import (
    GLOBEX,
    INTERNAL_TICKET,
    OTHER_SESSION,
    a_ticket,
    abandon,
    escalate,
    escalate_without_walk,
    record_step,
    resolve,
    resolved,
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
    "wrong_kind",
    "unknown_flow",
    "unknown_proposal",
    "unknown_ticket",
    "ticket_closed",
    "ticket_has_active_session",
    "path_too_long",
]


@dataclass(frozen=True, slots=True)
class Fault:
    """What makes a code apply: history and fields of the session, the command and the context."""

    code: Code
    history: Sequence[Callable[..., Event]] = ()
    origin: Mapping[str, object] = field(default_factory=dict)
    command: Mapping[str, object] = field(default_factory=dict)
    context: Mapping[str, object] = field(default_factory=dict)


FORBIDDEN = Fault(Code.FORBIDDEN, context={"user": None})
STALE = Fault(Code.STALE_VERSION, command={"expected_version": 9})

EXISTS = Fault(Code.SESSION_EXISTS, history=[started])
NO_FLOW = Fault(Code.UNKNOWN_FLOW, context={"flow_version": None})
NO_PROPOSAL = Fault(Code.UNKNOWN_PROPOSAL, context={"proposal_exists": False})
NO_TICKET = Fault(Code.UNKNOWN_TICKET, command={"ticket": INTERNAL_TICKET})
CLOSED = Fault(Code.TICKET_CLOSED, context={"ticket": a_ticket(status=TicketStatus.CLOSED)})
TAKEN = Fault(Code.TICKET_HAS_ACTIVE_SESSION, context={"active_session_id": OTHER_SESSION})
ON_TICKET = [FORBIDDEN, EXISTS, STALE, NO_TICKET, CLOSED, TAKEN]

FOREIGN = Fault(Code.UNKNOWN_SESSION, origin={"account_id": GLOBEX})
ENDED = Fault(Code.NOT_ACTIVE, history=[resolved])
WRONG_KIND = Fault(Code.WRONG_KIND, origin={"kind": SessionKind.ADHOC})
TOO_LONG = Fault(Code.PATH_TOO_LONG, context={"limits": Limits(steps=0)})
ON_SESSION = [FORBIDDEN, FOREIGN, STALE, ENDED]

Build = Callable[..., Command]
STARTS: dict[Build, list[Fault]] = {
    start_flow: [*ON_TICKET, NO_FLOW],
    start_proposal: [*ON_TICKET, NO_PROPOSAL],
    start_adhoc: ON_TICKET,
    start_ai_build: ON_TICKET,
    escalate_without_walk: ON_TICKET,
}
OTHERS: dict[Build, list[Fault]] = {
    record_step: [*ON_SESSION, WRONG_KIND, TOO_LONG],
    update_notes: ON_SESSION,
    resolve: ON_SESSION,
    escalate: ON_SESSION,
    abandon: ON_SESSION,
}


def test_the_codes_are_listed_in_the_order_in_which_they_are_looked_at() -> None:
    assert [code for code in Code if code in ORDER] == ORDER


def rank(fault: Fault) -> int:
    return ORDER.index(fault.code)


def subsets() -> Iterator[object]:
    """Each fault of each command, and each two that can hold at the same time."""
    for build, faults in (STARTS | OTHERS).items():
        for several in (*combinations(faults, 1), *combinations(faults, 2)):
            if {NO_TICKET.code, CLOSED.code} <= {fault.code for fault in several}:
                continue  # a ticket that nobody knows is not known to be closed
            ordered = sorted(several, key=rank)
            name = f"{build.__name__}-{'+'.join(fault.code for fault in ordered)}"
            yield pytest.param(build, ordered, id=name)


@pytest.mark.parametrize(("build", "faults"), list(subsets()))
def test_the_first_code_that_applies_is_told(build: Build, faults: Sequence[Fault]) -> None:
    history = [make for fault in faults for make in fault.history]
    origin: dict[str, object] = {"kind": SessionKind.FLOW}
    command: dict[str, object] = {}
    context: dict[str, object] = {}
    for fault in faults:
        origin |= fault.origin
        command |= fault.command
        context |= fault.context
    if build in OTHERS:
        history = [started, *history]
    session = after([make(**origin) if make is started else make() for make in history])
    decision = decide(session, build(**command), a_context(**context))
    assert isinstance(decision, Rejected)
    assert decision.code is faults[0].code
