"""What a client is shown of a walk, whether its commands come in one batch or one by one."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from firstline import accounts
from tests.builders import ACME, FLOW
from tests.consumers.desk import Desk, load_catalogue
from tests.consumers.wire import Json, command, new_id

NODES = {
    "n1": {
        "type": "question",
        "text": "Does it ring?",
        "options": [{"id": "y", "label": "Yes", "next": "n2"}],
    },
    "n2": {"type": "action", "text": "Hang up.", "next": "done"},
    "done": {"type": "resolve", "text": "Solved."},
}
SHOWN = [
    {
        "id": "n1",
        "type": "question",
        "text": "Does it ring?",
        "options": [{"id": "y", "label": "Yes"}],
    },
    {"id": "n2", "type": "action", "text": "Hang up."},
    {"id": "done", "type": "resolve", "text": "Solved."},
]
STARTS: dict[str, Json] = {
    "start_flow": {},
    "intake": {"problem_text": "The phone does not ring"},
}


@pytest.mark.parametrize("kind", STARTS)
@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
async def test_every_reply_shows_the_node_to_be_answered(
    desk: Desk,
    kind: str,
    together: bool,  # noqa: FBT001
) -> None:
    await author(desk)
    session = {"session_id": new_id()}
    sent = [
        command(kind, command_id=new_id(), **session, **STARTS[kind]),
        command("record_step", command_id=new_id(), **session, option_id="y"),
        command("record_step", command_id=new_id(), **session, node_id="n2"),
        command("record_step", command_id=new_id(), **session, node_id="done"),
    ]
    for batch in [sent] if together else [[one] for one in sent]:
        await desk.apply(*batch)
    replies = await desk.replies()
    assert [one.get("code", one["outcome"]) for one in replies] == [
        *("accepted", "accepted", "accepted", "stale_node")
    ]
    assert [one["node"] for one in replies] == [*SHOWN, SHOWN[-1]]
    assert [one["session"]["current_node_id"] for one in replies] == ["n1", "n2", "done", "done"]


async def test_who_sends_nonsense_is_shown_where_the_session_stands(desk: Desk) -> None:
    await author(desk)
    session = {"session_id": new_id()}
    await desk.apply(command("start_flow", command_id=new_id(), **session))
    nonsense = command("record_step", command_id=new_id(), **session, answer=7)
    await desk.apply(nonsense)
    reply = await desk.answer(nonsense["command_id"])
    assert (reply["code"], reply["version"], reply["node"]) == ("invalid", 1, SHOWN[0])


async def test_an_intake_shows_the_first_node_of_the_proposal_that_it_picks(desk: Desk) -> None:
    await desk.connection.execute(
        """
        insert into flow_proposals (
            account_id, id, title, start, nodes, validated_by_outcome
        ) values ($1, $2, 'Telephones', 'n1', $3, true)
        """,
        ACME,
        new_id(),
        json.dumps(NODES),
    )
    session = {"session_id": new_id()}
    taken_in = command("intake", command_id=new_id(), **session, problem_text="The telephone")
    step = command("record_step", command_id=new_id(), **session, option_id="y")
    await desk.apply(taken_in, step)
    replies = await desk.replies()
    assert [one["outcome"] for one in replies] == ["accepted", "accepted"]
    assert [one["node"] for one in replies] == SHOWN[:2]


@pytest.mark.parametrize("cut", range(5))
async def test_a_technician_goes_back_to_nodes_that_were_answered_and_to_no_others(
    desk: Desk, cut: int
) -> None:
    """Whatever of it is in one batch: back to the first node, on to the second, and ahead."""
    await author(desk)
    session = {"session_id": new_id()}
    walk = [("n1", "y"), ("n2", None), ("n1", "y"), ("done", None), ("n2", None)]
    sent = [
        command("record_step", command_id=new_id(), **session, node_id=node, option_id=option)
        for node, option in walk
    ]
    await desk.apply(command("start_flow", command_id=new_id(), **session))
    await desk.apply(*sent[:cut])
    await desk.apply(*sent[cut:])
    replies = (await desk.replies())[1:]
    assert [one.get("code", one["outcome"]) for one in replies] == [
        *("accepted", "accepted", "accepted", "stale_node", "accepted")
    ]
    assert [one["session"]["current_node_id"] for one in replies] == [
        *("n2", "done", "n2", "n2", "done")
    ]


async def test_a_walk_stays_at_the_version_that_it_began_with(desk: Desk) -> None:
    await author(desk)
    session = {"session_id": new_id()}
    await desk.apply(command("start_flow", command_id=new_id(), **session))
    await author(desk, version=3, start="n2")
    await desk.connection.execute("update flows set archived = true where id = $1", FLOW)
    await desk.apply(command("record_step", command_id=new_id(), **session, option_id="y"))
    *_, reply = await desk.replies()
    assert (reply["outcome"], reply["node"]) == ("accepted", SHOWN[1])


async def test_an_account_that_was_deleted_and_loaded_anew_walks_its_new_flows(
    desk: Desk, database_url: str, tmp_path: Path
) -> None:
    await author(desk)
    await walk_to_the_second_node(desk)
    await accounts.delete(database_url, ACME)
    await load_catalogue(tmp_path, database_url)
    await author(desk, nodes=NODES | {"n2": {"type": "action", "text": "Wait.", "next": "done"}})
    assert (await walk_to_the_second_node(desk))["text"] == "Wait."


async def walk_to_the_second_node(desk: Desk) -> Json:
    """Answer the first node in a batch of its own; return the second, as it is shown."""
    session = {"session_id": new_id()}
    await desk.apply(command("start_flow", command_id=new_id(), **session))
    await desk.apply(command("record_step", command_id=new_id(), **session, option_id="y"))
    node: Json = (await desk.replies())[-1]["node"]
    return node


async def author(
    desk: Desk, version: int = 2, start: str = "n1", nodes: Mapping[str, object] = NODES
) -> None:
    """Give the flow another version."""
    await desk.connection.execute(
        """
        insert into flow_versions (account_id, flow_id, version, title, start, nodes)
        values ($1, $2, $3, 'Phones that do not ring', $4, $5)
        """,
        ACME,
        FLOW,
        version,
        start,
        json.dumps(nodes),
    )
