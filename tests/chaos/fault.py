"""A fault: what it is called, how it is brought about, and what this machine needs for it."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.scene import Scene

Inject = Callable[[Scene], int]
"""Bring a fault about and end it; return how many times it was there. Raises `NotInjected`."""


def nothing_needed() -> str:
    """Say that a fault can be brought about anywhere."""
    return ""


@dataclass(frozen=True, slots=True)
class Fault:
    """``missing`` says why this machine cannot bring it about; nothing, where it can."""

    name: str
    inject: Inject
    missing: Callable[[], str] = nothing_needed
