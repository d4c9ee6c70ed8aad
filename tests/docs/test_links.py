"""What the pages point at is there."""

from pathlib import Path

import pytest

from tests.docs.reading import PAGES, ROOT, anchors, links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_to_something_in_the_repository(page: Path) -> None:
    dead = [
        target
        for target in links(page.read_text(encoding="utf-8"))
        if "://" not in target and not leads_somewhere(page, target)
    ]
    assert dead == []


def leads_somewhere(page: Path, target: str) -> bool:
    """Whether the file exists, and has the heading where the target names one."""
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.is_relative_to(ROOT) or not file.exists():
        return False
    return not anchor or anchor in anchors(file.read_text(encoding="utf-8"))
