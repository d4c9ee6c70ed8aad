"""What tests are made of: builders that take only what a test cares about."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from domain.commands import (
    Abandon,
    Escalate,
    EscalateWithoutWalk,
    RecordStep,
    Resolve,
    StartAdhoc,
    StartAiBuild,
    StartFlow,
    StartProposal,
    UpdateNotes,
)
from domain.events import (
    NodeRequested,
    NotesUpdated,
    SessionAbandoned,
    SessionEscalated,
    SessionResolved,
    SessionStarted,
    StepRecorded,
)
from domain.people import Actor, Role, User
from domain.sessions import SessionKind
from domain.tickets import Ticket, TicketKind, TicketRef, TicketStatus

Made = TypeVar("Made")


def an_id(number: int) -> str:
    """A canonical UUID, the same for the same number."""
    return f"00000000-0000-4000-8000-{number:012x}"


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ACME, GLOBEX = an_id(0xA), an_id(0xB)
TECH, ENGINEER, GLOBEX_TECH = an_id(0x1), an_id(0x2), an_id(0x3)
FLOW, PROPOSAL = an_id(0x11), an_id(0x12)
SESSION, OTHER_SESSION = an_id(0x31), an_id(0x32)
COMMAND = an_id(0x41)
PSA_TICKET = TicketRef(TicketKind.PSA, "10045")
INTERNAL_TICKET = TicketRef(TicketKind.INTERNAL, an_id(0x21))
TERRY = Actor(TECH, "Terry")

_COMMON = {
    "command_id": COMMAND,
    "session_id": SESSION,
    "account_id": ACME,
    "actor_id": TECH,
}
_ON_TICKET = {"ticket": PSA_TICKET}
_NOW = {"at": NOW}


# -- people and tickets ----------------------------------------------------------------------


def a_user(**more: object) -> User:
    """A technician of Acme's first line."""
    person = {"id": TECH, "account_id": ACME, "name": "Terry", "role": Role.L1_TECH}
    return made(User, person, {"l1_coverage": False, "deleted": False}, more)


def a_ticket(**more: object) -> Ticket:
    """An open ticket that firstline keeps itself."""
    return made(Ticket, {"ref": INTERNAL_TICKET, "status": TicketStatus.OPEN}, more)


# -- commands of Acme's technician -----------------------------------------------------------


def start_flow(**more: object) -> StartFlow:
    return made(StartFlow, _COMMON, _ON_TICKET, {"flow_id": FLOW}, more)


def start_proposal(**more: object) -> StartProposal:
    return made(StartProposal, _COMMON, _ON_TICKET, {"flow_proposal_id": PROPOSAL}, more)


def start_adhoc(**more: object) -> StartAdhoc:
    return made(StartAdhoc, _COMMON, _ON_TICKET, more)


def start_ai_build(**more: object) -> StartAiBuild:
    return made(StartAiBuild, _COMMON, _ON_TICKET, {"problem_text": "No mail."}, more)


def escalate_without_walk(**more: object) -> EscalateWithoutWalk:
    return made(EscalateWithoutWalk, _COMMON, _ON_TICKET, {"reason_category": "network"}, more)


def record_step(**more: object) -> RecordStep:
    return made(RecordStep, _COMMON, {"node_id": "n1", "answer": "Yes"}, more)


def update_notes(**more: object) -> UpdateNotes:
    return made(UpdateNotes, _COMMON, {"notes": '[{"text":"Called back."}]'}, more)


def resolve(**more: object) -> Resolve:
    return made(Resolve, _COMMON, {"helpful": True, "resolution_notes": "Plugged it in."}, more)


def escalate(**more: object) -> Escalate:
    return made(Escalate, _COMMON, {"reason": "Beyond me.", "reason_category": "network"}, more)


def abandon(**more: object) -> Abandon:
    return made(Abandon, _COMMON, more)


# -- events of Acme's session ----------------------------------------------------------------


def started(**more: object) -> SessionStarted:
    """An adhoc session started, or one of the kind named with what belongs to it."""
    belongs: dict[object, dict[str, object]] = {
        SessionKind.FLOW: {"flow_id": FLOW, "flow_version": 1},
        SessionKind.PROPOSAL: {"flow_proposal_id": PROPOSAL},
        SessionKind.AI_BUILD: {"problem_text": "No mail."},
    }
    session = {"session_id": SESSION, "account_id": ACME, "kind": SessionKind.ADHOC}
    return made(
        SessionStarted,
        _NOW,
        session,
        _ON_TICKET,
        {"started_by": TERRY},
        belongs.get(more.get("kind"), {}),
        more,
    )


def step_recorded(**more: object) -> StepRecorded:
    step = {"position": 1, "node_id": "n1", "question": "", "answer": "Yes"}
    return made(StepRecorded, _NOW, step, more)


def notes_updated(**more: object) -> NotesUpdated:
    return made(NotesUpdated, _NOW, {"notes": '[{"text":"Called back."}]'}, more)


def node_requested(**more: object) -> NodeRequested:
    return made(NodeRequested, _NOW, more)


def resolved(**more: object) -> SessionResolved:
    return made(
        SessionResolved, _NOW, {"helpful": True, "resolution_notes": "Plugged it in."}, more
    )


def escalated(**more: object) -> SessionEscalated:
    return made(
        SessionEscalated, _NOW, {"reason": "Beyond me.", "reason_category": "network"}, more
    )


def abandoned(**more: object) -> SessionAbandoned:
    return made(SessionAbandoned, _NOW, {"reason": None}, more)


def made(make: Callable[..., Made], *fields: Mapping[str, object]) -> Made:
    """Make something of all the fields, of which later ones win."""
    return make(**{name: value for part in fields for name, value in part.items()})
