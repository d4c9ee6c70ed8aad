"""A language model's provider on this machine: OpenAI's chat completions, and ways to fail.

In a test: ``async with provider() as stand_in``. As a process of its own: ``python -m
tests.integrations.provider --mode good``, which prints its URL and then serves; ``GET /calls``
tells what was asked, ``PUT /mode/NAME`` changes the mode.
"""

import argparse
import asyncio
import contextlib
import json
import re
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Any

Json = dict[str, Any]

INPUT_TOKENS = 120
OUTPUT_TOKENS = 30


class Mode(StrEnum):
    """How the provider answers."""

    GOOD = "good"
    SLOW = "slow"
    """Takes the request, and answers after `Provider.delay` seconds."""
    BROKEN = "broken"
    """Takes the request, and drops the connection."""
    CUT = "cut"
    """Begins an answer, and drops the connection."""
    MALFORMED = "malformed"
    """Answers what is no JSON."""
    EMPTY = "empty"
    """Answers without a choice."""
    REFUSING = "refusing"
    """Answers that it cannot help with that."""
    RATE_LIMITED = "rate_limited"
    """429, with ``Retry-After``."""
    FAILING = "failing"
    """500."""
    UNAUTHORIZED = "unauthorized"
    """401."""
    REDIRECTING = "redirecting"
    """307, to `Provider.elsewhere`."""
    WRONG_SCHEMA = "wrong_schema"
    """Calls the tool with what is no node."""
    OBEDIENT = "obedient"
    """Calls the tool with whatever `Provider.says`."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request for a completion, as it came."""

    headers: dict[str, str]
    body: Json

    @property
    def key(self) -> str:
        return self.headers.get("idempotency-key", "")

    @property
    def prompt(self) -> str:
        """The last thing that was said to the model."""
        return str(self.body["messages"][-1]["content"])


@dataclass
class Provider:
    """A stand-in that counts.

    The first calls are answered by ``at_first``, a mode each, the others by ``mode``. Where
    ``keeps_keys`` is set, a request with a key seen before gets the first answer again, unpaid.
    """

    mode: Mode = Mode.GOOD
    at_first: list[Mode] = field(default_factory=list)
    keeps_keys: bool = False
    delay: float = 30.0
    retry_after: str = "0"
    elsewhere: str = "http://127.0.0.1:9/"
    says: Json = field(default_factory=lambda: {"kind": "shell", "text": "rm -rf /"})
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    paid: int = 0
    given: dict[str, bytes] = field(default_factory=dict)

    @property
    def keys(self) -> Counter[str]:
        """How often each idempotency key came."""
        return Counter(call.key for call in self.calls)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, request after request."""
        try:
            while (request := await _read_request(reader)) is not None:
                method, path, headers, value = request
                if method == "POST" and path.endswith("/chat/completions"):
                    answer = await self._complete(Call(headers, json.loads(value)))
                else:
                    answer = self._manage(method, path)
                writer.write(answer)
                await writer.drain()
                if not answer or answer.endswith(_CUT):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client is gone
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _complete(self, call: Call) -> bytes:
        self.calls.append(call)
        mode = self.at_first.pop(0) if self.at_first else self.mode
        if self.keeps_keys and call.key in self.given:
            return self.given[call.key]
        if mode is Mode.SLOW:
            await asyncio.sleep(self.delay)
        answer = self._answer(mode, call)
        if b" 200 " in answer[:20]:
            self.paid += 1
            self.given[call.key] = answer
        return answer

    def _answer(self, mode: Mode, call: Call) -> bytes:  # noqa: C901 - one arm a mode
        match mode:
            case Mode.GOOD | Mode.SLOW:
                return _completed(call, _called(good(shown(call.prompt), call.prompt)))
            case Mode.BROKEN:
                return b""
            case Mode.CUT:
                return b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n" + _CUT
            case Mode.MALFORMED:
                return _response(HTTPStatus.OK, b'{"id": "x", "choices": [')
            case Mode.EMPTY:
                return _completed(call, None)
            case Mode.REFUSING:
                refusal = "I cannot help with that."
                return _completed(
                    call, {"role": "assistant", "content": refusal, "refusal": refusal}
                )
            case Mode.RATE_LIMITED:
                return _error(HTTPStatus.TOO_MANY_REQUESTS, {"retry-after": self.retry_after})
            case Mode.FAILING:
                return _error(HTTPStatus.INTERNAL_SERVER_ERROR)
            case Mode.UNAUTHORIZED:
                return _error(HTTPStatus.UNAUTHORIZED)
            case Mode.REDIRECTING:
                return _error(HTTPStatus.TEMPORARY_REDIRECT, {"location": self.elsewhere})
            case Mode.WRONG_SCHEMA:
                return _completed(call, _called({"kind": "question", "text": "", "options": ["a"]}))
            case Mode.OBEDIENT:
                return _completed(call, _called(self.says))

    def _manage(self, method: str, path: str) -> bytes:
        if method == "PUT" and path.startswith("/mode/"):
            self.mode = Mode(path.removeprefix("/mode/"))
        told = {"calls": len(self.calls), "paid": self.paid, "keys": self.keys}
        return _response(HTTPStatus.OK, json.dumps(told).encode())


@asynccontextmanager
async def provider(mode: Mode = Mode.GOOD, **more: object) -> AsyncIterator[Provider]:
    """A provider on a free port of this machine; its ``url`` ends with ``/v1``."""
    stand_in = replace(Provider(mode), **more)  # type: ignore[arg-type]
    open_connections: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(stand_in.serve(reader, writer))
        open_connections.add(task)
        task.add_done_callback(open_connections.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    stand_in.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield stand_in
    finally:
        server.close()
        for task in open_connections:
            task.cancel()
        await asyncio.gather(*open_connections, return_exceptions=True)


def shown(prompt: str) -> Json:
    """The data in a prompt, found as a model would: between the two lines of the fence."""
    fence, data = re.findall(r"^(data-[0-9a-f]+)\n(.*)\n\1$", prompt, re.MULTILINE | re.DOTALL)[0]
    assert prompt.count(fence) == 2
    found: Json = json.loads(data)
    return found


def good(data: Json, prompt: str) -> Json:
    """What a sensible model answers: a question, then steps, and an end where one is due."""
    article = data["articles"][0]["name"] if data["articles"] else None
    walked = len(data["path"])
    if walked and "fixed" in data["path"][-1]["answer"]:
        return {"kind": "resolve", "text": "Good.", "article": article}
    if "resolve or escalate" in prompt:
        return {"kind": "escalate", "text": "Tried all.", "reason_category": "beyond_scope"}
    if not walked:
        return {"kind": "question", "text": "Since when?", "options": ["Today", "Earlier"]}
    return {"kind": "action", "text": f"Take step {walked}.", "article": article}


def _called(arguments: Json) -> Json:
    """A message that calls the tool."""
    function = {"name": "next_node", "arguments": json.dumps(arguments)}
    call = {"id": "call-1", "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _completed(call: Call, message: Json | None) -> bytes:
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    completion = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_767_000_000,
        "model": call.body["model"],
        "choices": [] if message is None else [choice],
        "usage": {
            "prompt_tokens": INPUT_TOKENS,
            "completion_tokens": OUTPUT_TOKENS,
            "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        },
    }
    return _response(HTTPStatus.OK, json.dumps(completion).encode())


def _error(status: HTTPStatus, headers: dict[str, str] | None = None) -> bytes:
    value = json.dumps({"error": {"message": status.phrase, "type": "stand_in", "code": None}})
    return _response(status, value.encode(), headers)


def _response(status: HTTPStatus, value: bytes, headers: dict[str, str] | None = None) -> bytes:
    told = {"content-type": "application/json", "content-length": str(len(value))} | (headers or {})
    lines = "".join(f"{name}: {text}\r\n" for name, text in told.items())
    return f"HTTP/1.1 {status.value} {status.phrase}\r\n{lines}\r\n".encode() + value


_CUT = b'{"id": '


async def _read_request(
    reader: asyncio.StreamReader,
) -> tuple[str, str, dict[str, str], bytes] | None:
    """Method, path, headers and body of the next request; None where the client is gone."""
    if not (first := await reader.readline()):
        return None
    method, path, _ = first.decode().split(" ", 2)
    headers: dict[str, str] = {}
    while (line := (await reader.readline()).decode().strip()) != "":
        name, _, text = line.partition(":")
        headers[name.lower()] = text.strip()
    return method, path, headers, await reader.readexactly(int(headers.get("content-length", "0")))


async def _serve_for_ever(stand_in: Provider, port: int) -> None:
    server = await asyncio.start_server(stand_in.serve, "127.0.0.1", port)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--mode", type=Mode, choices=list(Mode), default=Mode.GOOD)
    asked.add_argument("--port", type=int, default=0)
    asked.add_argument("--keeps-keys", action="store_true")
    options = asked.parse_args()
    chosen = Provider(options.mode, keeps_keys=options.keeps_keys)
    asyncio.run(_serve_for_ever(chosen, options.port))
