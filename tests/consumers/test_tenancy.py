"""No account reaches what is another's: every command type, by everything that it can name.

Globex's people know all of Acme's ids. They get the contract's code; nothing of Acme's is in the
answer, and nothing of Acme's changes.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, get_args

import asyncpg
import pytest

from consumers.apply import Batch
from consumers.decode import decode
from consumers.records import Source
from firstline.load import load_file
from schemas.commands import INTERNAL_TYPES, AnyCommand
from storage.database import connect
from storage.positions import Partition
from tests.builders import ACME, ENGINEER, FLOW, GLOBEX, GLOBEX_TECH, NOW, PROPOSAL, TECH, an_id
from tests.consumers.desk import CATALOGUE, Desk
from tests.consumers.wire import ABSENT, INTERNAL_TOPIC, ARecord, Json, command, encode, new_id

SECRET = "canary7Q2x"
ACMES, GLOBEXS = an_id(0x901), an_id(0x902)
ACMES_TICKET, GLOBEX_ENGINEER = an_id(0x903), an_id(0x904)

TYPES = {get_args(model.model_fields["type"].annotation)[0] for model in get_args(AnyCommand)}
STARTS = {kind for kind in TYPES if kind.startswith("start_")}
STARTS |= {"intake", "escalate_without_walk"}
MOVES = {"claim_escalation", "release_escalation", "close_escalation", "hand_back"}


@dataclass(frozen=True)
class Reach:
    """A command that reaches for something of Acme's, and the code that answers it."""

    kind: str
    code: str
    fields: Mapping[str, object] = field(default_factory=dict)


def reaches() -> dict[str, Reach]:
    """One for each thing of another account's that a command of each type can name."""
    found: dict[str, Reach] = {}
    for kind in sorted(TYPES):
        own = {"session_id": new_id() if kind in STARTS else GLOBEXS}
        code = "session_exists" if kind in STARTS else "unknown_session"
        found[f"{kind}, their session"] = Reach(kind, code, {"session_id": ACMES})
        if kind not in INTERNAL_TYPES:
            theirs = ENGINEER if kind in MOVES else TECH
            found[f"{kind}, their actor"] = Reach(kind, "forbidden", {**own, "actor_id": theirs})
            found[f"{kind}, their account"] = Reach(kind, "forbidden", {**own, "account_id": ACME})
    for kind in sorted(STARTS - {"start_flow", "start_proposal"}):
        ticket = {"ticket_kind": "internal", "ticket_id": ACMES_TICKET, "session_id": new_id()}
        adhoc = {"adhoc": True} if kind == "intake" else {}
        found[f"{kind}, their ticket"] = Reach(kind, "unknown_ticket", {**ticket, **adhoc})
    for kind, name, code, theirs in (
        ("start_flow", "flow_id", "unknown_flow", FLOW),
        ("intake", "flow_id", "unknown_flow", FLOW),
        ("start_proposal", "flow_proposal_id", "unknown_proposal", PROPOSAL),
    ):
        fields = {name: theirs, "session_id": new_id()}
        found[f"{kind}, their {name}"] = Reach(kind, code, fields)
    found["hand_back, to their session"] = Reach(
        "hand_back", "session_exists", {"session_id": GLOBEXS, "new_session_id": ACMES}
    )
    return found


REACHES = reaches()


def test_every_type_reaches_for_everything_that_it_can_name() -> None:
    assert {reach.kind for reach in REACHES.values()} == TYPES
    assert len(REACHES) > 3 * len(TYPES - INTERNAL_TYPES)


def sent(reach: Reach) -> Json:
    """The command, by Globex's own people where it does not say otherwise."""
    actor = GLOBEX_ENGINEER if reach.kind in MOVES else GLOBEX_TECH
    who: Json = {"account_id": GLOBEX, "actor_id": actor, "command_id": new_id()}
    made = command(reach.kind, **(who | dict(reach.fields)))
    if reach.kind in INTERNAL_TYPES:
        del made["actor_id"]
    return made


@dataclass(frozen=True)
class Tried:
    """What Globex's reaches came to."""

    replies: Mapping[str, Json]
    before: object
    after: object


@pytest.fixture(scope="module")
async def tried(
    new_database: Callable[[], AbstractAsyncContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Tried]:
    async with new_database() as url:
        file = tmp_path_factory.mktemp("tenancy") / "catalogue.json"
        file.write_text(json.dumps(catalogue()))
        await load_file(file, url)
        engine, connection = connect(url), await asyncpg.connect(url)
        desk = Desk(engine, connection)
        await desk.apply(*of_acme(), *of_globex())
        before = await everything(connection)
        commands = {name: sent(reach) for name, reach in REACHES.items()}
        for batch in batches(list(commands.values()), desk):
            await desk.applier.apply(batch, NOW)
        answers = {one["command_id"]: one for one in await desk.replies()}
        yield Tried(
            {name: answers[one["command_id"]] for name, one in commands.items()},
            before,
            await everything(connection),
        )
        await connection.close()
        await engine.dispose()


def catalogue() -> Json:
    """Both have people; Acme has a flow, a proposal and a ticket, all of which say something."""
    walk = {"account_id": ACME, "title": SECRET, "start": "n1"}
    nodes = {"n1": {"type": "action", "text": SECRET, "next": "n2"}}
    whole = {**nodes, "n2": {"type": "resolve", "text": SECRET}}
    engineer = {"email": "e@globex", "role": "engineer", "account_id": GLOBEX, "name": "Ella"}
    return {
        **CATALOGUE,
        "users": [*CATALOGUE["users"], {"id": GLOBEX_ENGINEER, **engineer}],
        "flows": [{**walk, "id": FLOW, "version": 1, "nodes": whole}],
        "flow_proposals": [{**walk, "id": PROPOSAL, "nodes": whole, "validated_by_outcome": True}],
        "tickets": [{"id": ACMES_TICKET, "account_id": ACME, "title": SECRET, "status": "open"}],
    }


def of_acme() -> list[Json]:
    """A session that is walked."""
    on = {"session_id": ACMES, "ticket_kind": "internal", "ticket_id": ACMES_TICKET}
    return [
        command("start_flow", command_id=new_id(), flow_id=FLOW, **on),
        command("record_step", command_id=new_id(), session_id=ACMES, node_id="n1", answer=SECRET),
        command("update_notes", command_id=new_id(), session_id=ACMES, notes=[{"text": SECRET}]),
    ]


def of_globex() -> list[Json]:
    """A session that is escalated, and claimed."""
    by = {"account_id": GLOBEX, "session_id": GLOBEXS, "actor_id": GLOBEX_TECH}
    claim = {**by, "actor_id": GLOBEX_ENGINEER, "command_id": new_id()}
    return [
        command("start_adhoc", ticket_id="G-9", command_id=new_id(), **by),
        command("escalate", command_id=new_id(), **by),
        command("claim_escalation", **claim),
    ]


def batches(commands: list[Json], desk: Desk) -> list[Batch]:
    """What chat sends, and what the system does."""
    chat = desk.batch(*(one for one in commands if "actor_id" in one))
    internal = [one for one in commands if "actor_id" not in one]
    records = [
        ARecord(encode(one), one["session_id"].encode(), INTERNAL_TOPIC, 0, offset)
        for offset, one in enumerate(internal)
    ]
    place = Partition(INTERNAL_TOPIC, 0)
    items = [decode(record, Source.INTERNAL) for record in records]
    return [chat, Batch(items, {place: range(len(records))})]


async def everything(connection: asyncpg.Connection) -> dict[str, list[dict[str, Any]]]:
    """Every row about sessions or people, and the tickets that are kept: those of a PSA's are
    merely known from then on, whoever names them.
    """
    tables = (
        *("sessions", "walk_steps", "session_notes", "escalations", "flow_proposals"),
        *("audit_log", "accounts", "users", "tickets where kind = 'internal'"),
    )
    return {
        table: sorted(
            (dict(row) for row in await connection.fetch(f"select * from {table}")), key=repr
        )
        for table in tables
    }


@pytest.mark.parametrize("name", REACHES)
def test_what_is_anothers_is_refused_with_the_contracts_code(tried: Tried, name: str) -> None:
    assert tried.replies[name]["code"] == REACHES[name].code


@pytest.mark.parametrize("name", REACHES)
def test_the_refusal_shows_nothing_of_it(tried: Tried, name: str) -> None:
    reply = tried.replies[name]
    assert SECRET not in json.dumps(reply)
    if reply["session_id"] == ACMES:
        assert {"version", "session", "node", "active_session_id"} & set(reply) == set()


def test_nothing_changed(tried: Tried) -> None:
    assert tried.before
    assert tried.after == tried.before


async def test_an_intake_is_decided_on_its_own_account_s_knowledge_whatever_its_id(
    desk: Desk,
) -> None:
    """Two accounts use one command id in one batch: the second is told so, and no more."""
    await desk.connection.execute(
        "insert into articles (id, account_id, title, body) values ($1, $2, $3, 'printer')",
        an_id(0x905),
        GLOBEX,
        SECRET,
    )
    own = {"command_id": new_id(), "ticket_id": "1"}
    ours = command("intake", session_id=new_id(), problem_text="zebra", **own)
    theirs = command(
        "intake", session_id=new_id(), problem_text="printer", account_id=GLOBEX,
        actor_id=GLOBEX_TECH, **own,
    )  # fmt: skip
    await desk.apply(ours, theirs)
    first, second = await desk.replies()
    assert (first["outcome"], second["code"]) == ("aborted_no_kb", "command_id_reused")
    assert SECRET not in json.dumps([first, second])


async def test_a_command_of_the_system_for_an_account_that_nobody_has_is_forbidden(
    desk: Desk,
) -> None:
    one = command("abandon", account_id=new_id(), actor_id=ABSENT)
    await desk.hear(one)
    assert (await desk.answer(one["command_id"]))["code"] == "forbidden"
