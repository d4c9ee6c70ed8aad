"""Answering a request for a node: claim it, have the node generated, store and serve it.

The result is stored in the transaction that stages the command which serves it. Nobody pays twice:
who finds a request that has a result, or that somebody else is at work on, calls nobody.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from consumers.node_drafts import Unusable, made, stand_in
from domain.built_nodes import AI_UNAVAILABLE, BuiltNode
from integrations.generator import (
    Case,
    Generated,
    Generator,
    GroundingArticle,
    PathStep,
    Unavailable,
    Usage,
)
from producers import commands
from producers.ids import derived
from producers.json import without_absent
from producers.nodes import drawn
from producers.topics import MESSAGE_LIMIT
from schemas.states import NodeRequest
from storage import node_results, outbox, search
from storage.backoff import SHORTEST_SECONDS, growing_pauses
from storage.database import begin
from storage.faults import Fault, classify, describe
from storage.node_results import Budget, Claimant, Granted, Held, Spent
from storage.outbox import Message

_log = structlog.get_logger()

_ARTICLES = 8
_STORING_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class GeneratingSettings:
    """How long a generator may take, how many nodes a walk may have, what an account may use."""

    seconds: float = 32.0
    ai_nodes: int = 12
    budget: Budget = field(default_factory=lambda: Budget(2_000, 20_000_000))


@dataclass(frozen=True, slots=True)
class Served:
    """What a request came to. ``usage`` is what was paid, None where nobody was."""

    node: BuiltNode
    usage: Usage | None

    @property
    def unavailable(self) -> bool:
        """Whether the node stands in for one that could not be generated."""
        return self.node.reason_category == AI_UNAVAILABLE


class Generating:
    """Answers requests for nodes. ``holder`` is whose place this is; one at a time has it."""

    def __init__(
        self,
        engine: AsyncEngine,
        generator: Generator,
        holder: str,
        settings: GeneratingSettings,
        on_served: Callable[[Served], None] = lambda _: None,
    ) -> None:
        self._engine = engine
        self._generator = generator
        self._holder = holder
        self._life = f"{holder}/{uuid4()}"
        self._settings = settings
        self._on_served = on_served

    async def answer(self, asked: NodeRequest, trace: bytes = b"") -> None:
        """See to it that the request has a result, however long that takes.

        ``trace`` is the trace context of its record, packed, and goes on to what serves the node.
        Raises what says that the deployment is wrong.
        """
        pauses = growing_pauses()
        while True:
            try:
                held = await self.answer_once(asked, trace)
            except Exception as error:
                if classify(error) is Fault.STOP:
                    raise
                pause = next(pauses)
                _log.warning("node request waits", error=describe(error), seconds=pause)
                await asyncio.sleep(pause)
                continue
            if held is None:
                return
            await asyncio.sleep(min(max(held, SHORTEST_SECONDS), 1.0))

    async def answer_once(self, asked: NodeRequest, trace: bytes = b"") -> float | None:
        """Answer the request, unless it is: how many seconds another has it, None where done."""
        claimant = Claimant(self._life, str(uuid4()), self._settings.seconds + _STORING_SECONDS)
        async with begin(self._engine) as tx:
            granted = await node_results.claim(
                tx, asked.request_id, claimant, self._settings.budget
            )
            if isinstance(granted, Held):
                return granted.seconds
            if granted is None:
                return None
            problem = search.Problem(granted.account_id, granted.problem_text, granted.category)
            articles = await search.articles(tx, problem, _ARTICLES)
        served = await self._generate(asked, granted, articles)
        await self._store(asked, granted, served, trace)
        self._on_served(served)
        return None

    async def take_place(self) -> None:
        """Free what those have claimed who had this place before, and died in it."""
        async with begin(self._engine) as tx:
            await node_results.let_go(tx, self._holder)

    async def let_go(self) -> None:
        """Free what this one has claimed, and nobody who may have its place by now."""
        async with begin(self._engine) as tx:
            await node_results.let_go(tx, self._life)

    async def _generate(
        self, asked: NodeRequest, granted: Granted, articles: Sequence[search.FoundArticle]
    ) -> Served:
        """The node, or what stands in for it, and what was paid."""
        node_id = str(uuid4())
        if not granted.within_budget:
            _log.warning("an account's budget is used up", account_id=granted.account_id)
            return Served(stand_in(node_id), None)
        usage: Usage | None = None
        try:
            generated = await self._call(_request(asked, granted, articles, self._settings))
            usage = generated.usage
            cited = {article.id for article in articles}
            return Served(made(generated.draft, node_id, cited), usage)
        except Unusable as error:
            why = str(error)
        except Unavailable as error:
            usage, why = error.usage, "the generator had no answer"
        except TimeoutError:
            why = "the generator took too long"
        except Exception as error:  # noqa: BLE001 - a session must not wait for what failed
            why = f"the generator failed: {type(error).__name__}"
        _log.warning("no node was generated", request_id=asked.request_id, why=why)
        return Served(stand_in(node_id), usage)

    async def _call(self, case: Case) -> Generated:
        async with asyncio.timeout(self._settings.seconds):
            return await self._generator.generate(case, idempotency_key=case.request_id)

    async def _store(
        self, asked: NodeRequest, granted: Granted, served: Served, trace: bytes
    ) -> None:
        """Store the result and stage what serves it: at once or, as it was paid, until it is."""
        pauses = growing_pauses()
        while True:
            try:
                async with begin(self._engine) as tx:
                    await node_results.hold_account(tx, granted.account_id)
                    if await node_results.store(
                        tx, asked.request_id, granted.claim_id, served.node
                    ):
                        serving = _serve(asked, granted, served.node, trace)
                        await outbox.stage(tx, [serving], MESSAGE_LIMIT)
                    if served.usage is not None:
                        spent = _spent(served.usage)
                        await node_results.add_usage(tx, asked.request_id, granted, spent)
            except Exception as error:
                fault = classify(error)
                if fault is Fault.OWN and served.usage is not None:
                    # Generated again, it would be paid again, and refused again.
                    _log.error("a paid node was refused", error=describe(error), usage=served.usage)
                    served = Served(stand_in(str(uuid4())), None)
                    continue
                if fault not in {Fault.AGAIN, Fault.WAIT}:
                    raise
                pause = next(pauses)
                _log.warning("a node waits to be stored", error=describe(error), seconds=pause)
                await asyncio.sleep(pause)
            else:
                return


def _request(
    asked: NodeRequest,
    granted: Granted,
    articles: Sequence[search.FoundArticle],
    settings: GeneratingSettings,
) -> Case:
    """What the generator is told: of this account and this session, and nothing else."""
    return Case(
        request_id=asked.request_id,
        account_id=granted.account_id,
        category=granted.category,
        problem_text=granted.problem_text,
        path=tuple(_step(step) for step in asked.path if "question" in step),
        articles=tuple(
            GroundingArticle(one.id, one.title, one.category, one.body) for one in articles
        ),
        nodes_left=max(1, settings.ai_nodes - granted.generated),
    )


def _step(step: dict[str, Any]) -> PathStep:
    return PathStep(step["question"], step["answer"], step.get("note"))


def _spent(usage: Usage) -> Spent:
    return Spent(usage.model, usage.input_tokens, usage.output_tokens, usage.cost_microdollars)


def _serve(asked: NodeRequest, granted: Granted, node: BuiltNode, trace: bytes) -> Message:
    """The command that serves the node. Its id follows from the request, so that it is one."""
    command = {
        "type": "serve_node",
        "command_id": derived(f"serve:{asked.request_id}"),
        "session_id": granted.session_id,
        "account_id": granted.account_id,
        "request_id": asked.request_id,
        "node": drawn(node),
    } | without_absent({"correlation": granted.correlation})
    return commands.message(command, trace)
