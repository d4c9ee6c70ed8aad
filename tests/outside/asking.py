"""Shortcuts for tests that only ask what became of a command."""

from .client import Client
from .commands import ABSENT, QUESTION, command, new_id, script
from .wire import Json


def code_of(client: Client, sent: Json, *, key: str | None = None) -> str:
    """Send one command and return the code it is refused with, or its outcome."""
    client.send(sent, key=key or sent["session_id"])
    [reply] = client.answers(sent)
    return str(reply.get("code", reply["outcome"]))


def started(client: Client, start: str = "start_adhoc", *ends: str) -> str:
    """Return a new session that was started, and ended where an end is given."""
    session = new_id()
    replies = client.ask(*script(session, (start, {}), *((end, {}) for end in ends)))
    assert {reply["outcome"] for reply in replies} == {"accepted"}
    return session


def asked(client: Client, **node: object) -> str:
    """Return a new AI-built walk that shows a question, which is so but for ``node``."""
    session = started(client, "start_ai_build")
    [request] = client.of_session("node-requests", session)
    named = {"request_id": request.json["request_id"], "node": QUESTION | node}
    [reply] = client.ask(
        command("serve_node", session, actor_id=ABSENT, **named), source="internal"
    )
    assert reply["outcome"] == "accepted"
    return session
