"""What a decision needs beside the session: everything is of the moment of the decision."""

from collections.abc import Callable
from dataclasses import field
from datetime import datetime

from domain.flows import Flow
from domain.intake import Candidate
from domain.people import User
from domain.tickets import Ticket
from domain.values import value


@value
class Limits:
    """Bounds of a walk. ``ai_nodes`` is how many generated nodes an AI-built walk may have."""

    steps: int = 500
    ai_nodes: int = 12


@value
class Walkable:
    """A flow at a version, or a proposal, which has none."""

    flow: Flow
    version: int | None = None


@value
class Context:
    """Who asks, and what the command and its session refer to.

    ``walkable`` is what the session walks, or would: for a start the newest version of the flow
    asked for, None where the account has no such flow or proposal, or has archived it.
    ``ticket`` is None where firstline does not know the ticket; ``previous_session_id`` names the
    last session on a ticket that was reopened. ``candidates`` are what an intake found.
    ``new_session_taken`` tells whether the id chosen for a handed-back session is in use.
    ``event_id`` names the command's event at a place, counted from 0. A command of an account that
    is not ``account_known`` is nobody's.
    """

    now: datetime
    user: User | None
    event_id: Callable[[int], str]
    walkable: Walkable | None = None
    ticket: Ticket | None = None
    active_session_id: str | None = None
    previous_session_id: str | None = None
    candidates: tuple[Candidate, ...] = ()
    new_session_taken: bool = False
    account_known: bool = True
    limits: Limits = field(default_factory=Limits)
