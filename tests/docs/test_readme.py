"""README.md and the pages beside it say what the program does: settings, commands, examples."""

import json

import pytest
import yaml
from typer.testing import CliRunner

from firstline.cli import app
from firstline.settings import Settings
from schemas.catalogue import Catalogue
from schemas.commands import COMMANDS
from tests.docs.reading import all_commands, blocks, page, quoted, rows, section

README = page("README.md")
FIRST_STEPS = section(README, "First steps by hand")
SETTINGS = {quoted(cells[0])[0]: cells for cells in rows(page("docs/settings.md"))}
KNOWN = all_commands()


def named(cell: str) -> str:
    """The command that a row is about: the longest that its words begin with."""
    (_, *words), *_ = (text.split() for text in quoted(cell))
    found = [name for name in KNOWN if words[: len(name.split())] == name.split()]
    return max(found, key=len, default=" ".join(words))


COMMAND_ROWS = {named(cells[0]): cells for cells in rows(page("docs/commands.md"))}


def test_every_setting_is_told_with_its_default() -> None:
    told = {name: "".join(quoted(cells[1])) for name, cells in SETTINGS.items()}
    assert told == {
        f"FIRSTLINE_{name.upper()}": "" if field.default is None else str(field.default)
        for name, field in Settings.model_fields.items()
    }


def test_every_setting_has_a_meaning() -> None:
    assert [name for name, (_, _, meaning) in SETTINGS.items() if not meaning] == []


def test_every_command_is_told() -> None:
    assert set(COMMAND_ROWS) == set(KNOWN)


def test_every_command_is_in_the_help() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert [name for name in KNOWN if f"  {name.split()[0]} " not in shown] == []


@pytest.mark.parametrize("name", COMMAND_ROWS)
def test_every_option_that_is_told_is_one(name: str) -> None:
    taken = {
        option
        for parameter in KNOWN[name].params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    told = {
        word
        for cell in COMMAND_ROWS[name]
        for part in quoted(cell)
        for word in part.split()
        if word.startswith("--")
    }
    assert told <= taken


def test_the_catalogue_of_the_first_steps_can_be_loaded() -> None:
    Catalogue.model_validate(yaml.safe_load(here_document("catalogue.yaml")))


def test_the_commands_of_the_first_steps_are_commands() -> None:
    for line in here_document("commands.jsonl").splitlines():
        COMMANDS.validate_json(line)


@pytest.mark.parametrize("example", blocks(README, "json"))
def test_every_example_is_json(example: str) -> None:
    json.loads(example)


def here_document(name: str) -> str:
    """What a block of the first steps writes into a file."""
    (block,) = [block for block in blocks(FIRST_STEPS, "sh") if block.startswith(f"cat > {name} ")]
    return block.split("\n", 1)[1].removesuffix("END\n")
