"""What a sender may ask of a session: one frozen type a command, ids as canonical UUID text."""

from domain.built_nodes import BuiltNode
from domain.tickets import TicketRef
from domain.values import keyword_value


@keyword_value
class Common:
    """The fields that every command has.

    ``actor_id`` is None only where the system acts. ``occurred_at`` is the sender's RFC 3339 text:
    it is kept in the event's data and never decides anything.
    """

    command_id: str
    session_id: str
    account_id: str
    actor_id: str | None = None
    occurred_at: str | None = None
    expected_version: int | None = None
    correlation: str | None = None


@keyword_value
class StartFlow(Common):
    """Walk the account's authored flow, at its newest version."""

    ticket: TicketRef
    flow_id: str


@keyword_value
class StartProposal(Common):
    """Walk a proposed flow."""

    ticket: TicketRef
    flow_proposal_id: str


@keyword_value
class StartAdhoc(Common):
    """Investigate freely: notes, no steps."""

    ticket: TicketRef


@keyword_value
class StartAiBuild(Common):
    """Walk a tree whose next question a language model writes."""

    ticket: TicketRef
    problem_text: str
    category: str | None = None


@keyword_value
class RecordStep(Common):
    """Record an answered node of the walk."""

    node_id: str
    answer: str
    option_id: str | None = None
    question: str | None = None
    note: str | None = None


@keyword_value
class UpdateNotes(Common):
    """Replace the session's notes. ``notes`` is a JSON array of objects, as compact JSON text."""

    notes: str


@keyword_value
class Resolve(Common):
    """End the session with the problem solved. ``helpful`` is None where nobody could tell."""

    helpful: bool | None
    resolution_notes: str


@keyword_value
class Escalate(Common):
    """End first-line work and hand the ticket to an engineer."""

    reason: str
    reason_category: str


@keyword_value
class EscalateWithoutWalk(Common):
    """Start a session that is escalated from its first moment."""

    ticket: TicketRef
    reason_category: str
    reason: str | None = None


@keyword_value
class Abandon(Common):
    """End the session without an outcome."""

    reason: str | None = None


@keyword_value
class Intake(Common):
    """Start whatever the account's knowledge has for the problem."""

    ticket: TicketRef
    problem_text: str
    category: str | None = None
    flow_id: str | None = None
    adhoc: bool = False


@keyword_value
class NextNode(Common):
    """Show the pending node of an AI-built walk again, or ask for one."""


@keyword_value
class ClaimEscalation(Common):
    """Take an escalation on, as an engineer."""


@keyword_value
class ReleaseEscalation(Common):
    """Give a claimed escalation back to the queue."""


@keyword_value
class CloseEscalation(Common):
    """Say that a claimed escalation is solved."""

    resolution_notes: str


@keyword_value
class HandBack(Common):
    """Return a claimed escalation to first line, in a new session."""

    instructions: str
    new_session_id: str


@keyword_value
class MoveTicket(Common):
    """Go on on the ticket that the session's own was merged into; the system's own command."""

    ticket: TicketRef


@keyword_value
class EndWithTicket(Common):
    """End the session with its ticket, unless it left that since; the system's own command."""

    ticket: TicketRef
    reason: str


@keyword_value
class Renotify(Common):
    """Tell people again of an escalation; the system's own command. ``step`` counts from 1."""

    step: int


@keyword_value
class ServeNode(Common):
    """Show the node that was generated for the request; the system's own command.

    ``request_id`` is the id of the event that asked, and ``correlation`` that of who asked.
    """

    request_id: str
    node: BuiltNode


Start = Intake | StartFlow | StartProposal | StartAdhoc | StartAiBuild | EscalateWithoutWalk
Walk = RecordStep | UpdateNotes | Resolve | Escalate | Abandon | NextNode
EscalationMove = ClaimEscalation | ReleaseEscalation | CloseEscalation | HandBack
SystemCommand = MoveTicket | EndWithTicket | Renotify | ServeNode
Command = Start | Walk | EscalationMove | SystemCommand
