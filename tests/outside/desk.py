"""A service desk's day in commands: many sessions at once, some sent twice, some in error."""

import random
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .commands import command, encode
from .people import COLLEAGUE, COVERING, TECH
from .wire import Json

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPEN_AT_ONCE = 80
_ONE_IN = 10  # records that are sent twice
_GARBAGE = (None, b"", b"{", b'{"command_id": "x"}', b"\xff\xfe", b"[]")


@dataclass(frozen=True, slots=True)
class Shipment:
    """A record to be sent."""

    source: str
    key: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Day:
    """What is sent, in order, and the sessions all of whose commands must be accepted."""

    shipments: list[Shipment]
    smooth: dict[str, list[str]]


def a_day(seed: int, sessions: int) -> Day:
    """Return the same day for the same seed: about eight commands a session."""
    rng = random.Random(seed)
    smooth: dict[str, list[str]] = {}
    waiting = [_session(rng, smooth) for _ in range(sessions)]
    walking: list[Iterator[Shipment]] = []
    shipments: list[Shipment] = []
    repeats: list[tuple[int, Shipment]] = []
    while waiting or walking:
        while waiting and len(walking) < _OPEN_AT_ONCE:
            walking.append(iter(waiting.pop()))
        walk = rng.choice(walking)
        shipment = next(walk, None)
        if shipment is None:
            walking.remove(walk)
            continue
        shipments.append(shipment)
        if rng.randrange(_ONE_IN) == 0:
            repeats.append((len(shipments) + rng.choice((0, 0, 1, 30, 500)), shipment))
        if rng.randrange(_ONE_IN**2) == 0:
            shipments.append(Shipment(shipment.source, shipment.key, rng.choice(_GARBAGE)))
    for place, shipment in reversed(repeats):
        shipments.insert(place, shipment)
    return Day(shipments, smooth)


def _session(rng: random.Random, smooth: dict[str, list[str]]) -> list[Shipment]:
    """Return one session's records; its commands are added to `smooth` where nothing is wrong."""
    session, source = _id(rng), rng.choice(("chat", "chat", "psa"))
    [start] = rng.choices(
        ("start_flow", "start_proposal", "start_adhoc", "start_ai_build"), (6, 1, 2, 2)
    )
    [end] = rng.choices(("resolve", "escalate", "abandon"), (7, 2, 1))
    # An AI-built walk has nothing to answer before somebody serves it a node.
    led = start in {"start_flow", "start_proposal"}
    middle = "record_step" if led else "update_notes"
    types = [start, *([middle] * rng.randint(2, 10)), end]
    mishap = rng.random()
    if mishap < 0.03:
        types.append(middle)
    elif mishap < 0.06:
        types.pop(0)
    sent = [_command(rng, type_, session, start) for type_ in types]
    if "ticket_id" in sent[0]:
        # made by us, so that one seed is one day; a few tickets are shared
        shared = mishap > 0.95
        sent[0]["ticket_id"] = f"shared-{rng.randrange(5)}" if shared else f"T-{_id(rng)[:12]}"
        if not shared and mishap >= 0.06:
            smooth[session] = [one["command_id"] for one in sent]
    return [Shipment(source, session, encode(one)) for one in sent]


def _command(rng: random.Random, type_: str, session: str, start: str) -> Json:
    actor = rng.choice((TECH, TECH, COLLEAGUE, COVERING))
    made = command(type_, session, command_id=_id(rng), actor_id=actor)
    if type_ == "record_step":
        made |= {"answer": "answer " * rng.randint(1, 20)} | _node(rng, start)
    elif type_ == "update_notes":
        made |= {"notes": [{"n": rng.randrange(1000)} for _ in range(rng.randint(1, 5))]}
    return made


def _node(rng: random.Random, start: str) -> Json:
    """Return a node that can always be answered: the first one, to which one may go back."""
    match start:
        case "start_flow":
            return {"node_id": "n1", "option_id": rng.choice(("y", "n", "again"))}
        case _:
            return {"node_id": "d", "option_id": None}


def _id(rng: random.Random) -> str:
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
