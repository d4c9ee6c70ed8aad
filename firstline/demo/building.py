"""A session for which there is no flow: its nodes are written as it is walked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
from rich.console import Console

from firstline.demo import catalogue
from firstline.demo.playground import Playground
from firstline.demo.program import DemoFailed
from producers.client import Client, new_id
from schemas.commands import CommandModel, NextNode, RecordStep, Resolve, StartAiBuild
from schemas.published import ShownNode

PROBLEM = "Nobody hears the caller's headset in calls"
_LOOK_SECONDS = 0.05
_MOST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Built:
    """What was shown and answered, in order, and the draft that came of it."""

    walked: Sequence[tuple[str, str]]
    draft: str


def build(place: Playground) -> Built:
    """Walk a problem from its text to resolved, while a worker runs. Raises `DemoFailed`."""
    try:
        return asyncio.run(_build(place))
    except TimeoutError:
        msg = "The AI-built walk was not served a node in time."
        raise DemoFailed(msg) from None


def show(console: Console, built: Built) -> None:
    """Print the walk, and the draft."""
    console.print(f"An AI-built walk, from the account's article: {PROBLEM}.\n", markup=False)
    for number, (text, answer) in enumerate(built.walked, start=1):
        console.print(f"  {number}. {text}  →  {answer}", markup=False, highlight=False)
    console.print(f"\nResolved. It left a proposal draft: {built.draft}\n", markup=False)


async def _build(place: Playground) -> Built:
    common: dict[str, Any] = {
        "session_id": new_id(),
        "account_id": catalogue.account_id(),
        "actor_id": catalogue.walkers()[0],
    }
    walked: list[tuple[str, str]] = []
    async with Client(place.kafka, "chat") as client, asyncio.timeout(_MOST_SECONDS):

        async def send(make: type[CommandModel], **own: object) -> ShownNode | None:
            command = make.model_validate({**common, "command_id": new_id(), **own})
            reply = await client.send(command)
            if reply.outcome != "accepted":
                msg = f"The AI-built walk came to an end: {reply.outcome}."
                raise DemoFailed(msg)
            return reply.node

        await send(
            StartAiBuild,
            ticket_id="HEADSET-1",
            ticket_kind="psa",
            problem_text=PROBLEM,
            category="audio",
        )
        while True:
            node = await send(NextNode)
            if node is None:
                await asyncio.sleep(_LOOK_SECONDS)
            elif node.type == "resolve":
                break
            elif node.type == "escalate":
                msg = f"The AI-built walk has to be escalated: {node.reason_category}."
                raise DemoFailed(msg)
            else:
                option, answer = _answer(node)
                walked.append((node.text, answer))
                await send(RecordStep, node_id=node.id, option_id=option, answer=answer)
        await send(Resolve, helpful=True, resolution_notes="The other port did it.")
    return Built(walked, await _draft(place.database_url, common["session_id"]))


def _answer(node: ShownNode) -> tuple[str | None, str]:
    """The first of the answers, or that it was done."""
    if not node.options:
        return None, "Done"
    return node.options[0].id, node.options[0].label


async def _draft(database_url: str, session_id: str) -> str:
    """What the session became, as its title and how many nodes it has."""
    connection = await asyncpg.connect(database_url)
    try:
        row = await connection.fetchrow(
            """
            select p.title, (select count(*) from jsonb_object_keys(p.nodes)) as nodes
            from proposal_drafts d join flow_proposals p on p.id = d.flow_proposal_id
            where d.session_id = $1
            """,
            session_id,
        )
    finally:
        await connection.close()
    if row is None:
        msg = "The AI-built walk left no proposal draft."
        raise DemoFailed(msg)
    return f"“{row['title']}”, {row['nodes']} nodes."
