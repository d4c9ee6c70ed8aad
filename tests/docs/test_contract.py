"""docs/contract.md is the contract of this code: its examples, its codes, its limits."""

import json
from typing import Any

import pytest

from domain.decisions import Code
from producers import topics
from producers.events import TYPES
from schemas.catalogue import Catalogue
from schemas.commands import COMMANDS
from tests.docs.reading import blocks, page, quoted, rows, section

CONTRACT = page("docs/contract.md")
EXAMPLES = blocks(CONTRACT, "json")


def parsed() -> list[dict[str, Any]]:
    return [json.loads(example) for example in EXAMPLES]


def commands() -> list[dict[str, Any]]:
    return [one for one in parsed() if "command_id" in one and "type" in one]


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_json(example: str) -> None:
    json.loads(example)


@pytest.mark.parametrize("command", commands(), ids=lambda command: command["type"])
def test_every_example_of_a_command_is_one(command: dict[str, Any]) -> None:
    COMMANDS.validate_json(json.dumps(command))


def test_every_command_has_an_example() -> None:
    assert {command["type"] for command in commands()} == set(command_types())


def test_every_command_is_told() -> None:
    told = first_cells(section(CONTRACT, "Commands"))
    assert set(command_types()) <= told


def test_the_catalogue_can_be_loaded() -> None:
    (catalogue,) = [one for one in parsed() if "accounts" in one]
    Catalogue.model_validate(catalogue)


def test_the_codes_are_those_of_this_version_and_of_versions_to_come() -> None:
    told = {quoted(cells[0])[0]: cells[1] for cells in rows(section(CONTRACT, "Codes"))}
    assert list(told) == [code.value for code in Code]


def test_every_topic_is_told() -> None:
    assert first_cells(section(CONTRACT, "Topics")) == {topic.name for topic in topics.ALL}


def test_every_type_of_event_is_told() -> None:
    assert set(TYPES.values()) == {
        name for name in first_cells(section(CONTRACT, "Events")) if name.startswith("firstline.")
    }


def first_cells(text: str) -> set[str]:
    """What the tables' rows are about."""
    return {name for cells in rows(text) for name in quoted(cells[0])}


def command_types() -> list[str]:
    """The types that `COMMANDS` tells apart."""
    schema = COMMANDS.json_schema()
    return list(schema["discriminator"]["mapping"])
