"""The events that ask somebody to act, with what they need to: ticket systems, and paging.

Same envelope, ids and types as on session-events; the data says more.
"""

from typing import Annotated, Any, Literal

from pydantic import Field

from schemas.events import (
    AbandonedData,
    ClosedData,
    CloudEvent,
    EscalatedData,
    EventData,
    HandedBackData,
    RenotifiedData,
    ResolvedData,
)
from schemas.fields import Id
from schemas.published import Published

# -- ticketing -----------------------------------------------------------------------------------


class _Close(Published):
    action: Literal["close"]
    """Close the ticket."""

    note: str
    """What to write on the ticket."""


class _Escalate(Published):
    action: Literal["escalate"]
    """Assign the ticket to engineers."""

    note: str
    """What to write on the ticket; empty where no reason was given."""


class _Note(Published):
    action: Literal["note"]
    """Leave the ticket as it is."""

    note: str
    """What to write on the ticket; empty where no reason was given."""


class ResolvedTicketData(_Close, ResolvedData):
    """The first line solved it."""


class ClosedTicketData(_Close, ClosedData):
    """An engineer solved it."""


class EscalatedTicketData(_Escalate, EscalatedData):
    """The first line could not solve it."""


class AbandonedTicketData(_Note, AbandonedData):
    """Nobody finished it."""


class HandedBackTicketData(_Note, HandedBackData):
    """An engineer returned it to the first line."""


class TicketResolved(CloudEvent[ResolvedTicketData]):
    """Close the ticket: the first line solved it."""

    type: Literal["firstline.session.resolved.v1"]


class TicketEscalated(CloudEvent[EscalatedTicketData]):
    """Assign the ticket to engineers."""

    type: Literal["firstline.session.escalated.v1"]


class TicketAbandoned(CloudEvent[AbandonedTicketData]):
    """Note on the ticket that the session ended without an outcome."""

    type: Literal["firstline.session.abandoned.v1"]


class TicketClosed(CloudEvent[ClosedTicketData]):
    """Close the ticket: an engineer solved it."""

    type: Literal["firstline.escalation.closed.v1"]


class TicketHandedBack(CloudEvent[HandedBackTicketData]):
    """Note on the ticket that it is with the first line again."""

    type: Literal["firstline.escalation.handed_back.v1"]


# -- engineer-notifications ----------------------------------------------------------------------


class Recipient(Published):
    """Somebody to tell. Defaults of an account have no user."""

    email: str
    user_id: Id | None = None


class Summary(Published):
    """What the engineer is handed, at most 64 KiB of JSON; what was cut is marked."""

    problem: str
    steps: list[dict[str, Any]]
    """The walk, in order: each step's node_id, question, answer and note.

    Where the oldest steps did not fit, the first entry is ``{"cut": "…"}`` instead.
    """

    notes: list[dict[str, Any]]
    """The notes; where the oldest did not fit, the first entry is ``{"cut": "…"}`` instead."""

    reason: str
    reason_category: str


class _Notification(Published):
    dedup_key: Annotated[str, Field(min_length=1, max_length=255)]
    """The same for everything about one escalation, so that a pager folds it into one alert."""

    recipients: list[Recipient]
    """Empty where the account names nobody."""

    summary: Summary


class EscalatedNotificationData(_Notification, EscalatedData):
    """Somebody has to take over."""


class RenotifiedNotificationData(_Notification, RenotifiedData):
    """Somebody still has to take over."""


class NotificationData(_Notification, EventData):
    """Who has the escalation now."""


class ClosedNotificationData(_Notification, ClosedData):
    """Nobody has to do anything any more."""


class HandedBackNotificationData(_Notification, HandedBackData):
    """The first line has it again."""


class EscalatedNotification(CloudEvent[EscalatedNotificationData]):
    """Page the recipients."""

    type: Literal["firstline.session.escalated.v1"]


class RenotifiedNotification(CloudEvent[RenotifiedNotificationData]):
    """Page the recipients again."""

    type: Literal["firstline.escalation.renotified.v1"]


class ClaimedNotification(CloudEvent[NotificationData]):
    """Acknowledge the alert."""

    type: Literal["firstline.escalation.claimed.v1"]


class ReleasedNotification(CloudEvent[NotificationData]):
    """The alert is open again."""

    type: Literal["firstline.escalation.released.v1"]


class ClosedNotification(CloudEvent[ClosedNotificationData]):
    """Resolve the alert."""

    type: Literal["firstline.escalation.closed.v1"]


class HandedBackNotification(CloudEvent[HandedBackNotificationData]):
    """Resolve the alert: the first line has it again."""

    type: Literal["firstline.escalation.handed_back.v1"]
