"""The programs of docs/integrating.md, run as they stand against a real worker."""

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import yaml

from tests.contracts.reading import must_be_published
from tests.docs.reading import blocks, page
from tests.outside.client import read_to_the_end
from tests.outside.program import Installation, NewInstallation

PROGRAMS = blocks(page("docs/integrating.md"), "python")
CHATBOT, TICKET_SYSTEM, ALERT, ANALYTICS = PROGRAMS
TOPICS = (
    "session-events",
    "session-state",
    "ticketing",
    "engineer-notifications",
    "node-requests",
    "replies",
    "dead-letters",
)


@pytest.fixture(scope="module")
def installation(new_installation: NewInstallation) -> Iterator[Installation]:
    (found,) = re.findall(
        r"^cat > catalogue.yaml <<'END'\n(.*?)^END$", page("README.md"), re.DOTALL | re.MULTILINE
    )
    with new_installation(yaml.safe_load(found)) as made:
        made.start()
        yield made


async def test_the_programs_do_what_the_page_says(installation: Installation) -> None:
    async with running(installation, CHATBOT) as lines:
        assert [line async for line in lines] == [
            "StartFlow accepted 1",
            "RecordStep accepted 2",
            "Resolve accepted 3",
        ]
    for _ in range(2):
        async with running(installation, ALERT) as lines:
            assert [line async for line in lines] == []
    async with running(installation, TICKET_SYSTEM) as lines:
        assert {await anext(lines), await anext(lines)} == {
            "close 10050 Outlook was offline.",
            "escalate 10051 The whole floor is offline.",
        }
    async with running(installation, ANALYTICS) as lines:
        await anext(lines)
        assert json.loads(await anext(lines)) == {"escalated": 1, "resolved": 1}

    records = read_to_the_end(installation.kafka_bootstrap, installation.prefix, TOPICS)
    assert {record.topic for record in records} >= {*TOPICS} - {"node-requests", "dead-letters"}
    for record in records:
        headers = [(name.encode(), value) for name, value in record.headers]
        must_be_published(record.topic, record.value, headers)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_is_about_twenty_lines(program: str) -> None:
    code = [line for line in program.splitlines() if line.strip()]
    assert len(code) < 25


@asynccontextmanager
async def running(installation: Installation, program: str) -> AsyncIterator[AsyncIterator[str]]:
    """Run a program of the page; what it prints, line by line, until it ends or is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", program, cwd=installation.folder,
        env=installation.environment, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            yield _lines(process)
        installation.must_run()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _lines(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    async for line in process.stdout:
        yield line.decode().rstrip("\n")
