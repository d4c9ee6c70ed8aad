"""What it takes to ask a provider for nodes."""

from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """Where a model is, and what it costs.

    ``url`` is what "/chat/completions" is put behind. ``timeout_seconds`` holds over all attempts
    together, of which there is one more than ``retries``. Prices are in dollars for a million
    tokens.
    """

    url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout_seconds: float = 30.0
    retries: int = 2
    input_price: Decimal = Decimal(0)
    output_price: Decimal = Decimal(0)
