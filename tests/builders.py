"""What tests are made of: builders that take only what a test cares about."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

from domain.built_nodes import BuiltNode, Choice, NodeKind
from domain.commands import (
    Abandon,
    ClaimEscalation,
    CloseEscalation,
    EndWithTicket,
    Escalate,
    EscalateWithoutWalk,
    HandBack,
    Intake,
    MoveTicket,
    NextNode,
    RecordStep,
    ReleaseEscalation,
    Renotify,
    Resolve,
    ServeNode,
    StartAdhoc,
    StartAiBuild,
    StartFlow,
    StartProposal,
    UpdateNotes,
)
from domain.events import (
    EscalationClaimed,
    EscalationClosed,
    EscalationReleased,
    HandedBack,
    NodeRequested,
    NodeServed,
    NotesUpdated,
    Renotified,
    SessionAbandoned,
    SessionEscalated,
    SessionResolved,
    SessionStarted,
    StepRecorded,
    TicketChanged,
)
from domain.flows import Action, Article, EscalateEnd, Flow, Option, Question, ResolveEnd
from domain.people import Actor, Role, User
from domain.sessions import SessionKind
from domain.ticket_news import TicketAction, TicketNews
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
REQUEST, NODE = an_id(0x51), an_id(0x61)
PSA_TICKET = TicketRef(TicketKind.PSA, "10045")
OTHER_TICKET = TicketRef(TicketKind.PSA, "10046")
INTERNAL_TICKET = TicketRef(TicketKind.INTERNAL, an_id(0x21))
TERRY = Actor(TECH, "Terry")
MAIL = Flow(
    "n1",
    {
        "n1": Question(
            "n1",
            "Does it ring?",
            (Option("y", "Yes", "n2"), Option("n", "No", "esc"), Option("again", "Maybe", "n1")),
        ),
        "n2": Action("n2", "Hang up.", "n3"),
        "n3": Article("n3", "Read this.", "done"),
        "done": ResolveEnd("done", "Solved."),
        "esc": EscalateEnd("esc", "Beyond us.", "network"),
    },
)
"""A flow with a node of each type."""

_COMMON = {
    "command_id": COMMAND,
    "session_id": SESSION,
    "account_id": ACME,
    "actor_id": TECH,
}
_BY_ENGINEER = {"actor_id": ENGINEER}
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
    """The answer that leads from the first node of `MAIL` to its second."""
    return made(RecordStep, _COMMON, {"node_id": "n1", "answer": "Yes", "option_id": "y"}, more)


def update_notes(**more: object) -> UpdateNotes:
    return made(UpdateNotes, _COMMON, {"notes": '[{"text":"Called back."}]'}, more)


def resolve(**more: object) -> Resolve:
    return made(Resolve, _COMMON, {"helpful": True, "resolution_notes": "Plugged it in."}, more)


def escalate(**more: object) -> Escalate:
    return made(Escalate, _COMMON, {"reason": "Beyond me.", "reason_category": "network"}, more)


def abandon(**more: object) -> Abandon:
    return made(Abandon, _COMMON, more)


def intake(**more: object) -> Intake:
    return made(Intake, _COMMON, _ON_TICKET, {"problem_text": "No mail."}, more)


def next_node(**more: object) -> NextNode:
    return made(NextNode, _COMMON, more)


# -- commands of Acme's engineer -------------------------------------------------------------


def claim(**more: object) -> ClaimEscalation:
    return made(ClaimEscalation, _COMMON, _BY_ENGINEER, more)


def release(**more: object) -> ReleaseEscalation:
    return made(ReleaseEscalation, _COMMON, _BY_ENGINEER, more)


def close(**more: object) -> CloseEscalation:
    return made(CloseEscalation, _COMMON, _BY_ENGINEER, {"resolution_notes": "New disk."}, more)


def hand_back(**more: object) -> HandBack:
    back = {"instructions": "Ask for the number.", "new_session_id": OTHER_SESSION}
    return made(HandBack, _COMMON, _BY_ENGINEER, back, more)


# -- commands of the system ------------------------------------------------------------------


def move_ticket(**more: object) -> MoveTicket:
    return made(MoveTicket, _COMMON, {"actor_id": None, "ticket": OTHER_TICKET}, more)


def end_with_ticket(**more: object) -> EndWithTicket:
    own = {"actor_id": None, "ticket": PSA_TICKET, "reason": "ticket_closed"}
    return made(EndWithTicket, _COMMON, own, more)


def renotify(**more: object) -> Renotify:
    return made(Renotify, _COMMON, {"actor_id": None, "step": 1}, more)


def serve_node(**more: object) -> ServeNode:
    served = {"actor_id": None, "request_id": REQUEST, "node": a_node()}
    return made(ServeNode, _COMMON, served, more)


# -- events of Acme's session ----------------------------------------------------------------


def started(**more: object) -> SessionStarted:
    """An adhoc session started, or one of the kind named with what belongs to it."""
    belongs: dict[object, dict[str, object]] = {
        SessionKind.FLOW: {"flow_id": FLOW, "flow_version": 1, "current_node_id": "n1"},
        SessionKind.PROPOSAL: {"flow_proposal_id": PROPOSAL, "current_node_id": "n1"},
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


def answered(**more: object) -> StepRecorded:
    """The step that leads from the first node of `MAIL` to its second."""
    asked = {"question": "Does it ring?", "option_id": "y", "next_node_id": "n2"}
    return step_recorded(**asked | more)


def notes_updated(**more: object) -> NotesUpdated:
    return made(NotesUpdated, _NOW, {"notes": '[{"text":"Called back."}]'}, more)


def node_requested(**more: object) -> NodeRequested:
    return made(NodeRequested, _NOW, {"request_id": REQUEST}, more)


def a_node(**more: object) -> BuiltNode:
    """A generated question that rests on no article."""
    choices = (Choice("1", "Yes"), Choice("2", "No"))
    asked = {"id": NODE, "kind": NodeKind.QUESTION, "text": "Is it on?", "choices": choices}
    return made(BuiltNode, asked, more)


def an_action(**more: object) -> BuiltNode:
    """A generated action."""
    return a_node(**{"kind": NodeKind.ACTION, "text": "Switch it on.", "choices": ()} | more)


def node_served(**more: object) -> NodeServed:
    return made(NodeServed, _NOW, {"request_id": REQUEST, "node": a_node()}, more)


def resolved(**more: object) -> SessionResolved:
    return made(
        SessionResolved, _NOW, {"helpful": True, "resolution_notes": "Plugged it in."}, more
    )


def escalated(**more: object) -> SessionEscalated:
    why = {"by": TECH, "reason": "Beyond me.", "reason_category": "network"}
    return made(SessionEscalated, _NOW, why, more)


def abandoned(**more: object) -> SessionAbandoned:
    return made(SessionAbandoned, _NOW, {"reason": None}, more)


def ticket_changed(**more: object) -> TicketChanged:
    return made(TicketChanged, _NOW, {"ticket": OTHER_TICKET}, more)


def claimed(**more: object) -> EscalationClaimed:
    return made(EscalationClaimed, _NOW, {"by": ENGINEER}, more)


def released(**more: object) -> EscalationReleased:
    return made(EscalationReleased, _NOW, more)


def closed(**more: object) -> EscalationClosed:
    return made(EscalationClosed, _NOW, {"resolution_notes": "New disk."}, more)


def handed_back(**more: object) -> HandedBack:
    back = {"instructions": "Ask for the number.", "new_session_id": OTHER_SESSION}
    return made(HandedBack, _NOW, back, more)


def renotified(**more: object) -> Renotified:
    return made(Renotified, _NOW, {"step": 1}, more)


# -- news of tickets ---------------------------------------------------------------------------


def news(action: TicketAction, **more: object) -> TicketNews:
    """What Acme's PSA says of a ticket."""
    told = {"event_id": "e1", "provider": "connectwise", "account_id": ACME, "action": action}
    return made(TicketNews, told, _ON_TICKET, more)


def made(make: Callable[..., Made], *fields: Mapping[str, object]) -> Made:
    """Make something of all the fields, of which later ones win."""
    return make(**{name: value for part in fields for name, value in part.items()})
