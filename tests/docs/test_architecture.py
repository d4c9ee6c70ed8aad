"""The code map is of this code."""

import tomllib
from itertools import chain

import pytest

from firstline.errors import ACTIONABLE
from tests.docs.reading import ROOT, page, quoted, rows, section

MAP = section(page("ARCHITECTURE.md"), "Code map")
NAMED = set(chain.from_iterable(quoted(cells[0]) for cells in rows(MAP)))
ROOMS = ("domain", "schemas", "storage", "producers", "consumers", "integrations")


def test_every_place_on_the_map_exists() -> None:
    assert sorted(place for place in NAMED if not (ROOT / place).exists()) == []


def test_every_package_is_on_the_map() -> None:
    project = tomllib.loads(page("pyproject.toml"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert [name for name in packages if f"`{name}/" not in MAP] == []


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_of_a_room_is_on_the_map(room: str) -> None:
    modules = {f"{room}/{file.name}" for file in (ROOT / room).glob("*.py")}
    assert sorted(modules - NAMED - {f"{room}/__init__.py"}) == []


def test_every_error_that_a_person_can_act_on_is_explained() -> None:
    """Those that tell it themselves, and the one that tells what Postgres said."""
    errors = section(page("ARCHITECTURE.md"), "Errors by class")
    _, of_persons = errors.split("What ends a process")
    of_persons, _ = of_persons.split("What stays inside")
    explained = [name for cells in rows(of_persons) for name in quoted(cells[0])]
    assert sorted(explained) == sorted([*(one.__name__ for one in ACTIONABLE), "DeploymentWrong"])
