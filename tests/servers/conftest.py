"""What the tests of the servers share."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def environ() -> dict[str, str]:
    """The environment of somebody who names no servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("FIRSTLINE_")}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter, as Postgres has to where the tests run as root.

    Those of pytest are closed to others.
    """
    with tempfile.TemporaryDirectory(prefix="firstline-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)
