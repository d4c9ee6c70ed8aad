"""``SECONDS=600 python -m tests.soak``: whether anything grows that should not.

A worker gets commands at a steady pace and keeps for seconds what it keeps for days elsewhere; its
memory, the outbox, and each table's rows and bytes are looked at all the while. Exits with 1 where
one of them still grows after the first two fifths. `RATE` sets the pace in commands a second.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from firstline.servers import ephemeral
from tests.outside.client import Client
from tests.outside.commands import command, encode, new_id, script
from tests.outside.people import ACME, CATALOGUE
from tests.outside.program import Installation, installed
from tests.outside.wire import Json
from tests.soak.flat import Finding, Rule, bounded, judge, table
from tests.soak.worker import KEPT_SECONDS

PRUNED = (
    *("inbox", "sweeps", "ticket_events_heard", "dead_letters", "walk_steps", "session_notes"),
    *("audit_log", "outbox"),
)
KEPT = ("sessions", "escalations", "tickets")
_ONE_IN = 50  # records: one that cannot be read, and news of a ticket
_TICKETS = 20
_LOOK_SECONDS = 1.0
_REST_SECONDS = 60.0
# So that what is deleted makes room for what comes after seconds rather than minutes.
_SERVER = {"autovacuum_naptime": "5s"}
_MEMORY = Rule(0.10)
_ROWS = Rule(0.20, slack=200)
_BYTES = Rule(0.20, slack=256 * 1024)
_MESSAGES = 4  # that a command causes, at most
_OUTBOX_SECONDS = 5

Figures = dict[str, list[float]]


def main() -> int:
    """Soak, print what came of it, and return the exit code."""
    seconds, rate = (int(os.environ.get(name) or default) for name, default in _OPTIONS)
    figures: Figures = defaultdict(list)
    with (
        ephemeral(postgres_settings=_SERVER) as servers,
        tempfile.TemporaryDirectory() as folder,
        installed(
            servers.kafka_bootstrap, servers.database_url, Path(folder), CATALOGUE
        ) as installation,
        _worker(installation) as worker,
        psycopg.connect(installation.database_url, autocommit=True) as connection,
    ):
        client = Client(installation.kafka_bootstrap, installation.prefix)
        sent = _send_and_look(client, connection, worker, figures, seconds=seconds, rate=rate)
        client.close()
        left = _rest(connection, sent)
    findings = _judged(figures, rate)
    sys.stdout.write(f"{table(findings)}\n")
    for name in KEPT:
        rows = figures[f"{name}, rows"]
        sys.stdout.write(f"{name} stay for good: {rows[-1]:,.0f} rows\n")
    sound = all(one.flat for one in findings) and not left
    sys.stdout.write(
        f"{sent:,} records in {seconds} s, what is kept {KEPT_SECONDS} s long:"
        f" {'flat' if sound else left or 'NOT FLAT'}\n"
    )
    return 0 if sound else 1


_OPTIONS = (("SECONDS", 600), ("RATE", 300))


def _judged(figures: Figures, rate: int) -> list[Finding]:
    findings = [judge("memory of the worker, KiB", figures["memory"], _MEMORY)]
    for name in PRUNED:
        rows = figures[f"{name}, rows"]
        if name == "outbox":
            findings.append(bounded("outbox, rows", rows, rate * _MESSAGES * _OUTBOX_SECONDS))
        else:
            findings.append(judge(f"{name}, rows", rows, _ROWS))
        findings.append(judge(f"{name}, bytes", figures[f"{name}, bytes"], _BYTES))
    return findings


@contextmanager
def _worker(installation: Installation) -> Iterator["subprocess.Popen[str]"]:
    """A worker that is ready; in the end it has to leave as it should."""
    with (installation.folder / "worker.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.worker"],
            env={**installation.environment, "FIRSTLINE_LOG_LEVEL": "warning"},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        sys.stdout.write((installation.folder / "worker.log").read_text()[-2_000:])


def _send_and_look(
    client: Client,
    connection: psycopg.Connection,
    worker: "subprocess.Popen[str]",
    figures: Figures,
    *,
    seconds: int,
    rate: int,
) -> int:
    """Send at that pace for so long, and look once a second; return how many records that was."""
    commands, sent = _commands(random.Random(1)), 0
    began = time.monotonic()
    looked = began
    while (now := time.monotonic()) < began + seconds:
        while sent < (now - began) * rate:
            sent += 1
            client.send(next(commands))
            if sent % _ONE_IN == 0:
                client.tell(_news(sent))
        if now >= looked + _LOOK_SECONDS:
            looked = now
            _look(connection, worker.pid, figures)
        time.sleep(0.02)
    client.flush()
    return sent


def _look(connection: psycopg.Connection, pid: int, figures: Figures) -> None:
    told = subprocess.run(
        ["ps", "-o", "rss=", "-p", str(pid)],  # noqa: S607 - wherever it is
        capture_output=True,
        text=True,
        check=True,
    )
    figures["memory"].append(float(told.stdout))
    for name in (*PRUNED, *KEPT):
        row = connection.execute(
            sql.SQL("select count(*), pg_total_relation_size({}) from {}").format(
                sql.Literal(name), sql.Identifier(name)
            )
        ).fetchone()
        assert row is not None
        figures[f"{name}, rows"].append(row[0])
        figures[f"{name}, bytes"].append(row[1])


def _rest(connection: psycopg.Connection, sent: int) -> str:
    """Wait until all is applied and published; return what is not, in words."""
    until = time.monotonic() + _REST_SECONDS
    while True:
        row = connection.execute(
            """
            select (select coalesce(sum(next_offset), 0) from positions where topic like '%.chat'),
                (select count(*) from outbox)
            """
        ).fetchone()
        assert row is not None
        applied, waiting = row
        if applied >= sent and not waiting:
            return ""
        if time.monotonic() > until:
            return f"NOT DONE: {sent - applied} records to apply, {waiting} messages to publish"
        time.sleep(0.1)


def _commands(rng: random.Random) -> Iterator[Json | bytes]:
    """Sessions side by side, each of them brought to its end, and now and then what is no command.

    Escalations are closed: the walk of one that waits stays for as long as it does.
    """
    sessions = [_session(rng) for _ in range(40)]
    while True:
        if rng.randrange(_ONE_IN) == 0:
            yield encode(command("resolve"))[:-1]
        place = rng.randrange(len(sessions))
        one = next(sessions[place], None)
        if one is None:
            sessions[place] = _session(rng)
        else:
            yield one


def _news(number: int) -> Json:
    return {
        "event_id": new_id(),
        "account_id": ACME,
        "provider": "connectwise",
        "action": "updated",
        "ticket": {"kind": "psa", "id": f"news-{number % _TICKETS}", "status": str(number)},
        "actor": {"name": "Dee Dispatcher", "is_self": False},
    }


def _session(rng: random.Random) -> Iterator[Json]:
    ends = rng.choice(
        (
            ("resolve",),
            ("abandon",),
            ("escalate", "claim_escalation", "close_escalation"),
        )
    )
    steps = [("record_step", {"option_id": "again"})] * rng.randint(2, 10)
    noted = ("update_notes", {"notes": [{"n": number} for number in range(rng.randrange(5))]})
    yield from script(new_id(), ("start_flow", {}), *steps, noted, *((end, {}) for end in ends))


if __name__ == "__main__":
    sys.exit(main())
