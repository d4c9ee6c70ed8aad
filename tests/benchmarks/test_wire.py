"""What a batch asks of Postgres, on the wire: it may not grow, whatever clocks say."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from benchmarks.statements import mixed, steps
from benchmarks.workload import catalogue
from firstline.load import load_file

# A tenth above what was counted when they were set. Who raises one says why in docs/performance.md.
MOST_ROUND_TRIPS = 13
MOST_STATEMENTS = 10
FEWEST_ROUND_TRIPS = 7
MOST_BYTES_SENT_A_STEP = 3_900
MOST_BYTES_RECEIVED_A_STEP = 450
MOST_BYTES_SENT_A_COMMAND = 3_600


@pytest.fixture(scope="module")
def catalogue_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file: Path = tmp_path_factory.mktemp("bench") / "catalogue.json"
    file.write_text(json.dumps(catalogue()))
    return file


@pytest.fixture
async def database_url(
    new_database: Callable[[], AbstractAsyncContextManager[str]], catalogue_file: Path
) -> AsyncIterator[str]:
    async with new_database() as url:
        await load_file(catalogue_file, url)
        yield url


async def test_a_batch_takes_as_long_a_conversation_whatever_its_size(database_url: str) -> None:
    one, ten, thousand = await steps(database_url, (1, 10, 1_000))
    # Few rows of several tables go by one statement.
    assert one.statements <= ten.statements <= thousand.statements == MOST_STATEMENTS
    # Many go by COPY, which asks before it sends.
    assert one.round_trips == one.statements == FEWEST_ROUND_TRIPS
    assert one.round_trips <= ten.round_trips <= thousand.round_trips <= MOST_ROUND_TRIPS
    assert (thousand.sent - one.sent) / 999 <= MOST_BYTES_SENT_A_STEP
    assert (thousand.received - one.received) / 999 <= MOST_BYTES_RECEIVED_A_STEP


async def test_bytes_grow_with_commands_and_no_faster(database_url: str) -> None:
    half, whole = await mixed(database_url, (1_000, 2_000))
    assert whole.statements == half.statements
    assert whole.round_trips == half.round_trips
    assert whole.sent <= 2.1 * half.sent
    assert whole.sent / 2_000 <= MOST_BYTES_SENT_A_COMMAND
