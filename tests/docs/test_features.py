"""docs/features.md names every capability, with a test that is there."""

import re

import pytest

from domain.decisions import Code
from schemas.commands import COMMANDS
from tests.docs.reading import ROOT, page

FEATURES = page("docs/features.md")
LINES = [line for line in FEATURES.splitlines() if line.startswith("- ")]
_LINE = re.compile(r"- .+ \(\[(?P<test>test_\w+)\]\(\.\./(?P<file>tests/[\w/]+\.py)\)\)")


@pytest.mark.parametrize("line", LINES)
def test_every_capability_is_shown_by_a_test_that_is_there(line: str) -> None:
    found = _LINE.fullmatch(line)
    assert found
    source = (ROOT / found["file"]).read_text(encoding="utf-8")
    assert re.search(rf"^(async )?def {found['test']}\(", source, re.MULTILINE)


def test_every_command_is_a_capability() -> None:
    types = COMMANDS.json_schema()["discriminator"]["mapping"]
    assert [name for name in types if f"`{name}`" not in FEATURES] == []


def test_every_code_is_a_capability() -> None:
    assert [code for code in Code if f"`{code}`" not in FEATURES] == []
