"""Which generator a deployment has."""

from dataclasses import dataclass

from integrations.embedded import Embedded
from integrations.generator import Generator
from integrations.provider_settings import ProviderSettings


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """A provider of language models, or none: then nodes come from the account's own articles."""

    provider: ProviderSettings | None = None


def generator(settings: GeneratorSettings) -> Generator:
    """The generator that the settings ask for; one is enough for a process."""
    if settings.provider is None:
        return Embedded()
    # The client libraries take seconds to import: only who has a provider waits for them.
    from integrations.language_model import LanguageModel  # noqa: PLC0415

    return LanguageModel(settings.provider)
