"""No message is larger than the topics take, whatever legal contents it is made of."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.built_nodes import BuiltNode, Choice, NodeKind
from domain.commands import Command
from domain.decisions import Code, Rejected
from domain.events import Event
from domain.flows import Option, Question
from domain.history import Recorded, Walk
from domain.intake import Candidate, FoundKind
from domain.people import Actor, Recipient
from domain.sessions import SessionKind, Unborn
from domain.tickets import TicketKind, TicketRef
from producers import events, replies, states
from producers.topics import MESSAGE_LIMIT
from schemas.catalogue import NODE_LIMIT, RECIPIENT_LIMIT, Account, QuestionNode
from schemas.commands import NOTES_LIMIT, ServedNode
from storage.database import begin, connect
from storage.outbox import Message, MessageTooLarge, size, stage
from tests import builders as a
from tests.domain.given import after

CHARACTERS = ["x", "é", "\U0001f600", "\x01", '"', "\\", "\u2028", "\x7f"]
"""What takes one byte, two, four, and up to six when it is escaped."""

STEPS = 500
Story = tuple[list[Event], Event, Command]
characters = st.sampled_from(CHARACTERS)


def notes_of(character: str) -> str:
    """The largest notes of it."""
    one = json.dumps(character, ensure_ascii=False)[1:-1]
    room = NOTES_LIMIT - len('[{"a":""}]')
    text = '[{"a":"' + one * (room // len(one.encode())) + '"}]'
    assert NOTES_LIMIT - len(one.encode()) < len(text.encode()) <= NOTES_LIMIT
    return text


def node_of(character: str) -> Question:
    """The largest question that a catalogue may have, by its text and its many labels."""
    options = [
        {"id": f"{number}", "label": character * 20_000, "next": "n"} for number in range(20)
    ]
    while True:
        node = QuestionNode.model_validate(
            {"type": "question", "text": character * 20_000, "options": options}
        )
        if len(node.model_dump_json().encode()) <= NODE_LIMIT:
            break
        options.pop()
    return Question(
        "n" * 100,
        node.text,
        tuple(Option(one.id, one.label, one.next) for one in node.options),
    )


def recipients_of(character: str) -> tuple[Recipient, ...]:
    """As many as may be told, each at the longest address that a catalogue takes."""
    filling = "x" if character.isspace() else character
    told = [filling * 310 + f"@{number:09}" for number in range(RECIPIENT_LIMIT)]
    assert Account(id=a.ACME, name="Acme", default_recipients=told).default_recipients == told
    for too_much in ([*told, "a@b"], [*told[1:], f"x{told[0]}"]):
        with pytest.raises(ValidationError):
            Account(id=a.ACME, name="Acme", default_recipients=too_much)
    return tuple(Recipient(email, a.an_id(number)) for number, email in enumerate(told))


def built_of(character: str) -> BuiltNode:
    """The largest node that may be served."""
    labels = [{"id": f"{number}", "label": character * 4_000} for number in range(8)]
    served = ServedNode.model_validate(
        {"id": "n", "type": "question", "text": character * 20_000, "options": labels}
    )
    choices = tuple(Choice(one.id, one.label) for one in served.options or ())
    return BuiltNode(served.id, NodeKind.QUESTION, served.text, choices)


def largest(character: str) -> Iterator[Message]:
    """Every kind of message, with everything in it as large as it may be."""
    text, answer, name, category = (character * most for most in (20_000, 4_000, 100, 30))
    actor = Actor(a.TECH, text, "l1_coverage")
    ticket = TicketRef(TicketKind.PSA, character * 64)
    start = a.started(
        kind=SessionKind.AI_BUILD,
        ticket=ticket,
        problem_text=text,
        category=name,
        previous_session_id=a.OTHER_SESSION,
    )
    step = a.step_recorded(node_id=name, option_id=name, question=text, answer=answer, note=text)
    walk = Walk((step,) * STEPS, notes_of(character))
    escalated = a.escalated(reason=text, reason_category=category)
    waiting: list[Event] = [start, escalated]
    recipients = recipients_of(character)
    told: list[Story] = [
        ([], start, a.start_ai_build()),
        ([start], step, a.record_step()),
        ([start], a.notes_updated(notes=walk.notes), a.update_notes()),
        ([start], a.node_requested(), a.next_node()),
        ([start, a.node_requested()], a.node_served(node=built_of(character)), a.serve_node()),
        ([start], a.resolved(resolution_notes=text), a.resolve()),
        ([start], escalated, a.escalate()),
        ([start], a.abandoned(reason=text), a.abandon()),
        ([start], a.ticket_changed(ticket=ticket), a.move_ticket()),
        (waiting, a.claimed(), a.claim()),
        ([*waiting, a.claimed()], a.closed(resolution_notes=text), a.close()),
        ([*waiting, a.claimed()], a.handed_back(instructions=text), a.hand_back()),
        (waiting, a.renotified(), a.renotify()),
    ]
    for before, event, command in told:
        session = after([*before, event])
        assert not isinstance(session, Unborn)
        yield from events.messages(
            Recorded(event, session, command, 0, actor, "chat", walk, recipients)
        )
        yield states.message(session)
    yield from largest_replies(character)


def largest_replies(character: str) -> Iterator[Message]:
    asked = a.next_node(correlation=character * 128)
    session = after([a.started(kind=SessionKind.FLOW, current_node_id=character * 100)])
    view = replies.View(session, node_of(character))
    found = [
        Candidate(kind, a.an_id(number), character * 20_000, 1.0)
        for kind in FoundKind
        for number in range(3)
    ]
    refused = Rejected(Code.TICKET_HAS_ACTIVE_SESSION, "One is.", a.OTHER_SESSION)
    built = replies.View(session, built_of(character))
    yield replies.message(a.SESSION, replies.accepted(asked, view, found, a.NOW))
    yield replies.message(a.SESSION, replies.accepted(asked, built, (), a.NOW))
    yield replies.message(a.SESSION, replies.rejected(asked, refused, view, a.NOW))


@pytest.mark.parametrize("character", CHARACTERS)
def test_the_largest_legal_message_of_every_kind_fits(character: str) -> None:
    """Headers included."""
    sizes = {f"{one.topic} {one.value!r:.40}": size(one) for one in largest(character)}
    assert {name: found for name, found in sizes.items() if found > MESSAGE_LIMIT} == {}
    assert max(sizes.values()) > NOTES_LIMIT


@settings(max_examples=10, deadline=None)
@given(st.lists(characters, min_size=2, max_size=4, unique=True))
@example(CHARACTERS[:2])
def test_mixtures_of_characters_fit_as_well(mixed: list[str]) -> None:
    """What is measured in one form and written in another may grow on the way."""
    notes = json.dumps([{"a": "".join(mixed) * 5_000}], ensure_ascii=False, separators=(",", ":"))
    assert len(notes.encode()) <= NOTES_LIMIT
    session = after([a.started(), event := a.notes_updated(notes=notes)])
    assert not isinstance(session, Unborn)
    recorded = Recorded(event, session, a.update_notes(), 0, a.TERRY, "chat")
    (message,) = events.messages(recorded)
    assert size(message) < len(notes.encode()) + 4_096


async def test_what_is_larger_cannot_be_staged(database_url: str) -> None:
    """Key, headers and value count."""
    engine = connect(database_url)
    fits = Message("replies", b"k" * 10, b"x" * (MESSAGE_LIMIT - 30), b"h" * 20)
    async with begin(engine) as tx:
        await stage(tx, [fits], MESSAGE_LIMIT)
    for one in (
        fits._replace(key=b"k" * 11),
        fits._replace(value=b"x" * (MESSAGE_LIMIT - 29)),
        fits._replace(headers=b"h" * 21),
    ):
        with pytest.raises(MessageTooLarge):
            async with begin(engine) as tx:
                await stage(tx, [fits, one], MESSAGE_LIMIT)
    async with begin(engine) as tx:
        assert [row["count"] for row in await tx.fetch("select count(*) from outbox")] == [1]
    await engine.dispose()
