"""How much is measured."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of each measure, at what rates, and in how many rounds where it is noisy."""

    rounds: int
    commands: int
    naive_commands: int
    queued_commands: int
    leased_messages: int
    latency_seconds: int
    latency_rates: Sequence[int]
    stored_sessions: Sequence[int]
    walks: int
    memory_commands: int
    batch_sizes: Sequence[int]


FULL = Sizes(
    rounds=5,
    commands=100_000,
    naive_commands=2_000,
    queued_commands=3_000,
    leased_messages=20_000,
    latency_seconds=10,
    latency_rates=(20, 50, 100, 500, 1_000, 2_000),
    stored_sessions=(10_000, 100_000, 1_000_000),
    walks=1_000,
    memory_commands=1_000_000,
    batch_sizes=(1, 10, 100, 300, 1_000, 3_000),
)
QUICK = Sizes(
    rounds=1,
    commands=40_000,
    naive_commands=400,
    queued_commands=500,
    leased_messages=5_000,
    latency_seconds=5,
    latency_rates=(),
    stored_sessions=(50_000,),
    walks=300,
    memory_commands=50_000,
    batch_sizes=(),
)
