"""`firstline up --detach` and `firstline down`."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from firstline import background
from firstline.servers import Servers


@pytest.fixture
def environ(tmp_path: Path, servers: Servers, database_url: str) -> dict[str, str]:
    """Servers by name, and a state folder of the test's own."""
    return {
        **os.environ,
        "XDG_STATE_HOME": str(tmp_path),
        "FIRSTLINE_KAFKA_BOOTSTRAP": servers.kafka_bootstrap,
        "FIRSTLINE_DATABASE_URL": database_url,
        "FIRSTLINE_TOPIC_PREFIX": f"{tmp_path.name}.",
        "FIRSTLINE_PARTITIONS": "1",
    }


def test_a_worker_stays_until_it_is_ended(environ: dict[str, str]) -> None:
    started = firstline(environ, "up", "--detach")
    pid = int(started.split()[-1])
    assert psutil.Process(pid).is_running()

    assert firstline(environ, "up", "--detach") == started  # it runs already

    assert firstline(environ, "down") == "ended\n"
    assert not psutil.pid_exists(pid)
    assert firstline(environ, "down") == "nothing was running\n"


def test_one_that_does_not_come_up_says_why(environ: dict[str, str]) -> None:
    environ["FIRSTLINE_DATABASE_URL"] = "postgresql://nobody@127.0.0.1:1/nothing"
    with pytest.raises(background.BackgroundError, match="a server cannot be reached"):
        background.start(environ)


def test_one_that_is_not_ready_in_time_is_ended(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Else whoever asks again would be told that it is up."""
    monkeypatch.setattr(background, "_READY_WITHIN", 0.0)
    with pytest.raises(background.BackgroundError, match="did not come up"):
        background.start(environ)
    (pid_file,) = tmp_path.rglob("up.pid")
    assert not psutil.pid_exists(int(pid_file.read_text()))


def firstline(environ: dict[str, str], *arguments: str) -> str:
    """What a command prints that succeeds."""
    return subprocess.run(
        [sys.executable, "-m", "firstline", *arguments],
        env=environ,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=90,
    ).stdout
