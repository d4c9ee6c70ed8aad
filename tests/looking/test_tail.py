"""`firstline tail` shows those records that are wanted, coloured on a terminal, plain in a pipe."""

import asyncio
import json
import os
import pty
import secrets
import subprocess
import sys
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from typer.testing import CliRunner

from firstline.cli import app
from firstline.looking.records import RecordFilter
from firstline.servers import Servers
from firstline.traffic import print_topic
from producers.kafka import Kafka
from tests.builders import ACME, GLOBEX, OTHER_SESSION, SESSION, an_id

_EVENT = {
    "type": "firstline.session.escalated.v1",
    "data": {"account_id": ACME, "session_id": SESSION},
}
_RECORDS = (
    (SESSION, {"type": "resolve", "session_id": SESSION, "account_id": ACME}),
    (OTHER_SESSION, {"type": "abandon", "session_id": OTHER_SESSION, "account_id": GLOBEX}),
    (SESSION, _EVENT),
)
_HOSTILE = (
    b'{"note": "\\ud800 \\u001b[2J"}',
    '{"note": "\x9b2J \u202e"}'.encode(),
    b'{"type": ["resolve"], "data": [], "session_id": {}}',
    b"[" * 100_000,
    b'{"n": NaN}',
    b'{"n": ' + b"9" * 5_000 + b"}",
    b"\x00\xff",
    b"7",
)


@pytest.fixture(scope="module")
async def kafka(servers: Servers) -> Kafka:
    """A replies topic with three records of two sessions, and a dead-letters topic of others."""
    made = Kafka(servers.kafka_bootstrap, f"tail-{secrets.token_hex(4)}.")
    admin = AIOKafkaAdminClient(**made.connection())
    await admin.start()
    names = [made.topic(name) for name in ("replies", "dead-letters")]
    await admin.create_topics([NewTopic(name, 1, 1) for name in names])
    await admin.close()
    producer = AIOKafkaProducer(**made.connection())
    await producer.start()
    for key, value in _RECORDS:
        await producer.send_and_wait(names[0], json.dumps(value).encode(), key=key.encode())
    for raw in _HOSTILE:
        await producer.send_and_wait(names[1], raw, key=b"\xff")
    await producer.send_and_wait(names[1], None, key=SESSION.encode())
    await producer.stop()
    return made


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        (RecordFilter(), [0, 1, 2]),
        (RecordFilter(session_id=SESSION), [0, 2]),
        (RecordFilter(account_id=GLOBEX), [1]),
        (RecordFilter(type="resolve"), [0]),
        (RecordFilter(type="session.escalated"), [2]),
        (RecordFilter(type="firstline.session.escalated.v1"), [2]),
        (RecordFilter(session_id=SESSION, type="abandon"), []),
        (RecordFilter(session_id=an_id(0x99)), []),
    ],
)
async def test_only_records_that_are_wanted_are_shown(
    kafka: Kafka, capsys: pytest.CaptureFixture[str], wanted: RecordFilter, places: list[int]
) -> None:
    await print_topic(kafka, "replies", follow=False, wanted=wanted)
    shown = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert shown == [_RECORDS[place][1] for place in places]


@pytest.mark.parametrize(
    "wanted", [RecordFilter(), RecordFilter(session_id=SESSION, type="x", account_id="y")]
)
async def test_whatever_a_record_holds_it_is_a_line_of_json_that_does_nothing(
    kafka: Kafka, capsys: pytest.CaptureFixture[str], wanted: RecordFilter
) -> None:
    await print_topic(kafka, "dead-letters", follow=False, wanted=wanted)
    lines = capsys.readouterr().out.splitlines()
    if wanted == RecordFilter():
        assert len(lines) == len(_HOSTILE) + 1
        assert json.loads(lines[-1]) == {"key": SESSION, "value": None}
    for line in lines:
        assert line.isprintable()
        json.loads(line, parse_constant=pytest.fail)


async def test_a_terminal_gets_colours_and_a_pipe_does_not(kafka: Kafka) -> None:
    words = ("tail", "replies", "--account", GLOBEX)
    piped = await _firstline(kafka, *words)
    assert json.loads(piped.stdout) == _RECORDS[1][1]
    terminal = await asyncio.to_thread(_on_a_terminal, kafka, *words)
    assert "\x1b[" in terminal
    assert "abandon" in terminal


@pytest.mark.parametrize(
    ("shell", "words"),
    [
        ("bash", {"COMP_WORDS": "firstline tail session-", "COMP_CWORD": "2"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "firstline tail session-"}),
        ("fish", {"_TYPER_COMPLETE_ARGS": "firstline tail session-"}),
    ],
)
def test_shells_complete_the_names_of_topics(shell: str, words: dict[str, str]) -> None:
    asked = {"_FIRSTLINE_COMPLETE": f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    told = CliRunner().invoke(app, prog_name="firstline", env={**asked, **words})
    assert "session-events" in told.stdout
    assert "session-state" in told.stdout
    assert "replies" not in told.stdout


@dataclass(frozen=True)
class _Told:
    code: int | None
    stdout: str
    stderr: str


def _environ(kafka: Kafka) -> dict[str, str]:
    return {
        **os.environ,
        "FIRSTLINE_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "FIRSTLINE_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
        "FIRSTLINE_TOPIC_PREFIX": kafka.prefix,
        "TERM": "xterm-256color",
    }


async def _firstline(kafka: Kafka, *words: str) -> _Told:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "firstline", *words),
        env=_environ(kafka),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    stdout, stderr = await process.communicate()
    return _Told(process.returncode, stdout.decode(), stderr.decode())


def _on_a_terminal(kafka: Kafka, *words: str) -> str:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "firstline", *words],
        env=_environ(kafka),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    written = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        try:
            while chunk := terminal.read(65_536):
                written += chunk
        except OSError:
            pass  # Linux says so when the other end is closed
    process.wait()
    return written.decode()
