"""From a ticket event's bytes to news of a ticket. Who sent it gets no answer."""

import json
from typing import Any

from pydantic import BaseModel, ValidationError

from consumers.reasons import Reason
from consumers.records import DeadLetter, Heard, Record
from consumers.strict_json import NotJson, read_object
from domain.ticket_news import TicketAction, TicketNews
from domain.tickets import TicketKind, TicketRef
from schemas.commands import VALUE_LIMIT
from schemas.fields import moment
from schemas.ticket_events import TicketActor, TicketEvent, TicketSnapshot


def decode_news(record: Record) -> Heard | DeadLetter:
    """Read one ticket event as the wire contract says. Raises nothing."""
    value = record.value
    if value is None:
        return DeadLetter(record, Reason.UNREADABLE, "the record has no value")
    if len(value) > VALUE_LIMIT:
        return DeadLetter(record, Reason.TOO_LARGE, f"the value has {len(value)} bytes")
    try:
        event = TicketEvent.model_validate_json(json.dumps(_used(read_object(value))))
    except NotJson as error:
        return DeadLetter(record, Reason.UNREADABLE, str(error))
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return DeadLetter(record, Reason.UNREADABLE, f"{where}: {first['type']}")
    return Heard(record, _news(event))


def _used(found: dict[str, Any]) -> dict[str, Any]:
    """What a ticket event is read from; whatever else a source says is not looked at."""
    used = _fields(TicketEvent, found)
    for name, model in (("ticket", TicketSnapshot), ("actor", TicketActor)):
        if isinstance(used.get(name), dict):
            used[name] = _fields(model, used[name])
    return used


def _fields(model: type[BaseModel], found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in model.model_fields if name in found}


def _news(event: TicketEvent) -> TicketNews:
    kind = TicketKind(event.ticket.kind)
    told = event.ticket.updated_at or event.occurred_at
    return TicketNews(
        event_id=event.event_id,
        provider=event.provider,
        account_id=event.account_id,
        action=TicketAction(event.action),
        ticket=TicketRef(kind, event.ticket.id),
        at=moment(told) if told is not None else None,
        title=event.ticket.title or None,
        psa_status=event.ticket.status or None,
        priority=event.ticket.priority or None,
        owner=event.ticket.owner or None,
        url=event.ticket.url or None,
        merged_into=TicketRef(kind, event.merged_into) if event.merged_into else None,
        is_self=event.actor is not None and bool(event.actor.is_self),
    )
