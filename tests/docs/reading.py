"""Markdown as these tests read it: sections, fenced blocks, tables, links."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from firstline.cli import app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)


def page(name: str) -> str:
    """The text of a page, by its path from the repository's root."""
    return (ROOT / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level, begin = next(
        (len(line.split(" ")[0]), end)
        for line, end in _headings(text)
        if line.lstrip("# ") == title
    )
    following = re.compile(rf"^#{{1,{level}}} ", re.MULTILINE).search(text, begin)
    return text[begin : following.start() if following else len(text)]


def blocks(text: str, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return [body for found, body in _FENCED.findall(text) if found == language]


def rows(text: str) -> Iterator[list[str]]:
    """The rows of the tables that are about something in backquotes, cell by cell."""
    for line in _prose(text).splitlines():
        if line.startswith("| `"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def quoted(cell: str) -> list[str]:
    """What stands in backquotes."""
    return re.findall(r"`([^`]+)`", cell)


def all_commands() -> dict[str, Any]:
    """The commands of the program by what is typed: those of a group with the group's name."""
    program = typer.main.get_command(app)
    assert isinstance(program, TyperGroup)
    found: dict[str, Any] = {}
    for name, command in program.commands.items():
        if isinstance(command, TyperGroup):
            found |= {f"{name} {one}": below for one, below in command.commands.items()}
        else:
            found[name] = command
    return found


def links(text: str) -> list[str]:
    """The targets of the links."""
    return _LINK.findall(_prose(text))


def anchors(text: str) -> set[str]:
    """What the headings are called in links, as GitHub makes it of them."""
    return {
        re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
        for line, _ in _headings(text)
    }


def _headings(text: str) -> Iterator[tuple[str, int]]:
    """Each heading with where it ends."""
    fenced = [found.span() for found in _FENCED.finditer(text)]
    for found in _HEADING.finditer(text):
        if not any(begin <= found.start() < end for begin, end in fenced):
            yield found[0], found.end()


def _prose(text: str) -> str:
    return _FENCED.sub("", text)
