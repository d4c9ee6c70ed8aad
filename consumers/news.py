"""News of tickets through `hear`: what is known of each ticket moves, and sessions follow.

Only the commands' path writes sessions, so what news mean for a session goes out as a command on
the internal topic. Its id names the news that it answers. News and starts meet on the ticket's
row: whichever is second sees what the first did.
"""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from consumers.fold import Folded
from domain.commands import EndWithTicket
from domain.events import SessionAbandoned
from domain.ticket_news import Effect, End, MoveTo, TakeIn, TicketNews, hear
from domain.tickets import TICKET_REASSIGNED, Ticket, TicketKind, TicketRef, TicketStatus
from producers import commands
from producers.ids import derived
from storage.facts import Facts
from storage.outbox import Message
from storage.ticket_events import EventKey

Told = tuple[TicketNews, bytes]


def follow(facts: Facts, told: Iterable[Told], heard: AbstractSet[EventKey]) -> list[Message]:
    """Take in the news that were not ``heard`` before, in order; return what they ask for.

    Each comes with its record's trace context, packed.
    """
    known = set(heard)
    asked = []
    for item, trace in told:
        name = (item.account_id, item.provider, item.event_id)
        if name in known or item.account_id not in facts.accounts:
            continue
        known.add(name)
        effect = _take_in(facts, item)
        if effect is not None and (command := _command(facts, item, effect)) is not None:
            asked.append(commands.message(command, trace))
    return asked


def _take_in(facts: Facts, news: TicketNews) -> Effect | None:
    key = (news.account_id, news.ticket)
    ticket = facts.tickets.get(key)
    if ticket is None:
        if news.ticket.kind is TicketKind.INTERNAL:
            return None  # not one of ours
        ticket = Ticket(news.ticket, TicketStatus.OPEN)
    facts.tickets[key], effect = hear(ticket, news)
    return effect


def _command(facts: Facts, news: TicketNews, effect: Effect) -> dict[str, object] | None:
    """The command that brings the effect about, where there is a session for it."""
    event = f"{news.account_id}:{len(news.provider)}:{news.provider}:{news.event_id}"
    common: dict[str, object] = {
        "command_id": _command_id(event),
        "account_id": news.account_id,
    }
    active = facts.active.get((news.account_id, news.ticket))
    match effect:
        case End(reason=reason) if active is not None:
            ended = {"ticket_kind": news.ticket.kind, "ticket_id": news.ticket.id, "reason": reason}
            return common | {"type": "end_with_ticket", "session_id": active, **ended}
        case MoveTo(ticket=ticket) if active is not None:
            moved = {"ticket_kind": ticket.kind, "ticket_id": ticket.id}
            return common | {"type": "move_ticket", "session_id": active, **moved}
        case TakeIn(problem_text=problem):
            return _intake(facts, news.account_id, news.ticket, problem, event)
        case _:
            return None


def take_in_again(facts: Facts, folded: Folded) -> list[Message]:
    """Intakes for tickets that were reopened before the session on them had ended.

    Whoever closes a ticket and reopens it is faster than the command that ends its session, and
    the reopening found the ticket taken.
    """
    asked = []
    for one in folded.recorded:
        command = one.command
        if not (isinstance(command, EndWithTicket) and isinstance(one.event, SessionAbandoned)):
            continue
        ticket = facts.tickets.get((command.account_id, command.ticket))
        if ticket is None or ticket.status is not TicketStatus.OPEN:
            continue
        if command.reason == TICKET_REASSIGNED:  # it was open all the time
            continue
        event = f"after:{command.command_id}"
        intake = _intake(facts, command.account_id, command.ticket, ticket.title, event)
        if intake is not None:
            asked.append(commands.message(intake, folded.trace(command.command_id)))
    return asked


def _intake(
    facts: Facts, account_id: str, ticket: TicketRef, problem: str | None, event: str
) -> dict[str, object] | None:
    """What takes the ticket in, where its account wants that and nobody works on it."""
    actor = facts.accounts[account_id].intake_actor_id
    if actor is None or not problem or facts.active.get((account_id, ticket)) is not None:
        return None
    return {
        "type": "intake",
        "command_id": _command_id(event),
        "account_id": account_id,
        "session_id": derived(f"intake:{event}"),
        "actor_id": actor,
        "ticket_kind": ticket.kind,
        "ticket_id": ticket.id,
        "problem_text": problem,
    }


def _command_id(event: str) -> str:
    return derived(f"ticket-event:{event}")
