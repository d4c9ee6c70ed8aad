"""The catalogue that the tests load: two companies, their people, flows, proposals and tickets."""

import uuid

from .wire import Json


def an_id(name: str) -> str:
    """Return the id that goes with a name, always the same one."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.example"))


ACME = an_id("acme")
GLOBEX = an_id("globex")
INTAKING = an_id("intaking")

TECH = an_id("tech")
COLLEAGUE = an_id("colleague")
COVERING = an_id("covering")
ENGINEER = an_id("engineer")
ADMIN = an_id("admin")
OWNER = an_id("owner")
GONE = an_id("gone")
GONE_ENGINEER = an_id("gone-engineer")
GLOBEX_TECH = an_id("globex-tech")
INTAKING_TECH = an_id("intaking-tech")
INTAKING_ENGINEER = an_id("intaking-engineer")

FLOW = an_id("flow")
ARCHIVED_FLOW = an_id("archived-flow")
GLOBEX_FLOW = an_id("globex-flow")
INTAKING_FLOW = an_id("intaking-flow")
PROPOSAL = an_id("proposal")
GLOBEX_PROPOSAL = an_id("globex-proposal")
ARTICLE = an_id("article")

CLOSED_TICKET = an_id("closed-ticket")
GLOBEX_TICKET = an_id("globex-ticket")
OPEN_TICKETS = tuple(an_id(f"ticket-{number}") for number in range(40))

_NODES: Json = {
    "n1": {
        "type": "question",
        "text": "Does the mailbox open?",
        "options": [
            {"id": "y", "label": "Yes", "next": "n2"},
            {"id": "n", "label": "No", "next": "esc"},
            {"id": "again", "label": "It did just now", "next": "n1"},
        ],
    },
    "n2": {"type": "action", "text": "Restart the client.", "next": "n3"},
    "n3": {"type": "article", "text": "Read this.", "article_id": ARTICLE, "next": "done"},
    "done": {"type": "resolve", "text": "Solved."},
    "esc": {"type": "escalate", "reason_category": "beyond_scope", "text": "Hand over."},
}

# An article is shown by its own account alone.
_OWN_NODES: Json = {"n2": _NODES["n2"] | {"next": "done"}, "done": _NODES["done"]}


def _user(user_id: str, name: str, role: str, **more: object) -> Json:
    user: Json = {
        "id": user_id,
        "account_id": ACME,
        "name": name,
        "email": f"{name.lower().replace(' ', '.')}@acme.example",
        "role": role,
        "l1_coverage": False,
        "deleted_at": None,
    }
    return user | more


def _flow(flow_id: str, **more: object) -> Json:
    flow: Json = {
        "id": flow_id,
        "account_id": ACME,
        "version": 1,
        "title": "Mail does not arrive",
        "category": "email",
        "archived": False,
        "start": "n1",
        "nodes": _NODES,
    }
    return flow | more


def _proposal(proposal_id: str, **more: object) -> Json:
    proposal: Json = {
        "id": proposal_id,
        "account_id": ACME,
        "title": "Printer offline",
        "category": "printing",
        "start": "d",
        "nodes": {
            "d": {"type": "action", "text": "Plug it in.", "next": "done"},
            "done": {"type": "resolve", "text": "It prints."},
        },
        "validated_by_outcome": False,
    }
    return proposal | more


def _ticket(ticket_id: str, **more: object) -> Json:
    ticket: Json = {"id": ticket_id, "account_id": ACME, "title": "Mail is gone", "status": "open"}
    return ticket | more


CATALOGUE: Json = {
    "accounts": [
        {
            "id": ACME,
            "name": "Acme MSP",
            "default_recipients": ["oncall@acme.example", "night@acme.example"],
            "categories": ["email", "network", "storage"],
        },
        {"id": GLOBEX, "name": "Globex", "default_recipients": [], "categories": []},
        {
            "id": INTAKING,
            "name": "Initech",
            "default_recipients": ["desk@initech.example"],
            "policy": {
                "intake_actor_id": INTAKING_TECH,
                "idle_hours": {"adhoc": 2},
                "escalation": [{"after_minutes": 30, "recipients": ["lead@initech.example"]}],
                "silent_minutes": 60,
            },
        },
    ],
    "users": [
        _user(TECH, "Terry Tech", "l1_tech"),
        _user(COLLEAGUE, "Cleo Colleague", "l1_tech"),
        _user(COVERING, "Casey Covering", "engineer", l1_coverage=True),
        _user(ENGINEER, "Erin Engineer", "engineer"),
        _user(ADMIN, "Ada Admin", "admin", l1_coverage=True),
        _user(OWNER, "Olu Owner", "owner", l1_coverage=True),
        _user(GONE, "Gil Gone", "l1_tech", deleted_at="2026-01-01T00:00:00+00:00"),
        _user(GONE_ENGINEER, "Gwen Gone", "engineer", deleted_at="2026-01-01T00:00:00+00:00"),
        _user(GLOBEX_TECH, "Gus Globex", "l1_tech", account_id=GLOBEX),
        _user(INTAKING_TECH, "Ina Initech", "l1_tech", account_id=INTAKING),
        _user(INTAKING_ENGINEER, "Ian Initech", "engineer", account_id=INTAKING),
    ],
    "recipients": [
        {"account_id": ACME, "reason_category": "network", "user_id": ENGINEER},
        {"account_id": ACME, "reason_category": "network", "user_id": COVERING},
        {"account_id": ACME, "reason_category": "network", "user_id": GONE_ENGINEER},
        {"account_id": ACME, "reason_category": "storage", "user_id": GONE_ENGINEER},
    ],
    "flows": [
        _flow(FLOW),
        _flow(FLOW, version=2, title="Mail does not arrive, again"),
        _flow(ARCHIVED_FLOW, archived=True),
        _flow(GLOBEX_FLOW, account_id=GLOBEX, title="Printers", start="n2", nodes=_OWN_NODES),
        _flow(INTAKING_FLOW, account_id=INTAKING, start="n2", nodes=_OWN_NODES),
    ],
    "flow_proposals": [
        _proposal(PROPOSAL),
        _proposal(GLOBEX_PROPOSAL, account_id=GLOBEX),
    ],
    "tickets": [
        _ticket(CLOSED_TICKET, status="closed"),
        _ticket(GLOBEX_TICKET, account_id=GLOBEX),
        *(_ticket(ticket) for ticket in OPEN_TICKETS),
    ],
    "articles": [
        {
            "id": ARTICLE,
            "account_id": ACME,
            "title": "Mail rules",
            "category": "email",
            "body": "A rule can move mail away before anybody sees it.",
        }
    ],
}
