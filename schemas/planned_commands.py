"""The session commands of version 1 that are not yet accepted: they answer "not supported yet".

Senders may build against them. `schemas.commands` has those that are accepted, and a model moves
there with the version that accepts it.
"""

from typing import Literal

from schemas.commands import CommandModel, OnTicket
from schemas.fields import Category, Id, Text


class Intake(OnTicket):
    """Start whichever kind of session fits the problem.

    A ``flow_id`` picks that flow, ``adhoc`` true an adhoc session; else the best matching flow,
    then validated proposal, else an AI-built walk where the account has articles that match; else
    there is no session, and the answer is ``aborted_no_kb``.
    """

    type: Literal["intake"] = "intake"
    problem_text: Text
    category: Category | None = None
    flow_id: Id | None = None
    adhoc: bool | None = None


class NextNode(CommandModel):
    """Ask for the node of an AI-built walk that waits to be answered, again."""

    type: Literal["next_node"] = "next_node"


class ClaimEscalation(CommandModel):
    """Take an escalation on, as any engineer of the account but the one who escalated."""

    type: Literal["claim_escalation"] = "claim_escalation"


class ReleaseEscalation(CommandModel):
    """Give a claimed escalation back to the queue."""

    type: Literal["release_escalation"] = "release_escalation"


class CloseEscalation(CommandModel):
    """End a claimed escalation as solved."""

    type: Literal["close_escalation"] = "close_escalation"
    resolution_notes: Text


class HandBack(CommandModel):
    """Return a claimed escalation to the first line, in a new session linked to this one."""

    type: Literal["hand_back"] = "hand_back"
    instructions: Text
    new_session_id: Id
    """Chosen by the sender, like every session's id, and not yet taken."""


PLANNED = (Intake, NextNode, ClaimEscalation, ReleaseEscalation, CloseEscalation, HandBack)
