"""AI-built walks that wait for a node, and their requests as they go out."""

from schemas.states import NodeRequest
from tests.builders import ACME, GLOBEX_TECH, TECH
from tests.consumers.desk import Desk
from tests.consumers.wire import command, new_id


async def asked_of(desk: Desk, session: str) -> NodeRequest:
    """The latest request for a node of the session."""
    *_, request = await desk.messages("node-requests", session)
    return NodeRequest.model_validate(request)


async def started(desk: Desk, account: str = ACME, **more: object) -> NodeRequest:
    """A walk that waits for its first node."""
    session = new_id()
    actor = TECH if account == ACME else GLOBEX_TECH
    own = {"command_id": new_id(), "session_id": session, "ticket_id": f"T-{session}"}
    await desk.hear(command("start_ai_build", **own, account_id=account, actor_id=actor, **more))
    return await asked_of(desk, session)
