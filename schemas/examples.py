"""One example a message, by the message's name; all of them tell of the same session."""

from typing import Any

Json = dict[str, Any]

ACCOUNT = "018f4e10-0000-7000-8000-00000000000a"
TECHNICIAN = "018f4e10-0000-7000-8000-000000000001"
ENGINEER = "018f4e10-0000-7000-8000-000000000002"
FLOW = "018f4e10-0000-7000-8000-000000000011"
PROPOSAL = "018f4e10-0000-7000-8000-000000000012"
SESSION = "018f4e10-0000-7000-8000-000000000031"
NEXT_SESSION = "018f4e10-0000-7000-8000-000000000032"
COMMAND = "018f4e10-0000-7000-8000-000000000041"
EVENT = "9b3a54bc-8c0b-5a1c-9d9c-0b8a1f3f2e10"

_START = "2026-03-01T12:00:00.000000Z"
_NOW = "2026-03-01T12:07:30.250000Z"
_TICKET = {"kind": "psa", "id": "10045"}
_MERGED_INTO = {"kind": "psa", "id": "10046"}
_ON_TICKET: Json = {"ticket_id": "10045", "ticket_kind": "psa"}
_NODE: Json = {
    "id": "n2",
    "type": "question",
    "text": "Does the mail program start in safe mode?",
    "options": [{"id": "y", "label": "Yes"}, {"id": "n", "label": "No"}],
}
_NOTES = [{"text": "Called back at noon."}]
_STEP = {
    "node_id": "n1",
    "question": "Does webmail work?",
    "answer": "Yes",
    "note": None,
}
_OUTCOME: Json = {
    "started_at": _START,
    "ended_at": _NOW,
    "steps": 1,
    "category": "email",
    "flow_id": FLOW,
    "flow_version": 1,
}
_RESOLVED: Json = {
    **_OUTCOME,
    "outcome": "resolved",
    "helpful": True,
    "resolution_notes": "An add-in hung; it is off now.",
}
_ESCALATED: Json = {
    **_OUTCOME,
    "outcome": "escalated",
    "reason": "Needs the server's logs.",
    "reason_category": "beyond_scope",
}
_ABANDONED: Json = {**_OUTCOME, "outcome": "abandoned", "reason": "The caller hung up."}
_CLOSED: Json = {"resolution_notes": "Repaired the mail store."}
_HANDED_BACK: Json = {"instructions": "Make a new profile.", "new_session_id": NEXT_SESSION}
_CLAIMED = {"status": "claimed", "claimed_by": ENGINEER}
_ALERT: Json = {
    "dedup_key": f"firstline:{SESSION}",
    "recipients": [{"email": "erin@acme.example", "user_id": ENGINEER}],
    "summary": {
        "problem": "The mail program hangs at the start.",
        "steps": [_STEP],
        "notes": _NOTES,
        "reason": "Needs the server's logs.",
        "reason_category": "beyond_scope",
    },
}


def _command(kind: str, **fields: object) -> Json:
    common = {
        "type": kind,
        "command_id": COMMAND,
        "session_id": SESSION,
        "account_id": ACCOUNT,
        "actor_id": TECHNICIAN,
    }
    return common | fields


def _internal(kind: str, **fields: object) -> Json:
    made = _command(kind, **fields)
    del made["actor_id"]
    return made


def _event(kind: str, sequence: int, *data: Json) -> Json:
    told: Json = {
        "account_id": ACCOUNT,
        "session_id": SESSION,
        "session_kind": "flow",
        "source": "chat",
        "actor": {"id": TECHNICIAN, "name": "Terry Tech", "acting_as": None},
        "ticket": _TICKET,
    }
    for more in data:
        told |= more
    return {
        "specversion": "1.0",
        "id": EVENT,
        "type": f"firstline.{kind}.v1",
        "source": f"/firstline/accounts/{ACCOUNT}",
        "subject": SESSION,
        "time": _NOW,
        "datacontenttype": "application/json",
        "sequence": f"{sequence:010}",
        "partitionkey": SESSION,
        "causationid": COMMAND,
        "recordedtime": _NOW,
        "data": told,
    }


_REPLY: Json = {"command_id": COMMAND, "session_id": SESSION, "account_id": ACCOUNT}

EXAMPLES: dict[str, object] = {
    "relay-progress": 17,
    "command.start_flow": _command("start_flow", **_ON_TICKET, flow_id=FLOW),
    "command.start_proposal": _command("start_proposal", **_ON_TICKET, flow_proposal_id=PROPOSAL),
    "command.start_adhoc": _command("start_adhoc", **_ON_TICKET, expected_version=0),
    "command.start_ai_build": _command(
        "start_ai_build",
        **_ON_TICKET,
        problem_text="The mail program hangs at the start.",
        category="email",
    ),
    "command.record_step": _command(
        "record_step", node_id="n1", answer="Yes", option_id="y", expected_version=1
    ),
    "command.update_notes": _command("update_notes", notes=_NOTES),
    "command.resolve": _command(
        "resolve", helpful=True, resolution_notes="An add-in hung; it is off now."
    ),
    "command.escalate": _command(
        "escalate", reason="Needs the server's logs.", reason_category="beyond_scope"
    ),
    "command.escalate_without_walk": _command(
        "escalate_without_walk", **_ON_TICKET, reason_category="outage"
    ),
    "command.abandon": _command("abandon", reason="The caller hung up."),
    "command.intake": _command(
        "intake", **_ON_TICKET, problem_text="The mail program hangs at the start."
    ),
    "command.next_node": _command("next_node"),
    "command.claim_escalation": _command("claim_escalation", actor_id=ENGINEER),
    "command.release_escalation": _command("release_escalation", actor_id=ENGINEER),
    "command.close_escalation": _command("close_escalation", actor_id=ENGINEER, **_CLOSED),
    "command.hand_back": _command("hand_back", actor_id=ENGINEER, **_HANDED_BACK),
    "command.move_ticket": _internal("move_ticket", ticket_id="10046", ticket_kind="psa"),
    "command.end_with_ticket": _internal(
        "end_with_ticket", ticket_id="10045", ticket_kind="psa", reason="ticket_closed"
    ),
    "command.renotify": _internal("renotify", step=1, expected_version=3),
    "command.serve_node": _internal(
        "serve_node", request_id=EVENT, node=_NODE, correlation="conversation-17"
    ),
    "ticket-event": {
        "event_id": "7781-3",
        "account_id": ACCOUNT,
        "provider": "connectwise",
        "action": "closed",
        "ticket": {
            "kind": "psa",
            "id": "10045",
            "title": "Mail program hangs",
            "status": "Closed",
            "priority": "3",
            "owner": "Terry Tech",
            "url": "https://psa.acme.example/tickets/10045",
            "updated_at": "2026-03-01T13:07:30+01:00",
        },
        "merged_into": None,
        "actor": {"name": "Terry Tech", "is_self": False},
        "occurred_at": "2026-03-01T13:07:30+01:00",
    },
    "reply": {
        **_REPLY,
        "outcome": "accepted",
        "duplicate": False,
        "version": 2,
        "session": {"status": "active", "kind": "flow", "current_node_id": "n2"},
        "node": _NODE,
        "correlation": "conversation-17",
        "recorded_at": _NOW,
    },
    "session-state": {
        "session_id": SESSION,
        "account_id": ACCOUNT,
        "status": "escalated",
        "kind": "flow",
        "version": 3,
        "ticket": _TICKET,
        "category": "email",
        "flow_id": FLOW,
        "flow_version": 1,
        "current_node_id": "n2",
        "steps": 1,
        "started_at": _START,
        "last_activity_at": _NOW,
        "ended_at": _NOW,
        "escalation": _CLAIMED,
    },
    "node-request": {
        "request_id": EVENT,
        "session_id": SESSION,
        "account_id": ACCOUNT,
        "category": "email",
        "problem_text": "The mail program hangs at the start.",
        "path": [_STEP],
    },
    "session-events.started": _event(
        "session.started", 1, {"flow_id": FLOW, "flow_version": 1, "category": "email"}
    ),
    "session-events.step_recorded": _event(
        "session.step_recorded",
        2,
        {"node_id": "n1", "question": "Does webmail work?", "answer": "Yes", "option_id": "y"},
        {"position": 1},
    ),
    "session-events.notes_updated": _event("session.notes_updated", 3, {"notes": _NOTES}),
    "session-events.node_requested": _event(
        "session.node_requested", 2, {"session_kind": "ai_build"}
    ),
    "session-events.node_served": _event(
        "session.node_served", 3, {"session_kind": "ai_build", "node": _NODE}
    ),
    "session-events.resolved": _event("session.resolved", 3, _RESOLVED),
    "session-events.escalated": _event("session.escalated", 3, _ESCALATED),
    "session-events.abandoned": _event("session.abandoned", 3, _ABANDONED),
    "session-events.ticket_changed": _event("session.ticket_changed", 3, {"ticket": _MERGED_INTO}),
    "session-events.claimed": _event("escalation.claimed", 4),
    "session-events.released": _event("escalation.released", 5),
    "session-events.closed": _event("escalation.closed", 5, _CLOSED),
    "session-events.handed_back": _event("escalation.handed_back", 5, _HANDED_BACK),
    "session-events.renotified": _event("escalation.renotified", 4, {"step": 1}),
    "ticketing.resolved": _event(
        "session.resolved", 3, _RESOLVED, {"action": "close", "note": _RESOLVED["resolution_notes"]}
    ),
    "ticketing.escalated": _event(
        "session.escalated", 3, _ESCALATED, {"action": "escalate", "note": _ESCALATED["reason"]}
    ),
    "ticketing.abandoned": _event(
        "session.abandoned", 3, _ABANDONED, {"action": "note", "note": _ABANDONED["reason"]}
    ),
    "ticketing.closed": _event(
        "escalation.closed", 5, _CLOSED, {"action": "close", "note": _CLOSED["resolution_notes"]}
    ),
    "ticketing.handed_back": _event(
        "escalation.handed_back",
        5,
        _HANDED_BACK,
        {"action": "note", "note": _HANDED_BACK["instructions"]},
    ),
    "engineer-notifications.escalated": _event("session.escalated", 3, _ESCALATED, _ALERT),
    "engineer-notifications.renotified": _event("escalation.renotified", 4, {"step": 1}, _ALERT),
    "engineer-notifications.claimed": _event("escalation.claimed", 4, _ALERT),
    "engineer-notifications.released": _event("escalation.released", 5, _ALERT),
    "engineer-notifications.closed": _event("escalation.closed", 5, _CLOSED, _ALERT),
    "engineer-notifications.handed_back": _event("escalation.handed_back", 5, _HANDED_BACK, _ALERT),
}
