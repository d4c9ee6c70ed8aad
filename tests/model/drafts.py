"""Commands for Hypothesis to draw: few sessions, few tickets, and much to quarrel about."""

from collections.abc import Callable

from hypothesis import strategies as st

from domain.commands import Command
from tests import builders
from tests.builders import ACME, GLOBEX, an_id
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
)

NOWHERE = an_id(0xC)
SESSIONS = {
    ACME: [an_id(number) for number in range(0x31, 0x39)],
    GLOBEX: [an_id(number) for number in range(0x41, 0x44)],
}
_ALL_SESSIONS = [*SESSIONS[ACME], *SESSIONS[GLOBEX]]

# Of what is listed more than once, there is more.
_PARTIES: list[tuple[str, str | None]] = [
    *[(ACME, TECH)] * 12,
    *[(ACME, ENGINEER)] * 4,
    *[(GLOBEX, GLOBEX_TECH)] * 5,
    (ACME, IDLE_ENGINEER),
    (ACME, ADMIN),
    (ACME, FORMER),
    (ACME, NOBODY),
    (ACME, GLOBEX_TECH),
    (GLOBEX, TECH),
    (NOWHERE, TECH),
    (ACME, None),
]
_TICKETS = [
    *[*PSA_TICKETS, OPEN_TICKET] * 3,
    *[GLOBEX_TICKET] * 2,
    CLOSED_TICKET,
    CLOSED_PSA_TICKET,
]
_STARTS: list[Callable[..., Command]] = [
    builders.start_adhoc,
    builders.start_flow,
    builders.start_proposal,
    builders.start_ai_build,
    builders.escalate_without_walk,
]
_OTHERS: list[Callable[..., Command]] = [
    *[builders.record_step] * 4,
    *[builders.update_notes] * 2,
    builders.resolve,
    builders.escalate,
    builders.abandon,
]
_FIELDS: dict[Callable[..., Command], dict[str, st.SearchStrategy[object]]] = {
    builders.start_flow: {"flow_id": st.sampled_from([FLOW, FLOW, ARCHIVED_FLOW, GLOBEX_FLOW])},
    builders.start_proposal: {
        "flow_proposal_id": st.sampled_from([PROPOSAL, PROPOSAL, GLOBEX_PROPOSAL, an_id(0x17)])
    },
    builders.start_ai_build: {"category": st.sampled_from([None, "email"])},
    builders.escalate_without_walk: {
        "reason": st.sampled_from([None, "At once."]),
        "reason_category": st.sampled_from(["network", "fire"]),
    },
    builders.record_step: {
        "node_id": st.sampled_from(["n1", "n2"]),
        "option_id": st.sampled_from([None, "y"]),
        "question": st.sampled_from([None, "Does it — “open”?"]),
        "note": st.sampled_from([None, "Odd."]),
    },
    builders.update_notes: {"notes": st.sampled_from(["[]", '[{"text":"Ünïcode"}]'])},
    builders.resolve: {
        "helpful": st.sampled_from([True, False, None]),
        "resolution_notes": st.sampled_from(["", "Plugged it in."]),
    },
    builders.escalate: {"reason_category": st.sampled_from(["network", "fire"])},
    builders.abandon: {"reason": st.sampled_from([None, "Caller hung up."])},
}


@st.composite
def commands(draw: st.DrawFn, accounts: tuple[str, ...] = (ACME, GLOBEX, NOWHERE)) -> Command:
    """A command of somebody in one of the accounts, which need not make sense at all."""
    parties = [party for party in _PARTIES if party[0] in accounts]
    account_id, actor_id = draw(st.sampled_from(parties))
    own = SESSIONS.get(account_id, [])
    build = draw(st.sampled_from(_STARTS * 2 + _OTHERS * 2))
    fields = {name: draw(strategy) for name, strategy in _FIELDS.get(build, {}).items()}
    if build in _STARTS:
        fields["ticket"] = draw(st.sampled_from(_TICKETS))
    command: Command = build(
        session_id=draw(st.sampled_from(own * 4 + _ALL_SESSIONS)),
        account_id=account_id,
        actor_id=actor_id,
        expected_version=draw(st.sampled_from([None] * 8 + [0, 1, 2])),
        **fields,
    )
    return command
