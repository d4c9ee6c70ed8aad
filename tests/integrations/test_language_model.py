"""A provider is asked for nodes: what it answers, how it fails, what it costs, what it learns."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from integrations import language_model
from integrations.generator import NodeDraft, NodeOption, Unavailable, Usage
from integrations.generators import GeneratorSettings, generator
from integrations.language_model import LanguageModel
from integrations.provider_settings import ProviderSettings
from tests.integrations.injections import INJECTIONS
from tests.integrations.knowledge import ARTICLES, PRINTER, faults, request
from tests.integrations.provider import INPUT_TOKENS, OUTPUT_TOKENS, Mode, Provider, provider
from tests.integrations.test_prompt import everywhere

KEY = "sk-canary-0451"
ONE_ANSWER = Usage("model-1", INPUT_TOKENS, OUTPUT_TOKENS, 36)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language_model, "_FIRST_PAUSE_SECONDS", 0.01)


@asynccontextmanager
async def asking(stand_in: Provider, **more: object) -> AsyncIterator[LanguageModel]:
    """A language model at the stand-in."""
    chosen: dict[str, Any] = {
        "api_key": KEY, "timeout_seconds": 5.0, "retries": 2,
        "input_price": Decimal("0.15"), "output_price": Decimal("0.60"),
    } | more  # fmt: skip
    model = LanguageModel(ProviderSettings(stand_in.url, "model-1", **chosen))
    try:
        yield model
    finally:
        await model.aclose()


async def failure(stand_in: Provider, **more: object) -> Unavailable:
    """How asking fails, which it must."""
    async with asking(stand_in, **more) as model:
        with pytest.raises(Unavailable) as raised:
            await model.generate(request("a canary problem"), idempotency_key="k")
    return raised.value


async def test_an_answer_is_a_node_that_cites_its_article_and_tells_what_it_cost() -> None:
    async with provider() as stand_in, asking(stand_in) as model:
        first = await model.generate(request(), idempotency_key="k1")
        second = await model.generate(request(answers=["Today"]), idempotency_key="k2")
    assert first.draft == NodeDraft(
        "question", "Since when?", (NodeOption("Today"), NodeOption("Earlier"))
    )
    assert second.draft == NodeDraft("action", "Take step 1.", article_id=PRINTER.id)
    assert first.usage == second.usage == ONE_ANSWER


async def test_a_request_carries_its_key_its_temperature_and_little_else() -> None:
    async with provider() as stand_in, asking(stand_in) as model:
        await model.generate(request(), idempotency_key="k1")
    (call,) = stand_in.calls
    assert call.headers["idempotency-key"] == call.headers["x-client-request-id"] == "k1"
    assert call.headers["authorization"] == f"Bearer {KEY}"
    assert set(call.headers) <= {
        "host", "content-type", "content-length", "accept", "accept-encoding", "connection",
        "idempotency-key", "x-client-request-id", "user-agent", "authorization",
    }  # fmt: skip
    assert call.body["temperature"] == 0
    assert call.body["tool_choice"] == "required"
    assert [tool["function"]["name"] for tool in call.body["tools"]] == ["next_node"]


async def test_without_a_key_none_is_sent() -> None:
    async with provider() as stand_in, asking(stand_in, api_key=None) as model:
        await model.generate(request(), idempotency_key="k1")
    assert "authorization" not in stand_in.calls[0].headers


@pytest.mark.parametrize(
    ("mode", "calls", "paid"),
    [
        (Mode.BROKEN, 3, 0),
        (Mode.CUT, 3, 0),
        (Mode.MALFORMED, 3, 0),
        (Mode.EMPTY, 3, 0),
        (Mode.RATE_LIMITED, 3, 0),
        (Mode.FAILING, 3, 0),
        (Mode.UNAUTHORIZED, 1, 0),
        (Mode.REFUSING, 3, 3),
        (Mode.WRONG_SCHEMA, 3, 3),
        (Mode.OBEDIENT, 3, 3),
    ],
)
async def test_a_provider_that_fails_is_tried_so_often_and_its_answers_are_paid(
    mode: Mode, calls: int, paid: int
) -> None:
    async with provider(mode) as stand_in:
        failed = await failure(stand_in)
    assert len(stand_in.calls) == calls
    cost = Usage("model-1", INPUT_TOKENS * paid, OUTPUT_TOKENS * paid, 36 * paid)
    assert failed.usage == (cost if paid else None)


@pytest.mark.parametrize("mode", sorted(set(Mode) - {Mode.GOOD, Mode.SLOW, Mode.UNAUTHORIZED}))
async def test_a_provider_that_recovers_gives_a_node(mode: Mode) -> None:
    async with provider(at_first=[mode]) as stand_in, asking(stand_in) as model:
        generated = await model.generate(request(), idempotency_key="k")
    assert generated.draft.text == "Since when?"
    assert len(stand_in.calls) == 2


async def test_a_slow_provider_is_given_up_in_time() -> None:
    async with provider(Mode.SLOW) as stand_in:
        began = time.monotonic()
        failed = await failure(stand_in, timeout_seconds=0.3)
    assert time.monotonic() - began < 3
    assert str(failed) == "the provider took too long"


async def test_the_time_holds_over_all_attempts() -> None:
    async with provider(Mode.SLOW, at_first=[Mode.FAILING]) as stand_in:
        await failure(stand_in, timeout_seconds=0.3)
    assert len(stand_in.calls) == 2


async def test_a_provider_that_asks_to_wait_is_left_alone_so_long() -> None:
    at_first = [Mode.RATE_LIMITED]
    async with (
        provider(at_first=at_first, retry_after="1") as stand_in,
        asking(stand_in) as model,
    ):
        began = time.monotonic()
        await model.generate(request(), idempotency_key="k")
    assert time.monotonic() - began >= 1


async def test_nobody_waits_for_a_provider_that_asks_for_more_time_than_there_is() -> None:
    async with provider(Mode.RATE_LIMITED, retry_after="60") as stand_in:
        began = time.monotonic()
        failed = await failure(stand_in)
    assert time.monotonic() - began < 3
    assert str(failed) == "the provider answered 429"


async def test_what_was_not_answered_is_asked_again_under_its_key_and_paid_once() -> None:
    async with (
        provider(at_first=[Mode.BROKEN, Mode.FAILING], keeps_keys=True) as stand_in,
        asking(stand_in) as model,
    ):
        first = await model.generate(request(), idempotency_key="k")
        again = await model.generate(request(), idempotency_key="k")
    assert again.draft == first.draft
    assert stand_in.keys == {"k": 4}
    assert stand_in.paid == 1


async def test_an_answer_that_is_no_use_is_asked_for_anew_under_another_key() -> None:
    async with (
        provider(at_first=[Mode.WRONG_SCHEMA], keeps_keys=True) as stand_in,
        asking(stand_in) as model,
    ):
        generated = await model.generate(request(), idempotency_key="k")
    assert stand_in.keys == {"k": 1, "k-1": 1}
    assert "An earlier answer could not be used" in stand_in.calls[1].prompt
    assert generated.usage == Usage("model-1", 2 * INPUT_TOKENS, 2 * OUTPUT_TOKENS, 72)


async def test_a_number_of_tokens_that_cannot_be_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.integrations.provider.INPUT_TOKENS", 10**30)
    async with provider() as stand_in, asking(stand_in) as model:
        generated = await model.generate(request(), idempotency_key="k")
    assert generated.usage.input_tokens == 1_000_000_000
    assert generated.usage.cost_microdollars < 2**63


async def test_costs_are_rounded_up_to_whole_microdollars() -> None:
    prices = {"input_price": Decimal("0.0001"), "output_price": Decimal(0)}
    async with provider() as stand_in, asking(stand_in, **prices) as model:
        generated = await model.generate(request(), idempotency_key="k")
    assert generated.usage.cost_microdollars == 1


@pytest.mark.parametrize(
    "says",
    [
        {"kind": "action", "text": "Look.", "article": "A4"},
        {"kind": "action", "text": "Look.", "article": ARTICLES[0].id},
        {"kind": "action", "text": "Look.", "article": "00000000-0000-4000-8000-00000000beef"},
        {"kind": "action", "text": "Look.", "article_id": "A1"},
        {"kind": "shell", "text": "rm"},
        {"kind": "action", "text": ""},
        {"kind": "action", "text": "   "},
        {"kind": "action", "text": "a\x00b"},
        {"kind": "action", "text": "x" * 4_001},
        {"kind": "action", "text": ["Look."]},
        {"kind": "action", "text": "Look.", "options": ["a", "b"]},
        {"kind": "action", "text": "Look.", "reason_category": "network"},
        {"kind": "question", "text": "Which?", "options": ["a"]},
        {"kind": "question", "text": "Which?", "options": ["a", "a"]},
        {"kind": "question", "text": "Which?", "options": list("abcdefghi")},
        {"kind": "question", "text": "Which?", "options": ["a", "x" * 201]},
        {"kind": "escalate", "text": "Over."},
        {"kind": "escalate", "text": "Over.", "reason_category": "x" * 31},
        {"kind": "resolve", "text": "Done.", "run": "rm -rf /"},
        {},
    ],
)
async def test_a_model_that_obeys_cannot_leave_the_schema_or_cite_what_was_not_given(
    says: dict[str, object],
) -> None:
    async with provider(Mode.OBEDIENT, says=says) as stand_in:
        failed = await failure(stand_in, retries=0)
    assert failed.usage == ONE_ANSWER


async def test_the_last_node_is_an_end_or_none() -> None:
    says = {"kind": "action", "text": "One more."}
    async with provider(Mode.OBEDIENT, says=says) as stand_in, asking(stand_in) as model:
        with pytest.raises(Unavailable):
            await model.generate(request(nodes=1), idempotency_key="k")
        stand_in.mode = Mode.GOOD
        generated = await model.generate(request(nodes=1), idempotency_key="k")
    assert generated.draft.kind == "escalate"


async def test_what_a_model_may_leave_out_it_may_also_leave_empty() -> None:
    says = {
        "kind": "action",
        "text": " Look. ",
        "article": "",
        "reason_category": "",
        "options": [],
    }
    async with provider(Mode.OBEDIENT, says=says) as stand_in, asking(stand_in) as model:
        generated = await model.generate(request(), idempotency_key="k")
    assert generated.draft == NodeDraft("action", "Look.")


async def test_every_injection_arrives_as_data_and_a_node_comes_back() -> None:
    async with provider() as stand_in, asking(stand_in) as model:
        for text in INJECTIONS:
            asked = everywhere(text)
            generated = await model.generate(asked, idempotency_key="k")
            assert faults(generated.draft, asked) == []
    systems = {json.dumps(call.body["messages"][:-1]) for call in stand_in.calls}
    assert len(systems) == 1


async def test_the_key_follows_no_redirect() -> None:
    async with provider() as elsewhere:
        async with provider(Mode.REDIRECTING, elsewhere=f"{elsewhere.url}/x") as stand_in:
            await failure(stand_in)
        assert elsewhere.calls == []


async def test_the_environment_changes_neither_way_nor_headers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with provider() as proxy, provider() as stand_in:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "OPENAI_BASE_URL"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-other")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-canary")
        monkeypatch.setenv("OPENAI_PROJECT_ID", "project-canary")
        async with asking(stand_in) as model:
            await model.generate(request(), idempotency_key="k")
        assert proxy.calls == []
    told = str(stand_in.calls[0].headers)
    assert "canary" not in told.replace(KEY, "")
    assert "sk-other" not in told


async def test_the_key_and_the_payload_are_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    at_first = [Mode.FAILING, Mode.WRONG_SCHEMA]
    async with provider(at_first=at_first) as stand_in, asking(stand_in) as model:
        await model.generate(request("a canary problem"), idempotency_key="k")
    assert "canary" not in caplog.text
    assert KEY not in repr(ProviderSettings("http://x", "m", KEY))


@pytest.mark.parametrize("mode", sorted(set(Mode) - {Mode.GOOD, Mode.SLOW}))
async def test_an_error_holds_nothing_of_what_was_said(mode: Mode) -> None:
    says = {"kind": "canary", "canary": "canary"}
    async with provider(mode, says=says) as stand_in:
        failed = await failure(stand_in, retries=0)
    assert "canary" not in repr(failed)
    assert (failed.__cause__, failed.__context__) == (None, None)


async def test_an_endless_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.one_host._LARGEST_ANSWER", 100)
    async with provider() as stand_in:
        await failure(stand_in)


def test_no_client_is_imported_where_no_provider_is_configured() -> None:
    script = (
        "import sys, integrations.generators as g, firstline.settings as s;"
        "g.generator(s.Settings().generator());"
        "print([m for m in ('pydantic_ai', 'openai', 'httpx2') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    assert found.stdout.strip() == b"[]"


async def test_the_settings_choose_the_generator() -> None:
    assert type(generator(GeneratorSettings())).__name__ == "Embedded"
    model = generator(GeneratorSettings(ProviderSettings("http://127.0.0.1:9/v1", "m")))
    assert isinstance(model, LanguageModel)
    await model.aclose()
