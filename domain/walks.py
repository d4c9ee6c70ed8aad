"""Walking: which node may be answered, with what, and where the answer leads."""

from domain.built_walks import answer_node
from domain.commands import MoveTicket, RecordStep
from domain.context import Context
from domain.decisions import Accepted, Code, Decision, Rejected
from domain.events import SessionAbandoned, StepRecorded, TicketChanged
from domain.flows import after, is_end
from domain.sessions import Active, SessionKind
from domain.tickets import TICKET_CLOSED, TICKET_MERGED, TicketKind, TicketStatus


def record_step(session: Active, command: RecordStep, context: Context) -> Decision:
    """Record the answer to the node at hand, or to one walked before: the path keeps both."""
    match session.origin.kind:
        case SessionKind.FLOW | SessionKind.PROPOSAL:
            return _along_nodes(session, command, context)
        case SessionKind.AI_BUILD:
            return answer_node(session, command, context)
        case SessionKind.ADHOC:
            return Rejected(Code.WRONG_KIND, "An adhoc session takes notes, not steps.")


def move_ticket(session: Active, command: MoveTicket, context: Context) -> Decision:
    """Go on on the other ticket; this session ends where that is closed, taken or not there."""
    if session.origin.ticket == command.ticket:
        return Accepted(())
    if context.ticket is None and command.ticket.kind is TicketKind.INTERNAL:  # we have no such
        return Accepted((SessionAbandoned(at=context.now, reason=TICKET_MERGED),))
    if context.ticket is not None and context.ticket.status is TicketStatus.CLOSED:
        return Accepted((SessionAbandoned(at=context.now, reason=TICKET_CLOSED),))
    if context.active_session_id is not None:
        return Accepted((SessionAbandoned(at=context.now, reason=TICKET_MERGED),))
    return Accepted((TicketChanged(at=context.now, ticket=command.ticket),))


def _along_nodes(session: Active, command: RecordStep, context: Context) -> Decision:
    nodes = context.walkable.flow.nodes if context.walkable is not None else {}
    node = nodes.get(command.node_id)
    known = command.node_id == session.current_node_id or command.node_id in session.walked
    if node is None or not known:
        return Rejected(Code.STALE_NODE, "The walk is at another node.")
    if is_end(node):
        return Rejected(Code.STALE_NODE, "The walk is at its end: resolve or escalate.")
    following = after(node, command.option_id)
    if following is None:
        return Rejected(Code.UNKNOWN_OPTION, "The node has no such option.")
    if session.steps >= context.limits.steps:
        return Rejected(Code.PATH_TOO_LONG, f"A walk has at most {context.limits.steps} steps.")
    step = StepRecorded(
        at=context.now,
        position=session.steps + 1,
        node_id=command.node_id,
        question=command.question or node.text,
        answer=command.answer,
        option_id=command.option_id,
        note=command.note,
        next_node_id=following,
    )
    return Accepted((step,))
