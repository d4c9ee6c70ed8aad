"""The settings of a provider: whole or absent, and a key that nobody prints."""

from decimal import Decimal

import pytest
from pydantic import ValidationError

from firstline.settings import Settings
from integrations.generators import GeneratorSettings
from integrations.provider_settings import ProviderSettings

URL = "https://models.example/v1"


def test_without_a_provider_there_is_none() -> None:
    assert Settings().generator() == GeneratorSettings()


def test_a_provider_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "URL": URL, "MODEL": "m", "API_KEY": "sk-canary", "TIMEOUT_SECONDS": "12.5", "RETRIES": "1",
        "INPUT_PRICE": "0.15", "OUTPUT_PRICE": "0.6",
    }  # fmt: skip
    for name, value in given.items():
        monkeypatch.setenv(f"FIRSTLINE_AI_{name}", value)
    prices = (Decimal("0.15"), Decimal("0.6"))
    expected = ProviderSettings(URL, "m", "sk-canary", 12.5, 1, *prices)
    settings = Settings()
    assert settings.generator().provider == expected
    assert "canary" not in f"{settings!r} {settings.model_dump_json()} {settings.generator()!r}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ai_url": URL},
        {"ai_model": "m"},
        {"ai_url": "models.example/v1", "ai_model": "m"},
        {"ai_url": "https://user:canary@models.example/v1", "ai_model": "m"},
        {"ai_url": "https://models.example/v1?key=canary", "ai_model": "m"},
        {"ai_url": URL, "ai_model": "m", "ai_timeout_seconds": 0},
        {"ai_url": URL, "ai_model": "m", "ai_retries": -1},
        {"ai_url": URL, "ai_model": "m", "ai_input_price": "NaN"},
    ],
)
def test_what_cannot_be_asked_is_refused_without_showing_it(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as raised:
        Settings.model_validate({"ai_api_key": "sk-canary", **wrong})
    assert "canary" not in str(raised.value)


@pytest.mark.parametrize(
    ("told", "key"), [("sk-1\n", "sk-1"), (" sk-1 ", "sk-1"), ("", None), ("\n", None)]
)
def test_a_key_is_what_a_header_may_hold(told: str, key: str | None) -> None:
    """Files of secrets often end in a newline."""
    read = Settings(ai_api_key=told).ai_api_key  # type: ignore[arg-type]
    assert (read and read.get_secret_value()) == key


@pytest.mark.parametrize("told", ["schlüssel", "sk\n1", "sk\x001"])
def test_a_key_that_no_header_may_hold_is_refused_without_showing_it(told: str) -> None:
    with pytest.raises(ValidationError, match="a key is printable ASCII") as refused:
        Settings(ai_api_key=told)  # type: ignore[arg-type]
    assert told not in str(refused.value)
