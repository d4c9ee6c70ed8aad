"""The states of a session, a sum type: each holds only what exists in that state."""

from datetime import datetime
from enum import StrEnum

from domain.built_nodes import BuiltNode
from domain.tickets import TicketRef
from domain.values import value


class SessionKind(StrEnum):
    """What the technician walks along."""

    FLOW = "flow"
    PROPOSAL = "proposal"
    ADHOC = "adhoc"
    AI_BUILD = "ai_build"


class SessionStatus(StrEnum):
    """Where a session stands; all but `ACTIVE` are final."""

    ACTIVE = "active"
    RESOLVED = "resolved"
    ESCALATED = "escalated"
    ABANDONED = "abandoned"


@value
class Origin:
    """What a session is from birth to deletion."""

    session_id: str
    account_id: str
    kind: SessionKind
    ticket: TicketRef
    started_by: str
    acting_as: str | None
    started_at: datetime
    flow_id: str | None = None
    flow_version: int | None = None
    flow_proposal_id: str | None = None
    category: str | None = None
    problem_text: str | None = None
    previous_session_id: str | None = None


@value
class Unborn:
    """No session has this id yet."""

    version: int = 0


@value
class Active:
    """The walk goes on.

    ``current_node_id`` is the node to show, None while one is being generated; ``walked`` are the
    nodes answered so far, to which a technician may go back: of a flow's, those at least that
    commands at hand name. Of an AI-built walk, ``request_id`` is the request for a node that is
    open, if one is, and ``nodes`` are all that were served.
    """

    origin: Origin
    version: int
    steps: int
    last_activity_at: datetime
    current_node_id: str | None = None
    walked: frozenset[str] = frozenset()
    request_id: str | None = None
    nodes: tuple[BuiltNode, ...] = ()


@value
class Waiting:
    """Nobody has taken the escalation on. ``notified`` counts how often people were told again."""

    notified: int = 0


@value
class Claimed:
    """An engineer is at work on it."""

    by: str
    at: datetime
    notified: int = 0


@value
class Closed:
    """The engineer solved it."""

    by: str
    claimed_at: datetime
    at: datetime
    resolution_notes: str
    notified: int = 0


@value
class ReturnedToFirstLine:
    """The engineer handed it back; ``new_session_id`` goes on with it."""

    by: str
    claimed_at: datetime
    at: datetime
    instructions: str
    new_session_id: str
    notified: int = 0


Escalation = Waiting | Claimed | Closed | ReturnedToFirstLine


@value
class Ended:
    """What every ended session has."""

    origin: Origin
    version: int
    steps: int
    last_activity_at: datetime
    current_node_id: str | None
    ended_at: datetime


@value
class Resolved(Ended):
    """The problem was solved."""

    helpful: bool | None
    resolution_notes: str


@value
class Escalated(Ended):
    """An engineer took over, or has to. The escalation has a life of its own."""

    reason: str | None
    reason_category: str
    escalated_by: str
    escalation: Escalation = Waiting()


@value
class Abandoned(Ended):
    """Nobody finished it."""

    reason: str | None


Session = Unborn | Active | Resolved | Escalated | Abandoned
Born = Active | Resolved | Escalated | Abandoned


def escalation_status(escalation: Escalation) -> str:
    """The word that the outside uses for where an escalation stands."""
    match escalation:
        case Waiting():
            return "open"
        case Claimed():
            return "claimed"
        case Closed():
            return "closed"
        case ReturnedToFirstLine():
            return "handed_back"


def status(session: Born) -> SessionStatus:
    """The word that the outside uses for the state."""
    match session:
        case Active():
            return SessionStatus.ACTIVE
        case Resolved():
            return SessionStatus.RESOLVED
        case Escalated():
            return SessionStatus.ESCALATED
        case Abandoned():
            return SessionStatus.ABANDONED
