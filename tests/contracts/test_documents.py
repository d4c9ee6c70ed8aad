"""Every JSON in the documents that says it is a message is one."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from firstline.contracts.messages import messages
from tests.docs.reading import PAGES, ROOT, blocks

NAMED_BY = {"outcome": "reply", "event_id": "ticket-event", "request_id": "node-request"}
TYPES = {message.type for message in messages()} - {None}
BLOCKS = [
    (str(file.relative_to(ROOT)), block)
    for file in PAGES
    for language in ("json", "jsonl", "sh", "bash")
    for block in blocks(file.read_text(encoding="utf-8"), language)
]


def objects(block: str) -> list[dict[str, Any]]:
    """The JSON objects of a block: the block itself, or lines of it."""
    found = []
    for text in (block, *block.splitlines()):
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if isinstance(value, dict) and value not in found:
            found.append(value)
    return found


SHOWN = [
    pytest.param(value, id=f"{file}:{value.get('type') or value.get('outcome')}")
    for file, block in BLOCKS
    for value in objects(block)
    if value.get("type") in TYPES or value.keys() & {"specversion", *NAMED_BY}
]


@pytest.mark.parametrize("value", SHOWN)
def test_a_message_that_is_shown_is_such_a_message(value: dict[str, Any]) -> None:
    kind = value.get("type") or next(NAMED_BY[name] for name in NAMED_BY if name in value)
    readers = [one.reader for one in messages() if kind in {one.type, one.name}]
    assert readers, f"nothing is called {kind}"
    faults = []
    for reader in readers:  # an event has several: for everybody, and for those who have to act
        try:
            reader.validate_json(json.dumps(value), extra="forbid")
        except ValidationError as error:
            faults.append(str(error))
    assert len(faults) < len(readers), "\n".join(faults)


def test_there_are_messages_of_every_sort_among_them() -> None:
    assert len(SHOWN) > 10
