"""What a command says does not depend on which streams it was given, nor on the locale."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from firstline.servers import Servers

NARROW = {"PYTHONIOENCODING": "latin-1"}


def run(shell: str, named: Mapping[str, str], **environ: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["/bin/sh", "-c", shell.replace("firstline", f"{sys.executable} -m firstline")],
        env={**os.environ, **named, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


def named(servers: Servers) -> dict[str, str]:
    return {
        "FIRSTLINE_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        "FIRSTLINE_DATABASE_URL": servers.database_url,
    }


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_stops_nothing(servers: Servers, closed: str) -> None:
    done = run(f"firstline migrate {closed}", named(servers))
    assert (done.returncode, done.stderr) == (0, "")


def test_a_locale_without_the_letters_gets_their_escapes(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("flows: [{id: 日}]", encoding="utf-8")
    done = run(f"firstline flows lint {tmp_path}/c.yaml", {}, **NARROW)
    assert (done.returncode, done.stderr) == (1, "")
    assert r"flows \u65e5" in done.stdout


def test_a_full_disk_is_told_as_one(servers: Servers) -> None:
    done = run("firstline queue > /dev/full", named(servers))
    told = "firstline: cannot write what there is to say: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, told)
