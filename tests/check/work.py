"""Work that between it touches every table that a worker writes."""

import json
from pathlib import Path

import asyncpg
from aiokafka import AIOKafkaProducer

from producers.kafka import Kafka
from tests.builders import ACME, ENGINEER, FLOW, PROPOSAL, TECH, an_id

_TICKET = an_id(0x21)


async def all_is_done(database_url: str, sent: int) -> bool:
    """Whether all that was sent is answered, and all that came of it relayed."""
    connection = await asyncpg.connect(database_url)
    try:
        answered, parked, waiting = await connection.fetchrow(
            """
            select (select count(*) from inbox), (select count(*) from parked_sessions),
                (select count(*) from outbox)
            """
        )
    finally:
        await connection.close()
    assert not parked
    # and the intake that the ticket event started
    return bool(answered == sent + 1 and not waiting)


async def tell(kafka: Kafka) -> None:
    """Say that there is a new ticket, which starts an intake."""
    event = {
        "event_id": "7781-3",
        "account_id": ACME,
        "provider": "connectwise",
        "action": "created",
        "ticket": {"kind": "psa", "id": "10046", "title": "Mail"},
    }
    producer = AIOKafkaProducer(**kafka.connection())
    await producer.start()
    try:
        key = f"{ACME}:psa:10046".encode()
        topic = kafka.topic("ticket-events")
        await producer.send_and_wait(topic, json.dumps(event).encode(), key)
    finally:
        await producer.stop()


def catalogue(folder: Path) -> Path:
    nodes = {"n1": {"type": "action", "text": "Restart it.", "next": "n2"}}
    nodes["n2"] = {"type": "resolve", "text": "Done."}
    walk = {"account_id": ACME, "title": "Mail", "category": "email", "start": "n1", "nodes": nodes}
    content = {
        "accounts": [
            {
                "id": ACME,
                "name": "Acme",
                "default_recipients": ["a@acme.example"],
                "policy": {"intake_actor_id": TECH},
            }
        ],
        "users": [
            {
                "id": TECH,
                "account_id": ACME,
                "name": "Terry",
                "email": "t@acme.example",
                "role": "l1_tech",
            },
            {
                "id": ENGINEER,
                "account_id": ACME,
                "name": "Erin",
                "email": "e@acme.example",
                "role": "engineer",
            },
        ],
        "flows": [{**walk, "id": FLOW, "version": 1}],
        "flow_proposals": [{**walk, "id": PROPOSAL, "validated_by_outcome": False}],
        "tickets": [{"id": _TICKET, "account_id": ACME, "title": "Mail", "status": "open"}],
    }
    file = folder / "catalogue.json"
    file.write_text(json.dumps(content))
    return file


def commands(folder: Path) -> Path:
    """Commands that between them touch every table a worker writes."""
    on_psa = {"ticket_kind": "psa", "ticket_id": "10045"}
    on_ours = {"ticket_kind": "internal", "ticket_id": _TICKET}
    step: dict[str, object] = {"type": "record_step", "node_id": "n1", "answer": "Done"}
    walks: list[list[dict[str, object]]] = [
        [
            {"type": "start_flow", "flow_id": FLOW, **on_psa},
            step,
            {"type": "update_notes", "notes": [{"text": "Called."}]},
            {"type": "escalate", "reason": "Beyond me.", "reason_category": "network"},
            {"type": "claim_escalation", "actor_id": ENGINEER},
        ],
        [
            {"type": "start_proposal", "flow_proposal_id": PROPOSAL, **on_ours},
            step,
            {"type": "resolve", "helpful": True, "resolution_notes": "Restarted."},
        ],
    ]
    lines = []
    for number, walk in enumerate(walks):
        for place, command in enumerate(walk):
            common = {
                "command_id": an_id(0x100 * (number + 1) + place),
                "session_id": an_id(0x500 + number),
                "account_id": ACME,
                "actor_id": TECH,
            }
            lines.append(json.dumps({**common, **command}))
    file = folder / "commands.jsonl"
    file.write_text("\n".join(lines))
    return file
