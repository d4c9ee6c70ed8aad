"""The demo runs, on servers that it starts itself, and leaves nothing running."""

import signal
import subprocess
import sys
import time
from io import StringIO

import psutil
import pytest
from rich.console import Console

from firstline.demo import run


@pytest.mark.timeout(120)
def test_a_slice_of_the_log_comes_out_once_and_as_told() -> None:
    output = StringIO()

    code = run(rate=400, repeat=1, first=60, console=Console(file=output, width=100))

    assert code == 0, output.getvalue()
    assert "Nothing was lost and nothing happened twice" in output.getvalue()
    assert "Resolved. It left a proposal draft: “Nobody hears" in output.getvalue()
    assert "\x1b" not in output.getvalue()


@pytest.mark.timeout(120)
def test_an_interrupted_demo_leaves_no_process_behind() -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "firstline", "demo", "--rate", "20"],
        stdout=subprocess.PIPE,
        text=True,
    )
    family: set[psutil.Process] = set()
    while not any(is_worker(process) for process in family):
        assert demo.poll() is None
        family.update(psutil.Process(demo.pid).children(recursive=True))
        time.sleep(0.05)

    family.update(psutil.Process(demo.pid).children(recursive=True))
    demo.send_signal(signal.SIGTERM)
    output, _ = demo.communicate(timeout=30)

    assert demo.returncode == 130
    assert "Interrupted." in output
    assert [process for process in family if is_alive(process)] == []


def is_worker(process: psutil.Process) -> bool:
    try:
        return bool(process.cmdline()[-1:] == ["worker"])
    except psutil.Error:
        return False


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
