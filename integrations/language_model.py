"""A language model behind an OpenAI-compatible endpoint, through pydantic-ai.

The loop over attempts is ours, not the library's: each attempt is one request, so that a time-out
holds over all of them, every answer is paid for once in the books, and a request that is sent
again because nothing came back has the same idempotency key.
"""

import asyncio
import logging
import math
from dataclasses import dataclass
from decimal import ROUND_CEILING

import httpx2
from openai import AsyncOpenAI
from pydantic import ValidationError
from pydantic_ai import ModelRequest, ModelResponse, ToolCallPart, UserPromptPart
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from integrations.generator import Case, Generated, NodeDraft, Unavailable, Usage
from integrations.node_schema import NextNode
from integrations.one_host import OneHost
from integrations.prompt import INSTRUCTIONS, named, prompt
from integrations.provider_settings import ProviderSettings

_TOOL = ToolDefinition(
    name="next_node",
    description="Give the next node of the walk.",
    parameters_json_schema=NextNode.model_json_schema(),
    kind="output",
)
_ASKING = ModelRequestParameters(output_mode="tool", output_tools=[_TOOL], allow_text_output=False)
# A node of the largest size, with room for what is around it.
_MOST_OUTPUT_TOKENS = 4_000
# No model reads or writes as much: a provider that says more is wrong, and no budget could hold it.
_MOST_TOKENS = 1_000_000_000
_FIRST_PAUSE_SECONDS = 0.5
# 408 and 409 ask for another try; 425 and 429 for a later one.
_WORTH_ANOTHER_TRY = {408, 409, 425, 429}
_SERVER_FAULTS = 500


class LanguageModel:
    """`integrations.generator.Generator` by a provider. Safe for many requests at a time."""

    def __init__(self, settings: ProviderSettings) -> None:
        # At debug they print what passes through, and OPENAI_LOG would ask them to.
        for name in ("openai", "httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._settings = settings
        self._http = httpx2.AsyncClient(
            transport=OneHost(settings.url, settings.api_key),
            timeout=settings.timeout_seconds,
            follow_redirects=False,
            trust_env=False,
        )
        # The transport puts the key on; the client is only not to look for one.
        client = AsyncOpenAI(
            base_url=settings.url, api_key="in-the-transport", max_retries=0, http_client=self._http
        )
        self._model = OpenAIChatModel(
            settings.model, provider=OpenAICompatibleProvider("provider", openai_client=client)
        )

    async def generate(self, case: Case, *, idempotency_key: str) -> Generated:
        """The next node. Raises `Unavailable`, with what was paid for nevertheless.

        What a provider charges for an answer that never arrived is not known here.
        """
        bill = _Bill(self._settings)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds) as limit:
                outcome = await self._try(case, idempotency_key, bill, limit)
        except TimeoutError:
            outcome = _Failure("the provider took too long")
        if isinstance(outcome, _Failure):
            raise Unavailable(outcome.why, bill.usage() if bill.answers else None)
        return Generated(outcome, bill.usage())

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _try(
        self, case: Case, key: str, bill: "_Bill", limit: asyncio.Timeout
    ) -> "NodeDraft | _Failure":
        """Attempt after attempt, until one gives a node or none is left."""
        outcome: NodeDraft | _Failure = _Failure("no attempt was made")
        refused: str | None = None
        for attempt in range(self._settings.retries + 1):
            # The same request under the same key; one that says what was wrong is another one.
            sent_key = key if refused is None else f"{key}-{bill.answers}"
            asked = await self._ask(prompt(case, refused), sent_key)
            if isinstance(asked, ModelResponse):
                bill.add(asked)
                outcome = _read(asked, case)
                refused = outcome.why if isinstance(outcome, _Failure) else None
            else:
                outcome = asked
            if not isinstance(outcome, _Failure) or not outcome.again:
                return outcome
            if attempt < self._settings.retries:
                pause = outcome.pause(attempt)
                if pause >= _left(limit):
                    return outcome
                await asyncio.sleep(pause)
        return outcome

    async def _ask(self, message: str, key: str) -> "ModelResponse | _Failure":
        """One request. Nothing of what the provider says of an error goes on: it may quote us."""
        try:
            return await model_request(
                self._model,
                [ModelRequest([UserPromptPart(message)], instructions=INSTRUCTIONS)],
                model_settings=ModelSettings(
                    temperature=0.0,
                    max_tokens=_MOST_OUTPUT_TOKENS,
                    extra_headers={"Idempotency-Key": key, "X-Client-Request-Id": key},
                ),
                model_request_parameters=_ASKING,
            )
        except ModelHTTPError as error:
            again = error.status_code in _WORTH_ANOTHER_TRY or error.status_code >= _SERVER_FAULTS
            why = f"the provider answered {error.status_code}"
            return _Failure(why, again=again, after=error.retry_after)
        except ModelAPIError as error:
            return _Failure(f"the provider could not be asked: {type(error).__name__}", again=True)
        except Exception as error:  # noqa: BLE001 - whatever a client makes of a strange answer
            return _Failure(f"the answer is no completion: {type(error).__name__}", again=True)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why an attempt gave no node, in words of ours, and whether another one may."""

    why: str
    again: bool = False
    after: float | None = None
    """How many seconds the provider asks to be left alone."""

    def pause(self, attempt: int) -> float:
        """How long to wait: what the provider asks for, at least as long as we would."""
        return max(self.after or 0.0, _FIRST_PAUSE_SECONDS * 2.0**attempt)


class _Bill:
    """What the answers to one request cost, usable or not."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._settings = settings
        self.answers = self._input = self._output = 0

    def add(self, answer: ModelResponse) -> None:
        self.answers += 1
        self._input += min(answer.usage.input_tokens, _MOST_TOKENS)
        self._output += min(answer.usage.output_tokens, _MOST_TOKENS)

    def usage(self) -> Usage:
        # Dollars for a million tokens are microdollars for a token.
        cost = (
            self._input * self._settings.input_price + self._output * self._settings.output_price
        ).to_integral_value(ROUND_CEILING)
        return Usage(self._settings.model, self._input, self._output, int(cost))


def _read(answer: ModelResponse, case: Case) -> NodeDraft | _Failure:
    """The node that an answer stands for, held against the schema and against the case."""
    calls = [part for part in answer.parts if isinstance(part, ToolCallPart)]
    if len(calls) != 1 or calls[0].tool_name != _TOOL.name:
        return _Failure("it has to call next_node, once", again=True)
    try:
        node = NextNode.model_validate_json(calls[0].args_as_json_str())
        return node.draft(named(case.articles), last=case.nodes_left <= 1)
    except ValidationError as error:
        return _Failure(_fault(error), again=True)
    except ValueError as error:
        return _Failure(str(error), again=True)


def _fault(error: ValidationError) -> str:
    """What is wrong first, in pydantic's words and ours: the answer's own stay out."""
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    known = (
        str(first["loc"][0]) if first["loc"] and first["loc"][0] in NextNode.model_fields else ""
    )
    return f"{known} is no good: {first['msg']}".strip()


def _left(limit: asyncio.Timeout) -> float:
    now: float = asyncio.get_running_loop().time()
    ends = limit.when()
    return math.inf if ends is None else ends - now
