"""A catalogue file as it is read: JSON or YAML, and everything that is wrong with it at once."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from domain.flows import Action, Flow, Node, Option, Question, ResolveEnd, breaks, faults
from schemas.catalogue import Catalogue
from storage.catalogue import CatalogueError

_WALKABLE = ("flows", "flow_proposals")


def read_file(path: Path) -> Catalogue:
    """Read and check a catalogue file, JSON or YAML by its suffix, without a database.

    Raises `CatalogueError` with every entry that is no good and every walk that cannot end.
    """
    content = _parse(path)
    problems = [*_faults_of_entries(content), *_faults_of_walks(content, breaks)]
    if problems:
        raise CatalogueError(problems)
    return Catalogue.model_validate(content)


def lint_file(path: Path) -> tuple[int, list[str]]:
    """How many flows and proposals a catalogue file has, and everything wrong with them.

    Stricter than loading: a node that is never reached is told, too. Raises `CatalogueError`
    where the file cannot be read.
    """
    content = _parse(path)
    problems = [
        *_faults_of_entries(content, _WALKABLE),
        *_faults_of_walks(content, faults),
    ]
    return len(list(_walkables(content))), problems


def _parse(path: Path) -> object:
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        problem = f"{path.name}: a catalogue is a .json, .yaml or .yml file"
        raise CatalogueError([problem])
    try:
        return parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        problem = f"{path.name} cannot be read: {_why(error)}"
        raise CatalogueError([problem]) from error


def _why(error: Exception) -> str:
    match error:
        case OSError(strerror=str(said)):
            return said
        case RecursionError():
            return "it is nested too deeply"
        case yaml.MarkedYAMLError(problem=str(said), problem_mark=yaml.Mark() as mark):
            return f"{said} (line {mark.line + 1}, column {mark.column + 1})"
        case _:
            return " ".join(str(error).split())


def _faults_of_entries(content: object, sections: Sequence[str] = ()) -> list[str]:
    """What the models say, of these sections and of the file as a whole, or of everything."""
    try:
        Catalogue.model_validate(content)
    except ValidationError as error:
        return [
            _sentence(detail, content)
            for detail in error.errors(include_url=False, include_input=False)
            if not sections or _is_of_the_file(detail) or detail["loc"][0] in sections
        ]
    return []


def _is_of_the_file(detail: ErrorDetails) -> bool:
    """Whether it is about no entry: a section that is none, or something that is no file at all."""
    return len(detail["loc"]) <= 1


def _faults_of_walks(content: object, judge: Callable[[Flow], list[str]]) -> Iterator[str]:
    """What is wrong with where nodes lead, also where the models have something to say."""
    for name, entry in _walkables(content):
        match entry:
            case {"start": str(start), "nodes": {**nodes}} if nodes:
                flow = Flow(
                    start, {str(id_): _sketch(str(id_), node) for id_, node in nodes.items()}
                )
                yield from (f"{name}: {fault}" for fault in judge(flow))


def _walkables(content: object) -> Iterator[tuple[str, object]]:
    """The flows and proposals, each with what it is called."""
    for section in _WALKABLE:
        entries = content.get(section) if isinstance(content, Mapping) else None
        for place, entry in enumerate(entries if isinstance(entries, list) else ()):
            yield _named(section, place, entry), entry


def _sketch(id_: str, node: object) -> Node:
    """Where a node leads; what does not say so is an end here: the models tell what it lacks."""
    match node:
        case {"type": "question", "options": [*options]}:
            following = [
                one["next"] for one in options if isinstance(one, Mapping) and "next" in one
            ]
            told = tuple(Option("", "", one) for one in following if isinstance(one, str))
            return Question(id_, "", told) if told else ResolveEnd(id_, "")
        case {"type": "action" | "article", "next": str(following)}:
            return Action(id_, "", following)
        case _:
            return ResolveEnd(id_, "")


def _parse_json(text: str) -> object:
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a doubled key: the second node of a name would silently replace the first."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        doubled = next(name for name in names if names.count(name) > 1)
        msg = f"{doubled!r} is there more than once in one object"
        raise ValueError(msg)
    return found


class _YamlLoader(yaml.SafeLoader):
    """YAML's safe subset, where times stay text and a doubled key is an error.

    Of words, ``true`` and ``false`` alone are no text, as in YAML 1.2: the answer ``Yes`` is one.
    """

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class declares it like this
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if not tag.endswith((":timestamp", ":bool"))
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:  # noqa: ANN401 - its own
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                problem = f"{key.value!r} is there more than once in one mapping"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return node


_YamlLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool",
    re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
    list("tTfF"),
)


def _parse_yaml(text: str) -> object:
    return yaml.load(text, Loader=_YamlLoader)  # noqa: S506 - it is a SafeLoader


_PARSERS: Mapping[str, Callable[[str], object]] = MappingProxyType(
    {".json": _parse_json, ".yaml": _parse_yaml, ".yml": _parse_yaml}
)


def _sentence(detail: ErrorDetails, content: object) -> str:
    """Say where and what: ``users 9d2f…, role: Input should be …``."""
    where = _path(detail["loc"], content)
    what = detail["msg"].removeprefix("Value error, ")
    return f"{where}: {what}" if where else f"The file: {what}"


def _path(location: Sequence[int | str], content: object) -> str:
    """The section, the entry's id or place, and the path within the entry."""
    section, *rest = location or ("",)
    if not rest:
        return str(section)
    entries = content[section] if isinstance(content, Mapping) else ()
    place, *rest = rest
    entry = entries[place] if isinstance(entries, list) and isinstance(place, int) else {}
    named = _named(str(section), place, entry)
    return ", ".join([named, ".".join(_within(rest, entry))] if rest else [named])


def _named(section: str, place: int | str, entry: object) -> str:
    id_ = entry.get("id") if isinstance(entry, Mapping) else None
    return f"{section} {id_}" if isinstance(id_, str) else f"{section}[{place}]"


def _within(location: Sequence[int | str], entry: object) -> Iterator[str]:
    """The parts of a path that are in the file: pydantic adds the names of types it tried."""
    here: Any = entry
    for number, part in enumerate(location, 1):
        is_there = (isinstance(here, Mapping) and part in here) or (
            isinstance(here, list) and isinstance(part, int)
        )
        if is_there:
            here = here[part]
        if is_there or number == len(location):
            yield str(part)
