"""Commands in the shape of a service desk's log: a start, 2-10 steps, an outcome; many at once."""

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

_INTERLEAVED = 200
_FEWEST_STEPS = 2
_MOST_STEPS = 10
_QUESTION = "Does the light on the front of the device blink?"
ACCOUNT = "0b6e2f6c-0000-4000-8000-000000000001"
FLOW = "0b6e2f6c-0000-4000-8000-000000000002"
LONG_FLOW = "0b6e2f6c-0000-4000-8000-000000000003"
USERS = [f"0b6e2f6c-0000-4000-8000-0000000001{number:02d}" for number in range(20)]


@dataclass(frozen=True, slots=True)
class Sent:
    """A command as bytes, with its session's id as bytes."""

    key: bytes
    value: bytes


def catalogue() -> dict[str, object]:
    """One account with twenty technicians and a flow, as a catalogue file."""
    return {
        "accounts": [
            {
                "id": ACCOUNT,
                "name": "Bench",
                "default_recipients": ["oncall@bench.example"],
                "categories": [],
            }
        ],
        "users": [
            {
                "id": user,
                "account_id": ACCOUNT,
                "name": f"Tech {number}",
                "email": f"tech{number}@bench.example",
                "role": "l1_tech",
            }
            for number, user in enumerate(USERS)
        ],
        "flows": [
            {
                "id": FLOW,
                "account_id": ACCOUNT,
                "version": 1,
                "title": "Reset",
                "category": "email",
                "start": "n1",
                "nodes": _questions(_MOST_STEPS),
            },
            {
                "id": LONG_FLOW,
                "account_id": ACCOUNT,
                "version": 1,
                "title": "Reset everything",
                "category": "email",
                "start": "n1",
                "nodes": _questions(500),
            },
        ],
    }


def start(session_id: str) -> Sent:
    """The start of a session on the long flow."""
    return _of_long_flow(
        session_id, 0, type="start_flow", ticket_id=session_id, ticket_kind="psa", flow_id=LONG_FLOW
    )


def step(session_id: str, number: int) -> Sent:
    """The step of the long flow with this number, from 1."""
    return _of_long_flow(
        session_id,
        number,
        type="record_step",
        node_id=f"n{number}",
        question=_QUESTION,
        answer="Yes",
        option_id="y",
    )


def _of_long_flow(session_id: str, place: int, **fields: str) -> Sent:
    body = {
        "command_id": str(uuid.uuid5(uuid.UUID(session_id), str(place))),
        "session_id": session_id,
        "account_id": ACCOUNT,
        "actor_id": USERS[0],
        **fields,
    }
    return Sent(session_id.encode(), json.dumps(body).encode())


def _questions(count: int) -> dict[str, object]:
    """Questions one after the other, of which any number may be answered before the end."""
    questions: dict[str, object] = {
        f"n{number}": {
            "type": "question",
            "text": _QUESTION,
            "options": [
                {"id": "y", "label": "Yes", "next": f"n{number + 1}"},
                {"id": "n", "label": "No", "next": "done"},
            ],
        }
        for number in range(1, count + 1)
    }
    last = f"n{count + 1}"
    return questions | {
        last: {"type": "escalate", "text": "Somebody will call.", "reason_category": "network"},
        "done": {"type": "resolve", "text": "Restart the device."},
    }


def commands(count: int, seed: int = 1) -> Iterator[Sent]:
    """``count`` commands of interleaved sessions, the same for the same seed."""
    chance = random.Random(seed)
    running = [_session(chance) for _ in range(_INTERLEAVED)]
    for _ in range(count):
        slot = chance.randrange(_INTERLEAVED)
        command = next(running[slot], None)
        if command is None:
            running[slot] = _session(chance)
            command = next(running[slot])
        yield command


def _session(chance: random.Random) -> Iterator[Sent]:
    session_id = _uuid(chance)
    actor = chance.choice(USERS)

    def command(kind: str, **fields: object) -> Sent:
        body = {
            "type": kind,
            "command_id": _uuid(chance),
            "session_id": session_id,
            "account_id": ACCOUNT,
            "actor_id": actor,
            **fields,
        }
        return Sent(session_id.encode(), json.dumps(body).encode())

    yield command("start_flow", ticket_id=session_id[:18], ticket_kind="psa", flow_id=FLOW)
    for step in range(1, chance.randint(_FEWEST_STEPS, _MOST_STEPS) + 1):
        yield command(
            "record_step",
            node_id=f"n{step}",
            question=_QUESTION,
            answer=chance.choice(("Yes", "No", "It does now")),
            option_id="y",
        )
    if chance.random() < 0.3:
        yield command("escalate", reason="Beyond first line", reason_category="network")
    else:
        yield command("resolve", helpful=True, resolution_notes="Restarted the device.")


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))
