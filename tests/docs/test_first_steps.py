"""The first steps of README.md, taken as they are written."""

import asyncio
import json
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from firstline.servers import Servers
from tests.docs.reading import blocks, page, section

FIRST_STEPS = section(page("README.md"), "First steps by hand")
WORKER = "firstline worker\n"
SENT = 4


# A dozen commands, each of them a process.
@pytest.mark.timeout(300)
async def test_the_first_steps_lead_where_they_say(
    servers: Servers, database_url: str, tmp_path: Path
) -> None:
    shell = Shell(servers, database_url, tmp_path)
    before, after = split_at_the_worker(blocks(FIRST_STEPS, "sh"))
    for block in before:
        await shell.run(block)
    async with shell.worker():
        for block in after:
            await shell.run(block)
        answers = await shell.replies(SENT)
        assert {answer["outcome"] for answer in answers} == {"accepted"}
        assert shown() in [answer | {"recorded_at": shown()["recorded_at"]} for answer in answers]

        await shell.run("firstline send commands.jsonl --source chat")
        again = await shell.replies(2 * SENT)
        repeated = [answer | {"duplicate": False} for answer in again if answer["duplicate"]]
        assert sorted(repeated, key=command_id) == sorted(answers, key=command_id)


class Shell:
    """A shell in a folder of its own, with an installation of its own."""

    def __init__(self, servers: Servers, database_url: str, folder: Path) -> None:
        self.folder = folder
        self.environ = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "FIRSTLINE_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
            "FIRSTLINE_DATABASE_URL": database_url,
            "FIRSTLINE_TOPIC_PREFIX": f"docs-{secrets.token_hex(4)}.",
            "FIRSTLINE_PARTITIONS": "2",
        }

    async def run(self, script: str) -> str:
        """Run a script to its end, and return what it printed; it has to succeed."""
        process = await asyncio.create_subprocess_exec(
            "bash", "-euo", "pipefail", "-c", script,
            cwd=self.folder, env=self.environ,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return out.decode()

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """A worker that is ready; it has to end well when it is asked to."""
        process = await asyncio.create_subprocess_exec(
            *WORKER.split(), cwd=self.folder, env=self.environ, stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            async with asyncio.timeout(45):
                assert await process.stdout.readline() == b"ready\n"
            yield
            process.terminate()
            async with asyncio.timeout(30):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def replies(self, count: int) -> list[dict[str, Any]]:
        """All replies, once there are so many."""
        async with asyncio.timeout(30):
            while True:
                lines = (await self.run("firstline tail replies")).splitlines()
                if len(lines) >= count:
                    return [json.loads(line) for line in lines]


def split_at_the_worker(steps: list[str]) -> tuple[list[str], list[str]]:
    """The blocks before and after the one that goes on in a terminal of its own."""
    place = steps.index(WORKER)
    return steps[:place], steps[place + 1 :]


def shown() -> dict[str, Any]:
    """The answer that the page shows."""
    (example,) = blocks(FIRST_STEPS, "json")
    answer: dict[str, Any] = json.loads(example)
    return answer


def command_id(answer: dict[str, Any]) -> str:
    """What a reply answers."""
    return str(answer["command_id"])
