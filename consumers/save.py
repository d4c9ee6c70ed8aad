"""Writing what a batch came to, a statement a table or so, and messages into the outbox."""

from datetime import datetime

from consumers import letters
from consumers.fold import Folded
from domain.events import NodeRequested, NodeServed, NotesUpdated, SessionResolved, StepRecorded
from domain.history import Recorded
from domain.sessions import Escalated
from producers import dead_letters as dead_letter_messages
from producers import events, states
from producers.topics import MESSAGE_LIMIT
from storage import (
    built_walks,
    dead_letters,
    drafts,
    inbox,
    outbox,
    sessions,
    tickets,
    walkables,
    walks,
)
from storage.built_walks import Requested
from storage.database import Transaction
from storage.facts import Facts
from storage.outbox import Message


async def save(tx: Transaction, folded: Folded, facts: Facts, now: datetime) -> None:
    """Write sessions, walks, escalations, audit, tickets, proposals, claims and dead letters.

    Sessions that let go of a ticket are written before new ones that may take it.
    """
    recorded = folded.recorded
    touched = sorted({entry.session.origin.session_id for entry in recorded})
    await sessions.update(
        tx, [facts.sessions[one] for one in touched if one in facts.stored_sessions]
    )
    await sessions.insert(
        tx, [facts.sessions[one] for one in touched if one not in facts.stored_sessions]
    )
    await walks.add_steps(
        tx,
        [
            (entry.command.session_id, entry.event)
            for entry in recorded
            if isinstance(entry.event, StepRecorded)
        ],
    )
    await built_walks.add_requests(
        tx, [one for entry in recorded if (one := _requested(entry)) is not None]
    )
    await built_walks.add_nodes(
        tx,
        [
            (entry.command.session_id, entry.session.version, entry.event.node)
            for entry in recorded
            if isinstance(entry.event, NodeServed)
        ],
    )
    await walks.put_notes(
        tx,
        {
            entry.command.session_id: entry.event.notes
            for entry in recorded
            if isinstance(entry.event, NotesUpdated)
        },
    )
    await sessions.put_escalations(
        tx,
        [
            (session, now)
            for one in touched
            if isinstance(session := facts.sessions[one], Escalated)
        ],
    )
    await sessions.add_audit(tx, folded.audit, now)
    await tickets.update(
        tx,
        {
            key: ticket
            for key, ticket in facts.tickets.items()
            if ticket != facts.stored_tickets.get(key)
        },
    )
    await walkables.validate_proposals(
        tx, {proposal for entry in recorded if (proposal := _validated(entry)) is not None}
    )
    await drafts.save(
        tx,
        [one for key, one in facts.drafts.items() if one != facts.stored_drafts.get(key)],
    )
    await inbox.save(tx, folded.claims, now)
    await inbox.answer(tx, folded.answered, now)
    await dead_letters.save(tx, [letters.row(letter) for letter in folded.letters], now)


async def stage(tx: Transaction, folded: Folded, facts: Facts) -> int:
    """Put everything that goes out into the outbox; return how many messages that are."""
    messages = outgoing(folded, facts)
    await outbox.stage(tx, messages, MESSAGE_LIMIT)
    await tx.flush()  # nothing but the commit is left, also where nothing goes out
    return len(messages)


def outgoing(folded: Folded, facts: Facts) -> list[Message]:
    """Everything that goes out, in order."""
    return [
        *(
            message
            for recorded in folded.recorded
            for message in events.messages(recorded, folded.trace(recorded.command.command_id))
        ),
        *folded.replies,
        *folded.asked,
        *(
            states.message(facts.sessions[session_id], folded.trace(command_id))
            for session_id, command_id in _moved(folded).items()
        ),
        *(dead_letter_messages.message(letters.row(letter)) for letter in folded.letters),
    ]


def _requested(entry: Recorded) -> Requested | None:
    """The request for a node that the event is."""
    if not isinstance(entry.event, NodeRequested):
        return None
    origin = entry.session.origin
    return Requested(
        entry.event,
        origin.account_id,
        origin.session_id,
        entry.session.version,
        entry.command.correlation,
    )


def _moved(folded: Folded) -> dict[str, str]:
    """The sessions that moved, in order, each with the last command that moved it."""
    return {entry.session.origin.session_id: entry.command.command_id for entry in folded.recorded}


def _validated(entry: Recorded) -> str | None:
    """The proposal that the event shows to have helped."""
    if isinstance(entry.event, SessionResolved) and entry.event.helpful:
        return entry.session.origin.flow_proposal_id
    return None
