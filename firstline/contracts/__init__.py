"""The contracts that others build against, as files: AsyncAPI, and a JSON Schema a message."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from firstline.contracts.asyncapi import asyncapi
from firstline.contracts.json_schema import json_schemas

_ASYNCAPI = Path("docs/asyncapi.yaml")
_JSON_SCHEMAS = Path("schemas/json")


@cache
def contracts() -> Mapping[Path, str]:
    """Every file's text by its path below the repository, as it follows from the code."""
    schemas = {_JSON_SCHEMAS / name: text for name, text in json_schemas().items()}
    return {_ASYNCAPI: asyncapi()} | schemas


def stale(root: Path) -> list[Path]:
    """The files below a repository that are missing, left over, or not as the code says."""
    wanted = contracts()
    there = {file.relative_to(root) for file in (root / _JSON_SCHEMAS).glob("*.json")}
    differing = [path for path, text in wanted.items() if _read(root / path) != text]
    return sorted([*differing, *(there - wanted.keys())])


def write_contracts(root: Path) -> list[Path]:
    """Bring the files below a repository up to date; return those that were `stale`."""
    wanted, changed = contracts(), stale(root)
    for path in changed:
        if path in wanted:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(wanted[path], encoding="utf-8")
        else:
            (root / path).unlink()
    return changed


def _read(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.exists() else None
