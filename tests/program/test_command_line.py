"""Every command explains itself, and every error is one sentence and a code, never a traceback."""

import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url
from typer.testing import CliRunner

from firstline.cli import app
from firstline.servers import Servers
from tests.docs.reading import all_commands
from tests.outside.client import read_to_the_end
from tests.outside.commands import command, encode
from tests.outside.forking import Ended
from tests.outside.program import Installation
from tests.program.running import run_all

DATABASE, KAFKA, PREFIX = (
    f"FIRSTLINE_{name}" for name in ("DATABASE_URL", "KAFKA_BOOTSTRAP", "TOPIC_PREFIX")
)
COMMANDS = sorted(all_commands())


# -- help -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_an_example(name: str) -> None:
    shown = CliRunner().invoke(app, [*name.split(), "--help"])
    assert shown.exit_code == 0
    assert re.search(rf"Example: (?:[A-Z_]+=\S+ )*firstline {name}\b", shown.output)


def test_without_a_command_the_commands_are_listed() -> None:
    shown = CliRunner().invoke(app, [])
    assert shown.exit_code == 2
    assert [name for name in COMMANDS if f"  {name.split()[0]} " not in shown.output] == []


# -- errors -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A command that fails, what is changed in its environment, and what it says."""

    arguments: str
    says: str
    code: int = 1
    environment: dict[str, str | None] = field(default_factory=dict)


NOWHERE = "postgresql://firstline:secret@127.0.0.1:1/firstline"
CASES = {
    "Postgres is away": Case(
        "worker", r"a server cannot be reached \(.*refused.*\)", environment={DATABASE: NOWHERE}
    ),
    "Kafka is away": Case(
        "worker",
        "Kafka cannot be reached; look at FIRSTLINE_KAFKA_BOOTSTRAP and"
        " FIRSTLINE_KAFKA_SECURITY_PROTOCOL, which is PLAINTEXT",
        environment={KAFKA: "127.0.0.1:1"},
    ),
    "only Kafka is named": Case(
        "worker", f"{KAFKA} is set and {DATABASE} is not: set both .*", environment={DATABASE: None}
    ),
    "only Postgres is named": Case(
        "worker", f"{DATABASE} is set and {KAFKA} is not: set both .*", environment={KAFKA: None}
    ),
    "the database's address is none": Case(
        "load catalogue.json", f".*{DATABASE}: an address is written postgresql://.*", 2,
        {DATABASE: "nonsense"},
    ),
    "the database's address has no number for a port": Case(
        "migrate", f".*{DATABASE}: an address is written postgresql://.*", 2,
        {DATABASE: "postgresql://firstline:secret@localhost:port/firstline"},
    ),
    "the database is another program's": Case(
        "migrate", f".*{DATABASE}: an address is written postgresql://.*", 2,
        {DATABASE: "mysql://firstline:secret@localhost/firstline"},
    ),
    "Kafka's address has no number for a port": Case(
        "topics", f".*{KAFKA}: an address is written host:port, or .*", 2,
        {KAFKA: "localhost:port"},
    ),
    "the database is not there": Case(
        "worker", f"Postgres answers InvalidCatalogNameError 3D000; look at {DATABASE}",
        environment={DATABASE: "{nowhere}"},
    ),
    "the relay's database was never migrated": Case(
        "relay", ".*run `firstline migrate`", environment={DATABASE: "{empty}"}
    ),
    "the relay's topics are missing": Case(
        "relay", ".*relay-progress.*missing; run `firstline topics`",
        environment={PREFIX: "nobody."},
    ),
    "the database was never migrated": Case(
        "worker", ".*run `firstline migrate`", environment={DATABASE: "{empty}"}
    ),
    "the topics are missing": Case(
        "worker", ".*commands.chat.*missing; run `firstline topics`",
        environment={PREFIX: "nobody."},
    ),
    "the topic to send to is missing": Case(
        "send ok.jsonl --source psa",
        "nobody.commands.psa does not exist, or Kafka's ACLs hide it; run `firstline check`",
        environment={PREFIX: "nobody."},
    ),
    "the topic to print is missing": Case(
        "tail replies",
        "nobody.replies does not exist, or Kafka's ACLs hide it; run `firstline check`",
        environment={PREFIX: "nobody."},
    ),
    "a topic that nobody knows": Case(
        "tail answers", "there is no topic 'answers'; one of .*replies, session-events.*"
    ),
    "a file that is not there": Case(
        "send nowhere.jsonl --source chat", "nowhere.jsonl cannot be read: No such file.*"
    ),
    "a catalogue that is no JSON": Case("load broken.json", "broken.json cannot be read: .*"),
    "a catalogue of nonsense": Case(
        "load odd.json", r"users\[0\], id: .*\nnonsense: .*",
    ),
    "a line that is no command": Case(
        "send second.jsonl --source chat",
        r"second.jsonl:2 is not a JSON object with a session_id; nothing was sent",
    ),
    "a line that nests without end": Case(
        "send deep.jsonl --source chat",
        r"deep.jsonl:1 is not a JSON object with a session_id; nothing was sent",
    ),
    "a line that is too long": Case(
        "send long.jsonl --source chat",
        r"long.jsonl:2 has 1\d{6} bytes, too many for Kafka; nothing was sent",
    ),
    "a time longer ago than there is": Case(
        "dead-letters list --since 999999d", r"'999999d' is neither a time .*",
    ),
    "days before there was a date": Case(
        "prune", r".*FIRSTLINE_WALK_DAYS: Input should be less than or equal to 36500", 2,
        {"FIRSTLINE_WALK_DAYS": "999999"},
    ),
    "a folder that cannot be made": Case(
        "contracts --into ok.jsonl/contracts", r"ok.jsonl/contracts.*: Not a directory",
    ),
    "a setting out of its range": Case(
        "topics", r".*FIRSTLINE_PARTITIONS: Input should be greater than or equal to 1", 2,
        {"FIRSTLINE_PARTITIONS": "0"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def ended(installation: Installation, servers: Servers) -> Iterator[dict[str, Ended]]:
    """Run them all."""
    folder = installation.folder
    (folder / "ok.jsonl").write_bytes(encode(command("start_adhoc")) + b"\n")
    (folder / "second.jsonl").write_bytes(encode(command("start_adhoc")) + b"\n[1]\n")
    long = encode(command("start_adhoc", correlation="x" * 1_000_000))
    (folder / "long.jsonl").write_bytes(encode(command("start_adhoc")) + b"\n" + long + b"\n")
    (folder / "deep.jsonl").write_bytes(b"[" * 100_000 + b"\n")
    (folder / "broken.json").write_text("{")
    (folder / "odd.json").write_text('{"users": [{"id": 1}], "nonsense": []}')
    empty = f"empty_{secrets.token_hex(4)}"
    places = {
        "{empty}": in_database(servers.database_url, empty),
        "{nowhere}": in_database(servers.database_url, "nowhere"),
    }
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(empty)))
        commands = [
            (case.arguments.split(), changed(installation.environment, case.environment, places))
            for case in CASES.values()
        ]
        yield dict(zip(CASES, run_all(commands, folder), strict=True))
        connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(empty)))


def changed(
    environment: Mapping[str, str], changes: Mapping[str, str | None], places: Mapping[str, str]
) -> dict[str, str]:
    """The environment with changes, of which those that are None are left out."""
    whole = {**environment, **changes}
    return {name: places.get(value, value) for name, value in whole.items() if value is not None}


def in_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.mark.parametrize("name", CASES)
def test_an_error_is_a_sentence_and_a_code(ended: dict[str, Ended], name: str) -> None:
    case, found = CASES[name], ended[name]
    assert found.code == case.code, found.err
    assert "Traceback" not in found.err
    assert found.out == ""
    said = [line for line in found.err.splitlines(keepends=True) if not is_logged(line)]
    prefix = "firstline: " if case.code == 1 else ""
    assert re.fullmatch(f"{prefix}{case.says}\n", "".join(said), re.DOTALL), found.err


def is_logged(line: str) -> bool:
    return line.startswith("{") and "event" in json.loads(line)


def test_nothing_was_sent_of_a_file_with_a_wrong_line(
    ended: dict[str, Ended], installation: Installation
) -> None:
    assert ended
    (first, _) = (installation.folder / "second.jsonl").read_bytes().splitlines()
    records = read_to_the_end(installation.kafka_bootstrap, installation.prefix, ["commands.chat"])
    assert first not in {record.value for record in records}


def test_no_password_is_shown(ended: dict[str, Ended], servers: Servers) -> None:
    password = make_url(servers.database_url).password
    assert isinstance(password, str)
    assert [name for name, found in ended.items() if password in found.err] == []
    assert [name for name, found in ended.items() if "secret" in found.err] == []
