"""What a check finds: one sentence each, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is; only `WRONG` breaks a promise, and makes the exit code 1."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """``about`` names what was looked at; ``todo`` is what whoever runs firstline does next."""

    level: Level
    about: str
    says: str
    todo: str | None = None

    def sentence(self) -> str:
        """All of it, on one line."""
        said = f"{self.about}: {self.says}"
        return said if self.todo is None else f"{said}; {self.todo}"


def ok(about: str, says: str) -> Finding:
    """Nothing to do."""
    return Finding(Level.OK, about, says)


def note(about: str, says: str, todo: str | None = None) -> Finding:
    """Worth knowing."""
    return Finding(Level.NOTE, about, says, todo)


def warning(about: str, says: str, todo: str) -> Finding:
    """Holds today; a fault elsewhere would make it matter."""
    return Finding(Level.WARNING, about, says, todo)


def wrong(about: str, says: str, todo: str) -> Finding:
    """Breaks a promise, or keeps the program from running."""
    return Finding(Level.WRONG, about, says, todo)
