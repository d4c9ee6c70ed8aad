"""The files that are published are those that the code writes."""

from pathlib import Path

from typer.testing import CliRunner

from firstline.cli import app
from firstline.contracts import contracts, stale
from tests.contracts.reading import ROOT


def test_the_published_files_are_up_to_date() -> None:
    assert stale(ROOT) == [], "run `firstline contracts`"


def test_the_command_writes_every_file_and_deletes_what_is_left_over(tmp_path: Path) -> None:
    left_over = tmp_path / "schemas" / "json" / "left_over.json"
    left_over.parent.mkdir(parents=True)
    left_over.touch()
    first = CliRunner().invoke(app, ["contracts", "--into", str(tmp_path)])
    assert first.exit_code == 0
    files = {file.relative_to(tmp_path) for file in tmp_path.rglob("*.*") if file.is_file()}
    assert files == contracts().keys()
    second = CliRunner().invoke(app, ["contracts", "--into", str(tmp_path)])
    assert second.output == "nothing to do\n"


def test_the_environment_has_no_say_in_a_contract(tmp_path: Path) -> None:
    settings = {"FIRSTLINE_PARTITIONS": "3", "FIRSTLINE_TOPIC_PREFIX": "other."}
    done = CliRunner().invoke(app, ["contracts", "--into", str(tmp_path)], env=settings)
    assert done.exit_code == 0
    assert stale(tmp_path) == []
