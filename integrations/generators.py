"""Which generator a deployment has."""

from dataclasses import dataclass

from integrations.generator import Generator
from integrations.provider_settings import ProviderSettings


@dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """A provider of language models, or none: then nodes come from the account's own articles."""

    provider: ProviderSettings | None = None


def generator(settings: GeneratorSettings) -> Generator:
    """The generator that the settings ask for; one is enough for a process."""
    # Each where it is the one: the client libraries of a provider take seconds to import.
    if settings.provider is None:
        from integrations.embedded import Embedded  # noqa: PLC0415

        return Embedded()
    from integrations.language_model import LanguageModel  # noqa: PLC0415

    return LanguageModel(settings.provider)
