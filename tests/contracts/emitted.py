"""What the program writes today: a message of each kind, made by the code that makes them all."""

from collections.abc import Iterator, Sequence

from consumers.decode import decode
from consumers.letters import row
from consumers.records import DeadLetter, Refused, Source
from domain.built_nodes import OUT_OF_NODES
from domain.commands import Command
from domain.decisions import Code, Rejected
from domain.events import Event
from domain.flows import Article
from domain.history import Recorded, Walk
from domain.intake import Candidate, FoundKind
from domain.people import SYSTEM, Actor, Recipient
from domain.sessions import Born, SessionKind, Unborn
from domain.tickets import TICKET_CLOSED
from producers import dead_letters, events, replies, states
from storage.outbox import Message
from tests import builders as a
from tests.consumers.wire import ARecord
from tests.domain.given import after

_COVERING = Actor(a.ENGINEER, "Casey", "l1_coverage")
_RECIPIENTS = (Recipient("erin@acme.example", a.ENGINEER), Recipient("oncall@acme.example"))
_NOTES = '[{"text":"Called back.","at":{"hour":12}}]'
_WHEN = "2026-03-01T13:00:00+01:00"
_STEP = a.step_recorded(question="Does it ring?", option_id="y", note="Loudly.")
_FOUND = (
    Candidate(FoundKind.FLOW, a.FLOW, "Mail", 1.25, a.MAIL, 1),
    Candidate(FoundKind.PROPOSAL, a.PROPOSAL, "Full mailboxes", 0.5, a.MAIL),
    Candidate(FoundKind.ARTICLE, a.an_id(0x51), "Profiles", 0.0625),
)
_NODES = {
    "question": a.MAIL.nodes["n1"],
    "action": a.MAIL.nodes["n2"],
    "reading": a.MAIL.nodes["n3"],
    "article": Article("n3", "Read this.", "done", a.an_id(0x51)),
    "resolve": a.MAIL.nodes["done"],
    "escalate": a.MAIL.nodes["esc"],
    "built": a.a_node(article_id=a.an_id(0x51)),
    "out-of-nodes": OUT_OF_NODES,
}


def emitted() -> dict[str, Message]:
    """Messages by names that say what each is an example of."""
    return dict([*_of_sessions(), *_of_replies(), *_of_dead_letters()])


def _of_sessions() -> Iterator[tuple[str, Message]]:
    flow = a.started(kind=SessionKind.FLOW, category="email")
    ai_build = a.started(kind=SessionKind.AI_BUILD, category="email")
    alone = a.started(previous_session_id=a.OTHER_SESSION)
    resolved = a.resolve(occurred_at=_WHEN)
    waiting: list[Event] = [flow, _STEP, a.escalated()]
    stories: tuple[tuple[str, list[Event], Event, Command], ...] = (
        ("flow", [], flow, a.start_flow()),
        ("proposal", [], a.started(kind=SessionKind.PROPOSAL), a.start_proposal()),
        ("adhoc", [], alone, a.start_adhoc(occurred_at=_WHEN)),
        ("ai-build", [], ai_build, a.start_ai_build()),
        ("asked", [flow], _STEP, a.record_step()),
        ("bare", [flow], a.step_recorded(), a.record_step()),
        ("replaced", [flow], a.notes_updated(notes=_NOTES), a.update_notes()),
        ("requested", [ai_build, _STEP], a.node_requested(), a.record_step()),
        ("served", [ai_build, a.node_requested()], a.node_served(), a.serve_node()),
        ("helpful", [flow, _STEP], a.resolved(), resolved),
        ("unclear", [alone], a.resolved(helpful=None, resolution_notes=""), a.resolve()),
        ("walked", [flow, _STEP, a.notes_updated(notes=_NOTES)], a.escalated(), a.escalate()),
        ("unwalked", [alone], a.escalated(reason=None), a.escalate_without_walk()),
        ("told", [flow], a.abandoned(reason="They hung up."), a.abandon()),
        ("untold", [alone], a.abandoned(), a.abandon()),
        ("merged", [flow], a.ticket_changed(), a.move_ticket()),
        ("ticket-closed", [flow], a.abandoned(reason=TICKET_CLOSED), a.end_with_ticket()),
        ("claimed", waiting, a.claimed(), a.claim()),
        ("released", [*waiting, a.claimed()], a.released(), a.release()),
        ("closed", [*waiting, a.claimed()], a.closed(), a.close()),
        ("handed-back", [*waiting, a.claimed()], a.handed_back(), a.hand_back()),
        ("renotified", waiting, a.renotified(), a.renotify()),
    )
    for name, before, event, command in stories:
        recorded = _recorded(before, event, command)
        for message in events.messages(recorded):
            yield f"{message.topic}.{name}", message
        state = states.message(recorded.session)
        yield f"{state.topic}.{name}", state


def _recorded(before: Sequence[Event], event: Event, command: Command) -> Recorded:
    session = after([*before, event])
    assert not isinstance(session, Unborn)
    steps = tuple(one for one in before if one is _STEP)
    who, source = (_COVERING, "chat") if command.actor_id is not None else (SYSTEM, "internal")
    return Recorded(event, session, command, 0, who, source, Walk(steps, _NOTES), _RECIPIENTS)


def _of_replies() -> Iterator[tuple[str, Message]]:
    asked = a.next_node(correlation="chat-7")
    forbidden = Rejected(Code.FORBIDDEN, "No.")
    bare = Refused(ARecord(b""), a.COMMAND, a.SESSION, None, None, forbidden)
    walk = _session(a.started(kind=SessionKind.FLOW))
    adhoc = replies.View(_session(a.started()))
    for name, reply in (
        ("accepted", replies.accepted(asked, replies.View(walk), (), a.NOW)),
        ("repeated", replies.again(replies.accepted(asked, adhoc, (), a.NOW))),
        *(
            (f"{name}-shown", replies.accepted(asked, replies.View(walk, node), (), a.NOW))
            for name, node in _NODES.items()
        ),
        (
            "taken-in",
            replies.accepted(asked, replies.View(walk, a.MAIL.nodes["n1"]), _FOUND, a.NOW),
        ),
        ("knowing-nothing", replies.no_knowledge(asked, a.NOW)),
        ("forbidden", _rejected(bare, Unborn(), forbidden)),
        ("stale-node", _rejected(asked, walk, Rejected(Code.STALE_NODE, "Elsewhere."))),
        (
            "taken",
            _rejected(
                asked, walk, Rejected(Code.TICKET_HAS_ACTIVE_SESSION, "One is.", a.OTHER_SESSION)
            ),
        ),
    ):
        yield f"replies.{name}", replies.message(a.SESSION, reply)


def _rejected(asked: replies.Asked, session: Born | Unborn, refusal: Rejected) -> bytes:
    node = a.MAIL.nodes["n1"] if refusal.code is Code.STALE_NODE else None
    return replies.rejected(asked, refusal, replies.View(session, node), a.NOW)


def _session(*events: Event) -> Born:
    session = after(events)
    assert not isinstance(session, Unborn)
    return session


def _of_dead_letters() -> Iterator[tuple[str, Message]]:
    for name, value in (("unreadable", b'{"type":'), ("too_large", b"x" * 524_289)):
        headers = [("fl_reason", b"mine"), ("trace", None)]
        letter = decode(ARecord(value, b"a key", headers=headers), Source.CHAT)
        assert isinstance(letter, DeadLetter)
        yield f"dead-letters.{name}", dead_letters.message(row(letter))
