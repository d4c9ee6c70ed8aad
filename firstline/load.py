"""Loading a catalogue file: accounts, people, flows, proposals, tickets and articles."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from schemas.catalogue import Catalogue, User
from schemas.fields import Time
from storage.catalogue import CatalogueError, Loaded, load
from storage.catalogue_rules import Row, Rows
from storage.database import begin, connect

__all__ = ["CatalogueError", "Loaded", "load_file", "read_file"]


async def load_file(path: Path, database_url: str) -> Loaded:
    """Load the file in one transaction, all or nothing; return what that changed.

    Raises `CatalogueError`, with everything that is wrong, where the file does not hold together
    or contradicts what the database has.
    """
    rows = _rows(read_file(path))
    engine = connect(database_url, pool_size=1)
    try:
        async with begin(engine) as tx:
            return await load(tx, rows)
    finally:
        await engine.dispose()


def read_file(path: Path) -> Catalogue:
    """Read and check a catalogue file, JSON or YAML by its suffix, without a database."""
    parse = _PARSERS.get(path.suffix.lower())
    if parse is None:
        problem = f"{path.name}: a catalogue is a .json, .yaml or .yml file"
        raise CatalogueError([problem])
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        problem = f"{path.name} cannot be read: {error}"
        raise CatalogueError([problem]) from error
    try:
        return Catalogue.model_validate(content)
    except ValidationError as error:
        problems = [
            _sentence(detail, content)
            for detail in error.errors(include_url=False, include_input=False)
        ]
        raise CatalogueError(problems) from None


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
    """YAML's safe subset, where times stay text and a doubled key is an error."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - the base class declares it like this
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
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
    id_ = entry.get("id") if isinstance(entry, Mapping) else None
    named = f"{section} {id_}" if isinstance(id_, str) else f"{section}[{place}]"
    return ", ".join([named, ".".join(_within(rest, entry))] if rest else [named])


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


def _rows(catalogue: Catalogue) -> Rows:
    """The file's entries as rows, by table; an entry of ``flows`` fills two."""
    return {
        "accounts": [account.model_dump() for account in catalogue.accounts],
        "users": [_user(user) for user in catalogue.users],
        "recipients": [recipient.model_dump() for recipient in catalogue.recipients],
        "articles": [article.model_dump() for article in catalogue.articles],
        "flows": [
            {"id": flow.id, "account_id": flow.account_id, "archived": flow.archived}
            for flow in {flow.id: flow for flow in catalogue.flows}.values()
        ],
        "flow_versions": [
            {**flow.model_dump(exclude={"id", "archived"}), "flow_id": flow.id}
            for flow in catalogue.flows
        ],
        "tickets": [{**ticket.model_dump(), "kind": "internal"} for ticket in catalogue.tickets],
        "flow_proposals": [proposal.model_dump() for proposal in catalogue.flow_proposals],
    }


def _user(user: User) -> Row:
    return {**user.model_dump(), "deleted_at": user.deleted_at and _moment(user.deleted_at)}


def _moment(time: Time) -> datetime:
    """The moment that an RFC 3339 time names; a leap second is the second before it."""
    text = time.upper()
    if text[17:19] == "60":
        text = f"{text[:17]}59{text[19:]}"
    return datetime.fromisoformat(text).astimezone(UTC)
