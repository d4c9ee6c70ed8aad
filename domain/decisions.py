"""What comes of a command: it is accepted with its events, or rejected with a code."""

from enum import StrEnum

from domain.events import Event
from domain.values import value


class Code(StrEnum):
    """Why a command was refused, in the order in which the reasons are looked at.

    Where several apply, the sender is told the first.
    """

    INVALID = "invalid"
    KEY_MISMATCH = "key_mismatch"
    NOTES_TOO_LARGE = "notes_too_large"
    COMMAND_ID_REUSED = "command_id_reused"
    FORBIDDEN = "forbidden"
    UNKNOWN_SESSION = "unknown_session"
    SESSION_EXISTS = "session_exists"
    STALE_VERSION = "stale_version"
    NOT_ACTIVE = "not_active"
    NOT_ESCALATED = "not_escalated"
    ALREADY_CLAIMED = "already_claimed"
    NOT_CLAIMED = "not_claimed"
    WRONG_KIND = "wrong_kind"
    UNKNOWN_FLOW = "unknown_flow"
    UNKNOWN_PROPOSAL = "unknown_proposal"
    UNKNOWN_TICKET = "unknown_ticket"
    TICKET_CLOSED = "ticket_closed"
    TICKET_HAS_ACTIVE_SESSION = "ticket_has_active_session"
    STALE_NODE = "stale_node"
    UNKNOWN_OPTION = "unknown_option"
    PATH_TOO_LONG = "path_too_long"
    DISCARDED = "discarded"


@value
class Accepted:
    """The command takes effect. No events: what it asks for is already so."""

    events: tuple[Event, ...]


@value
class Rejected:
    """The command changes nothing. ``message`` is a sentence without any text of the sender's."""

    code: Code
    message: str
    active_session_id: str | None = None


@value
class NoKnowledge:
    """The account knows nothing that matches: no session starts, and nothing else happens."""


Decision = Accepted | Rejected | NoKnowledge
