"""AI-built walks: when a node is asked for, which one is taken in, and what may be answered."""

from domain.built_nodes import OUT_OF_NODES, BuiltNode, is_end, stands_in
from domain.commands import RecordStep, ServeNode
from domain.context import Context, Limits
from domain.decisions import Accepted, Code, Decision, Rejected
from domain.events import NodeRequested, NodeServed, StepRecorded
from domain.sessions import Active, SessionKind


def next_node(session: Active, context: Context) -> Decision:
    """Ask for a node, unless one is shown, one was asked for, or the walk may have no more."""
    if session.origin.kind is not SessionKind.AI_BUILD:
        return Rejected(Code.WRONG_KIND, "Only an AI-built walk asks for its nodes.")
    node = pending(session)
    shows_one = node is not None and not stands_in(node)
    if shows_one or session.request_id is not None or is_full(session, context.limits):
        return Accepted(())
    return Accepted((NodeRequested(at=context.now, request_id=context.event_id(0)),))


def serve_node(session: Active, command: ServeNode, context: Context) -> Decision:
    """Take in the node that the open request asked for, and no other."""
    if session.origin.kind is not SessionKind.AI_BUILD:
        return Rejected(Code.WRONG_KIND, "Only an AI-built walk is served nodes.")
    if session.request_id != command.request_id:
        return Rejected(Code.STALE_NODE, "The walk does not wait for this node any more.")
    served = NodeServed(at=context.now, request_id=command.request_id, node=command.node)
    return Accepted((served,))


def answer_node(session: Active, command: RecordStep, context: Context) -> Decision:
    """Record the answer to the node shown, or to one walked before, and ask for the next."""
    node = _node(session, command.node_id)
    known = command.node_id == session.current_node_id or command.node_id in session.walked
    if command.node_id == OUT_OF_NODES.id or (node is not None and is_end(node)):
        return Rejected(Code.STALE_NODE, "The walk is at its end: resolve or escalate.")
    if node is None or not known:
        return Rejected(Code.STALE_NODE, "The walk is at another node.")
    options: set[str | None] = {choice.id for choice in node.choices} or {None}
    if command.option_id not in options:
        return Rejected(Code.UNKNOWN_OPTION, "The node has no such option.")
    if session.steps >= context.limits.steps:
        message = f"A walk has at most {context.limits.steps} steps."
        return Rejected(Code.PATH_TOO_LONG, message)
    full = is_full(session, context.limits)
    step = StepRecorded(
        at=context.now,
        position=session.steps + 1,
        node_id=command.node_id,
        question=command.question or node.text,
        answer=command.answer,
        option_id=command.option_id,
        note=command.note,
        next_node_id=OUT_OF_NODES.id if full else None,
    )
    if full:
        return Accepted((step,))
    return Accepted((step, NodeRequested(at=context.now, request_id=context.event_id(1))))


def shown(session: Active, limits: Limits) -> BuiltNode | None:
    """What a client shows of the walk; None while a node is being generated."""
    node = pending(session)
    if node is None and session.request_id is None and is_full(session, limits):
        return OUT_OF_NODES
    return node


def pending(session: Active) -> BuiltNode | None:
    """The node that was served and waits for its answer."""
    if session.current_node_id is None or session.current_node_id in session.walked:
        return None
    return _node(session, session.current_node_id)


def is_full(session: Active, limits: Limits) -> bool:
    """Whether the walk has had all its nodes; those that only stood in for one do not count."""
    return generated(session) >= limits.ai_nodes


def generated(session: Active) -> int:
    """How many nodes were generated for the walk."""
    return sum(not stands_in(node) for node in session.nodes)


def _node(session: Active, node_id: str) -> BuiltNode | None:
    return next((node for node in session.nodes if node.id == node_id), None)
